"""Pinned images: locks of Debian and Python packages -> an Apptainer image, and whether they all agree."""
