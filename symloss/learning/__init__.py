"""Losses learned as networks, from start to end: where training, remembering and resuming meet."""
