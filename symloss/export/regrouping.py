"""Losses of a sample regrouped so that less is computed, where that loses no digits."""

from __future__ import annotations

from functools import partial

from symloss.export.factors import COUNTS, at, constant_if_so
from symloss.export.graph import Node, inputs_needed, needed
from symloss.export.linear import Parts, linear_parts
from symloss.export.quantities import Quantity, known

MOST = 16.0
"""How many times a the other factors may be: four bits of a result are lost then."""


def with_one_logarithm(sample: Node) -> Node:
    """A loss over log-odds m with one logarithm instead of two, and so half of the work; itself if need be.

        a log p + b log(1 - p)  =  (a + b) log p - b m        because log(1 - p) = log p - m

    The derivative becomes (a + b) (1 - p) - b. For p near 0 the loss is a m and its derivative a, of which
    digits are lost where a is small beside a + b or b.
    """
    graph = sample.graph
    margin = graph.input("margin")
    ways = [graph.logsigmoid, graph.sigmoid]
    log_p, p, log_rest, rest = (way(m) for m in (margin, -margin) for way in ways)
    terms = [margin, p, rest, log_p, log_rest]
    parts = linear_parts(sample, _each_for_itself(terms), ["margin"])
    if parts is None or any(inputs_needed(own.node) - {"classes"} for own in parts):
        return sample
    a, b = parts[-2:]
    both = constant_if_so(a + b)
    if b.number == 0.0 or not _keeps_digits(a, b, both):
        return sample
    return _summed((parts[0], parts[1] - b, *parts[2:4], both), terms)


def with_one_sum(sample: Node) -> Node:
    """A loss over log p and the sum of the others' logarithms with the sum of all; itself if need be.

        a log p + c (sum of the others)  =  (a - c) log p + c (sum of all)

    That saves to leave one out. The others' part is known to few digits beside a log p that is much larger.
    """
    graph = sample.graph
    log_p, others, p = map(graph.input, ("log_p", "others_log_p", "p"))
    if others not in needed(sample):
        return sample
    terms = [log_p, others, p]
    parts = linear_parts(sample, _each_for_itself(terms), ["log_p", "others_log_p", "p"])
    if parts is None or any(inputs_needed(own.node) - {"classes"} for own in parts):
        return sample
    alone, a, c, of_p = parts
    if not all(at(a, count) * at(c, count) > 0.0 for count in COUNTS) or not _keeps_digits(a, c, c):
        return sample
    return _summed((alone, constant_if_so(a - c), c, of_p), [log_p, graph.input("sum_log_p"), p])


def _summed(parts: Parts, terms: list[Node]) -> Node:
    """What stands alone, and terms times their factors."""
    whole = parts[0]
    for term, factor in zip(terms, parts[1:], strict=False):
        whole = whole + factor * Quantity(term)
    return whole.node


def _each_for_itself(terms: list[Node]) -> dict[Node, Parts]:
    number = partial(known, terms[0].graph)
    return {term: (number(0.0), *(number(float(term is other)) for other in terms)) for term in terms}


def _keeps_digits(a: Quantity, b: Quantity, both: Quantity) -> bool:
    return all(max(abs(at(b, count)), abs(at(both, count))) <= MOST * abs(at(a, count)) for count in COUNTS)
