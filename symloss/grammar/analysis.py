"""What a grammar can produce, found out before anything is drawn from it."""

from __future__ import annotations

import functools
import itertools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from symloss.grammar.model import Grammar, Production

Rules = Mapping[str, tuple[Production, ...]]
Inputs = frozenset[str]
Key = tuple[str, Inputs]

NEVER = 10**9
"""A height and size that no formula has: stands for "cannot be closed"."""


@dataclass(frozen=True)
class Reach:
    """In what height and size each nonterminal can be closed so that given inputs occur in it.

    sizes: for a nonterminal and a set of inputs, the least size at most 0, 1, 2, ... high. Height and size
           belong together: the lowest formula may be large, and the smallest one high.
    """

    sizes: Mapping[Key, tuple[int, ...]]

    def height(self, nonterminal: str, required: Inputs = frozenset(), size: int = NEVER - 1) -> int:
        """Least height of a formula of at most `size` nodes, or NEVER."""
        for height, least in enumerate(self.sizes.get((nonterminal, required), ())):
            if least <= size:
                return height
        return NEVER

    def size(self, nonterminal: str, required: Inputs = frozenset(), height: int | None = None) -> int:
        """Least size of a formula at most `height` high (without it: the grammar's limit), or NEVER."""
        by_height = self.sizes.get((nonterminal, required), ())
        last = len(by_height) - 1 if height is None else min(height, len(by_height) - 1)
        return by_height[last] if last >= 0 else NEVER


@functools.lru_cache(maxsize=64)
def reach_of(grammar: Grammar) -> Reach:
    """The reach of every nonterminal of `grammar` for every subset of its required inputs."""
    return compute_reach(grammar.rules, grammar.required, grammar.max_height)


def compute_reach(rules: Rules, required: Inputs, max_height: int) -> Reach:
    """Height after height: what fills a hole is lower than the whole, so its sizes are known already."""
    needs = _subsets(required)
    lower: list[dict[Key, int]] = []
    for height in range(max_height + 1):
        row: dict[Key, int] = {}
        for nonterminal, productions in rules.items():
            fitting = [p for p in productions if p.own_height <= height]
            options = [_sizes(p, needs, lower, height) for p in fitting]
            for need in needs:
                row[nonterminal, need] = min((option[need] for option in options), default=NEVER)
        lower.append(row)
    return Reach({key: tuple(row[key] for row in lower) for key in lower[-1]})


def _sizes(
    production: Production, needs: Sequence[Inputs], lower: Sequence[Mapping[Key, int]], height: int
) -> dict[Inputs, int]:
    """Least size of `production` at most `height` high for each set of inputs that it has to contain."""
    sizes = {need: production.own_size if need <= production.inputs else NEVER for need in needs}
    for hole, depth in zip(production.holes, production.hole_depths, strict=True):
        row = lower[height - depth]
        # What is needed is divided: some inputs come from this hole, the rest from what lies before it.
        sizes = {
            need: min(NEVER, *(sizes[need - part] + row[hole, part] for part in needs if part <= need))
            for need in needs
        }
    return sizes


def _subsets(names: Iterable[str]) -> list[Inputs]:
    """All subsets of `names`, the empty one first."""
    ordered = sorted(names)
    chosen = (itertools.combinations(ordered, count) for count in range(len(ordered) + 1))
    return [frozenset(subset) for subset in itertools.chain.from_iterable(chosen)]


def contents(rules: Rules) -> dict[str, set[Inputs]]:
    """The sets of inputs that formulas of each nonterminal contain. Empty: it can never be closed.

    Needs no limit of height: a production is looked at again only when one of its holes has gained a set.
    """
    users: dict[str, list[tuple[str, Production]]] = defaultdict(list)
    for name, productions in rules.items():
        for production in productions:
            for hole in set(production.holes):
                users[hole].append((name, production))
    found: dict[str, set[Inputs]] = {name: set() for name in rules}
    waiting = [(name, production) for name, productions in rules.items() for production in productions]
    while waiting:
        name, production = waiting.pop()
        sets = {production.inputs}
        for hole in production.holes:
            sets = {mine | theirs for mine in sets for theirs in found[hole]}
        if not sets <= found[name]:
            found[name] |= sets
            waiting.extend(users[name])
    return found
