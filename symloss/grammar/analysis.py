"""What a grammar can produce, found out before anything is drawn from it."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from symloss.grammar.model import Grammar, Production

Key = tuple[str, frozenset[str]]


def subsets(names: Iterable[str]) -> list[frozenset[str]]:
    """All subsets of `names`, the empty one first."""
    ordered = sorted(names)
    return [
        frozenset(chosen)
        for count in range(len(ordered) + 1)
        for chosen in itertools.combinations(ordered, count)
    ]


NEVER = 10**9
"""A height and size that no formula has: stands for "cannot be closed"."""


@dataclass(frozen=True)
class Reach:
    """Least height and size in which each nonterminal can be closed so that given inputs occur in it."""

    heights: Mapping[Key, int]
    sizes: Mapping[Key, int]

    def height(self, nonterminal: str, required: frozenset[str] = frozenset()) -> int:
        """Least height, or NEVER."""
        return self.heights.get((nonterminal, required), NEVER)

    def size(self, nonterminal: str, required: frozenset[str] = frozenset()) -> int:
        """Least size, or NEVER."""
        return self.sizes.get((nonterminal, required), NEVER)


@functools.lru_cache(maxsize=64)
def reach_of(grammar: Grammar) -> Reach:
    """The reach of every nonterminal of `grammar` for every subset of its required inputs."""
    return compute_reach(grammar.rules, grammar.required)


def compute_reach(rules: Mapping[str, tuple[Production, ...]], required: frozenset[str]) -> Reach:
    """Repeat until nothing gets smaller; every round settles at least the next smallest entry."""
    heights: dict[Key, int] = {}
    sizes: dict[Key, int] = {}
    wanted = subsets(required)
    changed = True
    while changed:
        changed = False
        for nonterminal, productions in rules.items():
            for need in wanted:
                key = (nonterminal, need)
                for production in productions:
                    height, size = _least(production, need, heights, sizes)
                    if height < heights.get(key, NEVER) or size < sizes.get(key, NEVER):
                        heights[key] = min(height, heights.get(key, NEVER))
                        sizes[key] = min(size, sizes.get(key, NEVER))
                        changed = True
    return Reach(heights, sizes)


def _least(
    production: Production, need: frozenset[str], heights: Mapping[Key, int], sizes: Mapping[Key, int]
) -> tuple[int, int]:
    """Least height and size of `production` when its holes bring the inputs that it lacks itself."""
    best = (NEVER, NEVER)
    for shares in spread(need - production.inputs, len(production.holes)):
        keys = list(zip(production.holes, shares, strict=True))
        depths = [
            heights.get(k, NEVER) + depth for k, depth in zip(keys, production.hole_depths, strict=True)
        ]
        height = max([production.own_height, *depths])
        size = production.own_size + sum(sizes.get(k, NEVER) for k in keys)
        best = (min(best[0], height), min(best[1], size))
    return best


def spread(names: Iterable[str], places: int) -> list[tuple[frozenset[str], ...]]:
    """All ways to give each name to one of so many places."""
    ordered = sorted(names)
    return [
        tuple(
            frozenset(name for name, owner in zip(ordered, owners, strict=True) if owner == place)
            for place in range(places)
        )
        for owners in itertools.product(range(places), repeat=len(ordered))
    ]
