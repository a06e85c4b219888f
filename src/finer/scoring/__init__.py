"""Responses become verdicts: a parser reads the answer, the answer key says whether it is right."""
