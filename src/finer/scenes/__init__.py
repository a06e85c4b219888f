"""Scene graphs from annotations and from captions."""
