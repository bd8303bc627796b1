"""Graphs as linear combinations: a + b t + c u + ..., where the factors do not depend on the network."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TypeAlias

from symloss.export.graph import Node, inputs_needed, needed
from symloss.export.quantities import Quantity, known

Parts: TypeAlias = tuple[Quantity, ...]
"""What stands alone, then the factor of each term."""


def linear_parts(result: Node, terms: Mapping[Node, Parts], outputs: Collection[str]) -> Parts | None:
    """`result` taken apart; None if it is no linear combination of the terms.

    terms:   the parts of the nodes that are taken for terms, or for combinations of them.
    outputs: names of the inputs on which the terms depend, and the factors must not.
    """
    zero = known(result.graph, 0.0)
    count = len(next(iter(terms.values())))

    def free(value: Quantity) -> Parts:
        return value, *[zero] * (count - 1)

    found: dict[Node, Parts | None] = dict(terms)
    for node in needed(result):
        if node in found:
            continue
        if not inputs_needed(node) & set(outputs):
            found[node] = free(_quantity(node))
        elif node.word not in _RULES:
            found[node] = None
        else:
            arguments = [
                found[a] if isinstance(a, Node) else free(known(node.graph, float(a))) for a in node.arguments
            ]
            parts = [own for own in arguments if own is not None]
            found[node] = _RULES[node.word](*parts) if len(parts) == len(arguments) else None
    return found[result]


def _quantity(node: Node) -> Quantity:
    if node.word == "constant":
        return known(node.graph, float(node.arguments[0]))  # type: ignore[arg-type]
    return Quantity(node)


def _product(first: Parts, second: Parts) -> Parts | None:
    if not (_is_free(first) or _is_free(second)):
        return None
    factor, others = (first[0], second) if _is_free(first) else (second[0], first)
    return tuple(factor * own for own in others)


def _quotient(first: Parts, second: Parts) -> Parts | None:
    return tuple(own / second[0] for own in first) if _is_free(second) else None


_RULES: dict[str, Callable[..., Parts | None]] = {
    "negative": lambda parts: tuple(-own for own in parts),
    "sum": lambda a, b: tuple(x + y for x, y in zip(a, b, strict=True)),
    "difference": lambda a, b: tuple(x - y for x, y in zip(a, b, strict=True)),
    "product": _product,
    "quotient": _quotient,
}


def _is_free(parts: Parts) -> bool:
    return all(own.number == 0.0 for own in parts[1:])
