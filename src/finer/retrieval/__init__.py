"""Fetching raw data and checkpoints: the only part of the project that uses the network.

Apart from ``finer.raw``, so that a new address rebuilds nothing that was read before.
"""
