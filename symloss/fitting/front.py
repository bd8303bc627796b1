"""The best formula of every size, and which of them are worth their size."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from symloss.expr import Call, Constant, Expr, fold
from symloss.fitting.constants import Fitted, polished, refitted, rounded
from symloss.fitting.samples import Samples

WORSE = 2.0
"""By how much the error of a formula may exceed the least one and still be preferred for being smaller."""

EXACT = 1e-6
"""Errors below this are rounding."""


@dataclass
class Front:
    """Formulas by size. `largest` is the largest size that is kept."""

    largest: int
    by_size: dict[int, Fitted] = field(default_factory=dict)

    def add(self, found: Fitted | None) -> None:
        """Keep a formula if it is the best of its size."""
        if found is None or found.size > self.largest or not found.error < 1.0:
            return
        known = self.by_size.get(found.size)
        if known is None or found.error < known.error:
            self.by_size[found.size] = found

    @property
    def least(self) -> float:
        """The least error so far."""
        return min((found.error for found in self.by_size.values()), default=1.0)

    def members(self) -> list[Fitted]:
        """Those that are better than all smaller ones, smallest first: errors fall from one to the next."""
        kept: list[Fitted] = []
        for size in sorted(self.by_size):
            if not kept or self.by_size[size].error < kept[-1].error:
                kept.append(self.by_size[size])
        return kept

    def chosen(self, worse: float = WORSE) -> Fitted | None:
        """The smallest formula that is nearly as good as the best one; None if there is no formula."""
        members = self.members()
        limit = worse * max(members[-1].error, EXACT) if members else 0.0
        return next((member for member in members if member.error <= limit), None)


def shorter(expr: Expr) -> Iterator[Expr]:
    """Formulas that leave out one node: an operator in favour of one of its arguments."""
    if not isinstance(expr, Call):
        return
    yield from (argument for argument in expr.arguments if not isinstance(argument, Constant))
    for place, argument in enumerate(expr.arguments):
        for changed in shorter(argument):
            yield Call(expr.operator, (*expr.arguments[:place], changed, *expr.arguments[place + 1 :]))


def trimmed(front: Front, samples: Samples) -> Front:
    """The front after a last look at its formulas: fitted longer, made shorter, constants made round."""
    done: set[Expr] = set()
    for size in sorted(front.by_size, reverse=True):
        for found in [refitted(front.by_size[size].expression, samples, 200)]:
            if found is None:
                continue
            front.add(found)
            for smaller in shorter(found.expression):
                short = fold(smaller)
                if short not in done:
                    done.add(short)
                    front.add(refitted(short, samples, 40))
    kept = Front(front.largest)
    for member in [polished(member, samples) for member in front.members()]:
        kept.add(member)
        kept.add(rounded(member, samples))
    return kept
