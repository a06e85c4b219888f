"""Multimodal models: real architectures, their processors, engines that ask them, and training of the micro bases."""
