"""Estimates become what a reader sees: tables, figures, the catalogue, and the check against a reference."""
