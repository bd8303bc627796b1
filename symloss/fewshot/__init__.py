"""Few-shot learning: what is learned on many small tasks, so that a new one is learned from few examples."""
