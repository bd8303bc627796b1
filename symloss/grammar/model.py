"""Grammars as values: which formulas may be proposed.

Nonterminals are types. A production is an expression template whose holes are nonterminals, so that
choosing a production for every hole derives a formula.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

from symloss.expr import Call, Constant, Expr, Variable
from symloss.expr.expression import MAX_HEIGHT


@dataclass(frozen=True)
class RandomConstant:
    """A number drawn anew each time: `uniform(a, b)`, or `normal(a, b)` with mean a and deviation b."""

    distribution: str
    a: float
    b: float

    def sample(self, rng: random.Random) -> float:
        if self.distribution == "uniform":
            return rng.uniform(self.a, self.b)
        return rng.gauss(self.a, self.b)


@dataclass(frozen=True)
class Hole:
    """A place that a nonterminal fills."""

    nonterminal: str


@dataclass(frozen=True)
class TemplateCall:
    """An operator whose arguments are templates."""

    operator: str
    arguments: tuple[Template, ...]


Template: TypeAlias = Variable | Constant | RandomConstant | Hole | TemplateCall


def leaves_of(template: Template, depth: int = 0) -> Iterator[tuple[Template, int]]:
    """The leaves of a template in prefix order, each with its depth."""
    if isinstance(template, TemplateCall):
        for argument in template.arguments:
            yield from leaves_of(argument, depth + 1)
    else:
        yield template, depth


def _calls(template: Template) -> int:
    if not isinstance(template, TemplateCall):
        return 0
    return 1 + sum(_calls(a) for a in template.arguments)


@dataclass(frozen=True)
class Production:
    """One alternative of a rule.

    id: counts through all productions of a grammar. weight: relative to the other alternatives.
    """

    id: int
    template: Template
    weight: float = 1.0

    @cached_property
    def holes(self) -> tuple[str, ...]:
        """Nonterminals of the holes, in prefix order."""
        return tuple(leaf.nonterminal for leaf, _ in leaves_of(self.template) if isinstance(leaf, Hole))

    @cached_property
    def hole_depths(self) -> tuple[int, ...]:
        """How deep each hole lies; a hole that is the whole template lies at 0."""
        return tuple(depth for leaf, depth in leaves_of(self.template) if isinstance(leaf, Hole))

    @cached_property
    def random_constants(self) -> tuple[RandomConstant, ...]:
        """The random constants, in prefix order."""
        return tuple(leaf for leaf, _ in leaves_of(self.template) if isinstance(leaf, RandomConstant))

    @cached_property
    def inputs(self) -> frozenset[str]:
        """Inputs that the template itself contains."""
        return frozenset(leaf.name for leaf, _ in leaves_of(self.template) if isinstance(leaf, Variable))

    @cached_property
    def own_height(self) -> int:
        """Height of the template with leaves in its holes."""
        return max(depth for _, depth in leaves_of(self.template))

    @cached_property
    def own_size(self) -> int:
        """Nodes of the template without its holes."""
        return _calls(self.template) + sum(not isinstance(leaf, Hole) for leaf, _ in leaves_of(self.template))

    def fill(self, arguments: Sequence[Expr], constants: Sequence[float]) -> Expr:
        """The expression with `arguments` in the holes and `constants` for the random ones, both in order."""
        holes, numbers = iter(arguments), iter(constants)

        def build(template: Template) -> Expr:
            if isinstance(template, TemplateCall):
                return Call(template.operator, tuple(build(a) for a in template.arguments))
            if isinstance(template, Hole):
                return next(holes)
            return Constant(next(numbers)) if isinstance(template, RandomConstant) else template

        return build(self.template)


@dataclass(frozen=True)
class Derivation:
    """How a formula was derived: a production, values of its random constants, and what fills its holes."""

    production: Production
    constants: tuple[float, ...] = ()
    children: tuple[Derivation, ...] = ()

    @cached_property
    def expression(self) -> Expr:
        """The derived formula."""
        return self.production.fill([child.expression for child in self.children], self.constants)

    @property
    def size(self) -> int:
        """Nodes of the formula."""
        return self.expression.size

    def walk(self) -> Iterator[Derivation]:
        """All derivations in prefix order, this one first."""
        yield self
        for child in self.children:
            yield from child.walk()


@dataclass(frozen=True)
class Grammar:
    """What may be proposed.

    rules:          productions of every nonterminal; a production is never a lone hole.
    required:       inputs that every formula contains.
    initial_height: least and greatest height of the first random formulas. A leaf has height 0.
    max_height, max_size: of any formula.
    text, digest:   the file's text, and a hash that is equal for grammars that mean the same text.
    """

    name: str
    doc: str
    start: str
    rules: Mapping[str, tuple[Production, ...]] = field(repr=False, compare=False, hash=False)
    required: frozenset[str]
    initial_height: tuple[int, int]
    max_height: int
    max_size: int
    text: str = field(repr=False, compare=False, hash=False)
    digest: str

    @cached_property
    def productions(self) -> dict[int, Production]:
        """All productions by id."""
        return {p.id: p for alternatives in self.rules.values() for p in alternatives}


def admits(grammar: Grammar, expr: Expr) -> bool:
    """Whether `expr` has the required inputs and fits the limits of height and size."""
    return (
        expr.height <= grammar.max_height
        and expr.size <= grammar.max_size
        and grammar.required <= expr.inputs
    )


def to_json(derivation: Derivation) -> list[Any]:
    """`[production id, [constants], child, ...]`"""
    children = [to_json(child) for child in derivation.children]
    return [derivation.production.id, list(derivation.constants), *children]


def from_json(grammar: Grammar, data: Any) -> Derivation:
    """The derivation of `to_json`'s data. Raises ValueError if it is none of this grammar."""

    def read(item: Any, nonterminal: str, depth: int) -> Derivation:
        if not isinstance(item, list) or len(item) < 2 or not isinstance(item[1], list) or depth > MAX_HEIGHT:
            raise ValueError(f"not a derivation from '{nonterminal}'")
        number, constants, *parts = item
        production = grammar.productions.get(number) if type(number) is int else None
        if production is None or all(production is not p for p in grammar.rules[nonterminal]):
            raise ValueError(f"'{nonterminal}' has no production {number!r}")
        if len(parts) != len(production.holes) or len(constants) != len(production.random_constants):
            raise ValueError(f"production {number} is filled wrongly")
        if not all(isinstance(c, int | float) and math.isfinite(c) for c in constants):
            raise ValueError(f"production {number} has a constant that is not a finite number")
        children = (read(part, hole, depth + 1) for part, hole in zip(parts, production.holes, strict=True))
        return Derivation(production, tuple(float(c) for c in constants), tuple(children))

    return read(data, grammar.start, 0)
