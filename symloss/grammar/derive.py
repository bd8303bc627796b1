"""From a formula back to the choices that derive it."""

from __future__ import annotations

import itertools

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

    A constant matches an equal number of a production, and any random constant. Limits are not looked at.
    """
    memory: dict[tuple[str, Expr], Derivation | None] = {}

    def of_nonterminal(name: str, part: Expr) -> Derivation | None:
        if (name, part) not in memory:
            matches = (of_production(production, part) for production in grammar.rules[name])
            memory[name, part] = next((found for found in matches if found is not None), None)
        return memory[name, part]

    def of_production(production: Production, part: Expr) -> Derivation | None:
        found = match(production.template, part)
        return None if found is None else Derivation(production, found[1], found[0])

    def match(template: Template, part: Expr) -> Match | None:
        if isinstance(template, Hole):  # deeper than the production's root, so this ends
            child = of_nonterminal(template.nonterminal, part)
            return None if child is None else ((child,), ())
        if isinstance(template, RandomConstant):
            return ((), (part.value,)) if isinstance(part, Constant) else None
        if not isinstance(template, TemplateCall):
            return ((), ()) if template == part else None
        if not isinstance(part, Call) or part.operator != template.operator:
            return None
        pieces = []
        for below, argument in zip(template.arguments, part.arguments, strict=True):
            piece = match(below, argument)
            if piece is None:
                return None
            pieces.append(piece)
        children = tuple(itertools.chain.from_iterable(piece[0] for piece in pieces))
        return children, tuple(itertools.chain.from_iterable(piece[1] for piece in pieces))

    return of_nonterminal(grammar.start, expr)
