"""FINER: measuring and curing hallucinations of multimodal LLMs under fine-grained negative queries."""

__version__ = "0.1.0"
