"""Preference pairs and a base model -> an adapter: DPO or SFT with LoRA on the language model."""
