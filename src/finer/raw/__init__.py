"""Official raw files: readers of them, and what fetches them."""
