"""Handcrafted losses as formulas: baselines to beat, and known points in the space of a search."""

from __future__ import annotations

from dataclasses import dataclass

from symloss.errors import ExpressionError, did_you_mean
from symloss.expr import Expr, parse_expression
from symloss.records import Kind


@dataclass(frozen=True)
class Handcrafted:
    """A published loss. `formula` is elementwise in the prediction p and the target y; see `Kind`."""

    name: str
    kinds: tuple[Kind, ...]
    formula: str
    reference: str

    @property
    def expression(self) -> Expr:
        return parse_expression(self.formula)


_CLASSES = (Kind.MULTICLASS,)
_BINARY = (Kind.BINARY,)
_VALUES = (Kind.REGRESSION,)

_ROWS = [
    Handcrafted("cross-entropy", _CLASSES, "-(y * log(p))", "standard"),
    Handcrafted("binary-cross-entropy", _BINARY, "-(y * log(p)) - (1 - y) * log(1 - p)", "standard"),
    Handcrafted("brier", _CLASSES + _BINARY, "square(p - y)", "Brier 1950"),
    Handcrafted("mae-probability", _CLASSES + _BINARY, "abs(p - y)", "Ghosh et al. 2017, arXiv 1712.09482"),
    Handcrafted(
        "generalised-cross-entropy",
        _CLASSES,
        "y * ((1 - pow(p, 0.7)) * 1.4285714285714286)",  # q = 0.7, the paper's value
        "Zhang and Sabuncu 2018, arXiv 1805.07836",
    ),
    Handcrafted(
        "focal", _CLASSES, "-(y * (square(1 - p) * log(p)))", "Lin et al. 2017, arXiv 1708.02002, gamma 2"
    ),
    Handcrafted("mse", _VALUES, "square(p - y)", "standard"),
    Handcrafted("mae", _VALUES, "abs(p - y)", "standard"),
    Handcrafted(
        "huber",
        _VALUES,
        # delta = 1: with c = min(|r|, 1), the loss is c (|r| - c / 2).
        "min(abs(p - y), 1) * (abs(p - y) - 0.5 * min(abs(p - y), 1))",
        "Huber 1964, threshold 1",
    ),
    Handcrafted("cauchy", _VALUES, "log(1 + square(p - y))", "Black and Anandan 1996, scale 1"),
]

CATALOGUE: dict[str, Handcrafted] = {row.name: row for row in _ROWS}


def handcrafted(name: str, kind: Kind) -> Handcrafted:
    """The row of `name`. Raises ExpressionError if it is unknown or not for this kind of task."""
    if name not in CATALOGUE:
        raise ExpressionError(f"unknown loss '{name}': {did_you_mean(name, CATALOGUE)}")
    row = CATALOGUE[name]
    if kind not in row.kinds:
        raise ExpressionError(f"loss '{name}' is for {row.kinds[0].value} tasks, this one is {kind.value}")
    return row
