"""Where language models are asked: over HTTP, or in the job's own process."""
