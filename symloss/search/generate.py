"""Random formulas of a grammar. Every one that is made is valid: nothing is drawn and thrown away.

A formula has to fit a height and a size and to contain the required inputs. The grammar knows, for
every nonterminal and every set of inputs, the least height and size in which both can be had (see
`symloss.grammar.analysis`), so a choice that cannot be completed is never made.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Sequence
from dataclasses import dataclass

from symloss.grammar import Derivation, Grammar, Production, Reach, reach_of


@dataclass(frozen=True)
class Room:
    """What a subtree may use and must contain: at most `height` and `size`, all inputs of `required`."""

    height: int
    size: int
    required: frozenset[str] = frozenset()


class Generator:
    """Draws derivations of a grammar.

    full: at every choice prefer productions that can still grow, so that all branches reach the height
    (Koza's "full"); otherwise any production may be chosen ("grow").
    """

    def __init__(self, grammar: Grammar, rng: random.Random) -> None:
        self.grammar = grammar
        self._rng = rng
        self._reach: Reach = reach_of(grammar)

    def ramped(self) -> Derivation:
        """A formula by ramped half-and-half: a random height limit, half of them full."""
        low, high = self.grammar.initial_height
        least = self._reach.height(self.grammar.start, self.grammar.required, self.grammar.max_size)
        height = max(self._rng.randint(low, high), least)
        room = Room(height, self.grammar.max_size, self.grammar.required)
        return self.draw(self.grammar.start, room, self._rng.random() < 0.5)

    def draw(self, nonterminal: str, room: Room, full: bool) -> Derivation:
        """A derivation of `nonterminal` within `room`. Raises ValueError if there is none."""
        options = [p for p in self.grammar.rules[nonterminal] if self._possible(p, room)]
        if not options:
            raise ValueError(f"'{nonterminal}' cannot be completed within {room}")
        growing = [p for p in options if p.holes] if full else []
        chosen = growing or options
        production = self._rng.choices(chosen, [p.weight for p in chosen])[0]
        constants = tuple(constant.sample(self._rng) for constant in production.random_constants)
        return Derivation(production, constants, self._children(production, room, full))

    def fits(self, nonterminal: str, room: Room) -> bool:
        """Whether some derivation of `nonterminal` fits into `room`."""
        return self._reach.size(nonterminal, room.required, room.height) <= room.size

    def _possible(self, production: Production, room: Room) -> bool:
        return bool(self._assignments(production, room))

    def _assignments(self, production: Production, room: Room) -> list[tuple[frozenset[str], ...]]:
        """Ways to spread the inputs that the template lacks over its holes, each hole being able to."""
        missing = sorted(room.required - production.inputs)
        found = []
        for owners in itertools.product(range(len(production.holes)), repeat=len(missing)):
            shares = tuple(
                frozenset(name for name, owner in zip(missing, owners, strict=True) if owner == hole)
                for hole in range(len(production.holes))
            )
            if self._fits_all(production, shares, room):
                found.append(shares)
        return found

    def _fits_all(self, production: Production, shares: Sequence[frozenset[str]], room: Room) -> bool:
        if production.own_height > room.height:
            return False
        size = production.own_size
        for hole, depth, share in zip(production.holes, production.hole_depths, shares, strict=True):
            size += self._reach.size(hole, share, room.height - depth)
        return size <= room.size

    def _children(self, production: Production, room: Room, full: bool) -> tuple[Derivation, ...]:
        shares = self._rng.choice(self._assignments(production, room))
        # Each child may use what is left when the others take the least they need.
        parts = zip(production.holes, production.hole_depths, shares, strict=True)
        least = [self._reach.size(hole, share, room.height - depth) for hole, depth, share in parts]
        spare = room.size - production.own_size - sum(least)
        children = []
        for hole, depth, share, need in zip(
            production.holes, production.hole_depths, shares, least, strict=True
        ):
            child = self.draw(hole, Room(room.height - depth, need + spare, share), full)
            spare -= child.size - need
            children.append(child)
        return tuple(children)
