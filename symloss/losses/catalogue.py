"""Handcrafted losses as formulas: baselines to beat, and known points in the space of a search."""

from __future__ import annotations

from dataclasses import dataclass

from symloss.errors import ExpressionError, did_you_mean
from symloss.expr import Expr, guarded, parse_expression
from symloss.records import Kind, SymbolicLoss


@dataclass(frozen=True)
class Handcrafted:
    """A published loss.

    formula:   elementwise in the prediction p, the target y and the number of classes C; see `Kind`. It is
               the published one: its logarithms (`ln`) have no floor.
    reference: where it comes from, the values of its parameters, and where this form differs.
    """

    name: str
    kinds: tuple[Kind, ...]
    formula: str
    reference: str

    @property
    def exact(self) -> Expr:
        """The formula as published."""
        return parse_expression(self.formula)

    @property
    def expression(self) -> Expr:
        """The formula as a search would evaluate it, its logarithms with their floor."""
        return guarded(self.exact)

    def loss(self, kind: Kind | None = None, reduction: str = "mean") -> SymbolicLoss:
        """The published loss as a value, for the first of its kinds unless told otherwise."""
        return SymbolicLoss(self.exact, kind or self.kinds[0], reduction)


_CLASSES = (Kind.MULTICLASS,)
_BINARY = (Kind.BINARY,)
_VALUES = (Kind.REGRESSION,)

_ROWS = [
    Handcrafted("cross-entropy", _CLASSES, "-(y * ln(p))", "standard"),
    Handcrafted("binary-cross-entropy", _BINARY, "-(y * ln(p)) - (1 - y) * ln(1 - p)", "standard"),
    Handcrafted(
        "label-smoothing",
        _CLASSES,
        "-((0.9 * y + 0.1 * inv(C)) * ln(p))",
        "Szegedy et al. 2016, arXiv 1512.00567, smoothing 0.1 spread over all classes",
    ),
    Handcrafted(
        "sparse-lsr",
        _CLASSES,
        "-(y * ((0.9 + 0.1 * inv(C)) * ln(p) + (0.1 - 0.1 * inv(C)) * ln((1 - p) * inv(C - 1))))",
        "Raymond et al. 2023, arXiv 2209.08907, equation 9, smoothing 0.1; the sign of the second term is "
        "that of the equation, which the published script has wrong",
    ),
    Handcrafted(
        "absolute-cross-entropy",
        _CLASSES,
        "y * abs(ln(1.1 * p))",
        "ACE of Raymond et al. 2023, arXiv 2209.08907, phi0 1 and phi1 1.1; without the terms of the other "
        "classes, which are constants",
    ),
    Handcrafted("brier", _CLASSES + _BINARY, "square(p - y)", "Brier 1950"),
    Handcrafted("mae-probability", _CLASSES + _BINARY, "abs(p - y)", "Ghosh et al. 2017, arXiv 1712.09482"),
    Handcrafted(
        "generalised-cross-entropy",
        _CLASSES,
        "y * ((1 - pow(p, 0.7)) * 1.4285714285714286)",  # q = 0.7, the paper's value
        "Zhang and Sabuncu 2018, arXiv 1805.07836, q 0.7",
    ),
    Handcrafted(
        "symmetric-cross-entropy",
        _CLASSES,
        "4 * ((1 - y) * p) - 0.1 * (y * ln(p))",
        "Wang et al. 2019, arXiv 1908.06112, alpha 0.1, beta 1, log 0 taken as -4",
    ),
    Handcrafted(
        "taylor-cross-entropy",
        _CLASSES,
        "y * ((1 - p) + 0.5 * square(1 - p))",
        "Feng et al. 2020, IJCAI, order 2",
    ),
    Handcrafted(
        "focal", _CLASSES, "-(y * (square(1 - p) * ln(p)))", "Lin et al. 2017, arXiv 1708.02002, gamma 2"
    ),
    Handcrafted(
        "binary-focal",
        _BINARY,
        "-(y * (square(1 - p) * ln(p))) - (1 - y) * (square(p) * ln(1 - p))",
        "Lin et al. 2017, arXiv 1708.02002, gamma 2, without class weights",
    ),
    Handcrafted("poly-1", _CLASSES, "y * ((1 - p) - ln(p))", "Leng et al. 2022, arXiv 2204.12511, epsilon 1"),
    Handcrafted(
        "baikal",
        _CLASSES,
        "y * pow(p, -1) - ln(p)",
        "Gonzalez and Miikkulainen 2020, arXiv 1905.11528; 1/p is limited to 1e7",
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
    Handcrafted(
        "log-cosh",
        _VALUES,
        "abs(p - y) + softplus(-2 * abs(p - y)) - 0.6931471805599453",
        "log(cosh(r)) in a form that does not overflow",
    ),
    Handcrafted(
        "tukey",
        _VALUES,
        # c = 4.685; with u = min((r / c)^2, 1), the loss is c^2 / 6 (1 - (1 - u)^3).
        "3.6582041666666667 * (1 - (1 - min(square(0.21344717182497333 * (p - y)), 1)) "
        "* square(1 - min(square(0.21344717182497333 * (p - y)), 1)))",
        "Tukey's biweight, Beaton and Tukey 1974, c 4.685 for residuals of unit scale",
    ),
    Handcrafted("cauchy", _VALUES, "log(1 + square(p - y))", "Black and Anandan 1996, scale 1"),
    Handcrafted(
        "quantile",
        _VALUES,
        "max(0.9 * (y - p), 0.1 * (p - y))",
        "Koenker and Bassett 1978, the quantile 0.9",
    ),
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
