"""Losses in PyTorch: symbolic ones as tapes, populations and modules."""
