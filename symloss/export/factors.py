"""Factors of losses: what depends on constants and on the number of classes alone."""

from __future__ import annotations

import math

from symloss.export.graph import Node, needed, value_at
from symloss.export.quantities import Quantity, known

PLACES = 100
"""At how many numbers of classes a factor is looked at, at the most, before it is called a constant."""

COUNTS = (2.0, 3.0, 5.0, 10.0, 37.0, 1e2, 1e3, 1e4, 1e6)
"""Numbers of classes at which the sizes of factors are compared."""


def constant_if_so(factor: Quantity) -> Quantity:
    """The factor, as a number where it is the same for all numbers of classes.

    A quotient of polynomials that has one value at more places than their degree is a constant.
    """
    if factor.number is not None:
        return factor
    places = 1 + max(_degrees(factor.node))
    if places > PLACES:
        return factor
    first, *others = (at(factor, count) for count in (*(2.0 + place for place in range(places)), *COUNTS))
    if not all(math.isclose(value, first, rel_tol=1e-14) for value in others):
        return factor
    return known(factor.node.graph, float(f"{first:.15g}"))


def _degrees(factor: Node) -> tuple[int, int]:
    """Bounds on the degrees, in the number of classes, of the polynomials whose quotient a factor is."""
    found: dict[Node, tuple[int, int]] = {}
    for node in needed(factor):
        pairs = [found[a] if isinstance(a, Node) else (0, 0) for a in node.arguments]
        if node.word in ("input", "constant"):
            found[node] = int(node.word == "input"), 0
        elif node.word == "negative":
            found[node] = pairs[0]
        elif node.word in ("sum", "difference"):
            (a, b), (c, d) = pairs
            found[node] = max(a + d, c + b), b + d
        elif node.word in ("product", "quotient"):
            (a, b), (c, d) = pairs
            found[node] = (a + c, b + d) if node.word == "product" else (a + d, b + c)
        else:
            found[node] = PLACES, PLACES  # no quotient of polynomials
    return found[factor]


def at(factor: Quantity, count: float) -> float:
    """The factor for a number of classes."""
    return value_at(factor.node, {"classes": count})
