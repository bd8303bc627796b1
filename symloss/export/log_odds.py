"""Losses over log-odds m with one logarithm instead of two, and so half of the work on each sample.

    a log p + b log(1 - p)  =  (a + b) log p - b m        because log(1 - p) = log p - m

The derivative becomes (a + b) (1 - p) - b. For p near 0 the loss is a m and its derivative a, of which digits
are lost where a is small beside a + b or b. So this is done only where it is not.
"""

from __future__ import annotations

import math
from functools import partial

from symloss.export.graph import Node, inputs_needed, value_at
from symloss.export.linear import Parts, linear_parts
from symloss.export.quantities import Quantity, known

MOST = 16.0
"""How many times a the other factors may be: four bits of a result are lost then."""

COUNTS = (2.0, 3.0, 5.0, 10.0, 37.0, 1e2, 1e3, 1e4, 1e6)
"""Numbers of classes at which factors are looked at."""


def with_one_logarithm(sample: Node) -> Node:
    """`sample`, a loss over `margin`, in the form above; itself where that is not possible or not exact."""
    graph = sample.graph
    margin = graph.input("margin")
    ways = [graph.logsigmoid, graph.sigmoid]
    log_p, p, log_rest, rest = (way(m) for m in (margin, -margin) for way in ways)
    terms = [margin, p, rest, log_p, log_rest]
    parts = linear_parts(sample, _each_for_itself(terms), ["margin"])
    if parts is None or any(inputs_needed(own.node) - {"classes"} for own in parts):
        return sample
    a, b = parts[-2:]
    both = _constant_if_so(a + b)
    if b.number == 0.0 or not _keeps_digits(a, b, both):
        return sample
    whole = parts[0]
    for term, factor in zip(terms, (parts[1] - b, *parts[2:4], both), strict=False):
        whole = whole + factor * Quantity(term)
    return whole.node


def _each_for_itself(terms: list[Node]) -> dict[Node, Parts]:
    number = partial(known, terms[0].graph)
    return {term: (number(0.0), *(number(float(term is other)) for other in terms)) for term in terms}


def _constant_if_so(factor: Quantity) -> Quantity:
    """The factor, as a number where it is the same for all numbers of classes."""
    values = [_at(factor, count) for count in COUNTS]
    if any(not math.isclose(value, values[0], rel_tol=1e-14) for value in values):
        return factor
    return known(factor.node.graph, float(f"{values[0]:.15g}"))


def _keeps_digits(a: Quantity, b: Quantity, both: Quantity) -> bool:
    return all(
        max(abs(_at(b, count)), abs(_at(both, count))) <= MOST * abs(_at(a, count)) for count in COUNTS
    )


def _at(factor: Quantity, count: float) -> float:
    return value_at(factor.node, {"classes": count})
