"""Evaluation suites: benchmark tables become items, the same table for every suite; no suite ever sees a model."""
