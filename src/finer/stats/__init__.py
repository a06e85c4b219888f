"""Verdicts become estimates: shares of a named grouping, with intervals that respect images."""
