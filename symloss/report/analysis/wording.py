"""Shared by the sentences about losses of either kind."""

from __future__ import annotations

import math


def same_number(a: float, b: float) -> bool:
    """Whether two numbers would be called the same."""
    return math.isclose(a, b, rel_tol=1e-6)
