"""Negatives: plausible replacements of elements that are not true of the image, proposed, verified and settled."""
