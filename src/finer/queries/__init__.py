"""Questions by rule: pairs of multiple-choice questions, granularity queries, the interchange form."""
