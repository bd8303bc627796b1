"""Losses that learn while a model trains (AdaLFL): one differentiable step, exact and without copies."""
