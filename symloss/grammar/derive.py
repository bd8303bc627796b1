"""From a formula back to the choices that derive it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from symloss.expr import Call, Constant, Expr
from symloss.grammar.model import (
    Derivation,
    Grammar,
    Hole,
    Production,
    RandomConstant,
    Template,
    TemplateCall,
)

Match = tuple[tuple[Derivation, ...], tuple[float, ...]]


def derive(grammar: Grammar, expr: Expr) -> Derivation | None:
    """The first derivation of `expr` from the start of `grammar`, or None if there is none.

    A constant matches an equal number of a production, and any random constant.
    """
    memory: dict[tuple[str, Expr], Derivation | None] = {}

    def of_nonterminal(name: str, part: Expr) -> Derivation | None:
        key = (name, part)
        if key not in memory:
            memory[key] = None  # while being looked for, it cannot be part of itself
            memory[key] = next(of_productions(grammar.rules[name], part), None)
        return memory[key]

    def of_productions(productions: tuple[Production, ...], part: Expr) -> Iterator[Derivation]:
        for production in productions:
            found = match(production.template, part)
            if found is not None:
                yield Derivation(production, found[1], found[0])

    def match(template: Template, part: Expr) -> Match | None:
        if isinstance(template, Hole):
            child = of_nonterminal(template.nonterminal, part)
            return None if child is None else ((child,), ())
        if isinstance(template, RandomConstant):
            return ((), (part.value,)) if isinstance(part, Constant) else None
        if not isinstance(template, TemplateCall):
            return ((), ()) if template == part else None
        if not isinstance(part, Call) or part.operator != template.operator:
            return None
        pieces = [match(t, a) for t, a in zip(template.arguments, part.arguments, strict=True)]
        if any(piece is None for piece in pieces):
            return None
        known = [piece for piece in pieces if piece is not None]
        children = tuple(itertools.chain.from_iterable(piece[0] for piece in known))
        return children, tuple(itertools.chain.from_iterable(piece[1] for piece in known))

    return of_nonterminal(grammar.start, expr)
