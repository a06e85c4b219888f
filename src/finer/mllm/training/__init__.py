"""Base training of the micro models: instruct data -> vision tower, then language stages -> a checkpoint."""
