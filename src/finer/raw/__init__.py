"""Official raw files: readers of them."""
