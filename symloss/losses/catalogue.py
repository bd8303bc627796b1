"""Handcrafted losses as formulas: baselines to beat, and known points in the space of a search."""

from __future__ import annotations

import re
from collections.abc import Mapping

from symloss.errors import ExpressionError, did_you_mean
from symloss.losses import formulas
from symloss.losses.published import Handcrafted, Parameter
from symloss.records import Kind

_CLASSES = (Kind.MULTICLASS,)
_BINARY = (Kind.BINARY,)
_VALUES = (Kind.REGRESSION,)


def _each(name: str, *values: float) -> tuple[Mapping[str, float], ...]:
    return tuple({name: value} for value in values)


_SMOOTHING = Parameter("smoothing", 0.1, at_least=0, below=1)
_GAMMA = Parameter("gamma", 2.0, at_least=0)

_ROWS = [
    Handcrafted("cross-entropy", _CLASSES, formulas.CROSS_ENTROPY, "standard"),
    Handcrafted("binary-cross-entropy", _BINARY, "-(y * ln(p)) - (1 - y) * ln(1 - p)", "standard"),
    Handcrafted(
        "label-smoothing",
        _CLASSES,
        formulas.label_smoothing,
        "Szegedy et al. 2016, arXiv 1512.00567, smoothing {smoothing} spread over all classes",
        (_SMOOTHING,),
        _each("smoothing", 0.05, 0.1, 0.2, 0.4),
    ),
    Handcrafted(
        "sparse-lsr",
        _CLASSES,
        formulas.sparse_lsr,
        "Raymond et al. 2023, arXiv 2209.08907, equation 9, smoothing {smoothing}; the sign of the second "
        "term is that of the equation, which the published script has wrong",
        (_SMOOTHING,),
        _each("smoothing", 0.05, 0.1, 0.2, 0.4),
    ),
    Handcrafted(
        "absolute-cross-entropy",
        _CLASSES,
        formulas.absolute_cross_entropy,
        "ACE of Raymond et al. 2023, arXiv 2209.08907, phi0 {phi0} and phi1 {phi1}; without the terms of the "
        "other classes, which are constants",
        (Parameter("phi0", 1.0, above=0), Parameter("phi1", 1.1, above=0)),
        # phi0 is a learning rate; confidence is held at 1 / phi1.
        tuple({"phi0": 1.0, "phi1": phi1} for phi1 in (1.05, 1.1, 1.25, 1.5)),
    ),
    Handcrafted("brier", _CLASSES + _BINARY, "square(p - y)", "Brier 1950"),
    Handcrafted("mae-probability", _CLASSES + _BINARY, "abs(p - y)", "Ghosh et al. 2017, arXiv 1712.09482"),
    Handcrafted(
        "generalised-cross-entropy",
        _CLASSES,
        formulas.generalised_cross_entropy,
        "Zhang and Sabuncu 2018, arXiv 1805.07836, q {q}",
        (Parameter("q", 0.7, above=0, at_most=1),),
        _each("q", 0.3, 0.5, 0.7, 0.9),
    ),
    Handcrafted(
        "symmetric-cross-entropy",
        _CLASSES,
        formulas.symmetric_cross_entropy,
        "Wang et al. 2019, arXiv 1908.06112, alpha {alpha}, beta {beta}, log 0 taken as -4",
        (Parameter("alpha", 0.1, above=0), Parameter("beta", 1.0, at_least=0)),
        # Of the paper: MNIST, CIFAR-10 and CIFAR-100; and equal parts.
        tuple({"alpha": a, "beta": b} for a, b in [(0.01, 1.0), (0.1, 1.0), (1.0, 1.0), (6.0, 0.1)]),
    ),
    Handcrafted(
        "taylor-cross-entropy",
        _CLASSES,
        formulas.taylor_cross_entropy,
        "Feng et al. 2020, IJCAI, order {order}",
        (Parameter("order", 2.0, at_least=1, at_most=20, whole=True),),
        _each("order", 1.0, 2.0, 4.0, 6.0),
    ),
    Handcrafted(
        "focal",
        _CLASSES,
        formulas.focal,
        "Lin et al. 2017, arXiv 1708.02002, gamma {gamma}",
        (_GAMMA,),
        _each("gamma", 0.5, 1.0, 2.0, 5.0),
    ),
    Handcrafted(
        "binary-focal",
        _BINARY,
        formulas.binary_focal,
        "Lin et al. 2017, arXiv 1708.02002, gamma {gamma}, without class weights",
        (_GAMMA,),
        _each("gamma", 0.5, 1.0, 2.0, 5.0),
    ),
    Handcrafted(
        "poly-1",
        _CLASSES,
        formulas.poly_1,
        "Leng et al. 2022, arXiv 2204.12511, epsilon {epsilon}",
        (Parameter("epsilon", 1.0, at_least=-1),),
        _each("epsilon", -1.0, 1.0, 2.0, 4.0),
    ),
    Handcrafted(
        "baikal",
        _CLASSES,
        "y * pow(p, -1) - ln(p)",
        "Gonzalez and Miikkulainen 2020, arXiv 1905.11528; 1/p is limited to 1e7",
    ),
    Handcrafted(
        "cse-autoloss-a",
        _CLASSES,
        formulas.cse_autoloss_a,
        "Liu et al. 2021, arXiv 2102.04700, classification branch of CSE-AutoLoss-A, for an overlap (IoU) of "
        "{iou} of predicted and true box; for boxes of their own, weigh each sample's cross-entropy by "
        "1 + sin(IoU)",
        (Parameter("iou", 1.0, at_least=0, at_most=1),),
        ({"iou": 1.0},),
        twin="cross-entropy",
    ),
    Handcrafted("mse", _VALUES, "square(p - y)", "standard"),
    Handcrafted("mae", _VALUES, "abs(p - y)", "standard"),
    Handcrafted(
        "huber",
        _VALUES,
        formulas.huber,
        "Huber 1964, threshold {delta}",
        (Parameter("delta", 1.0, above=0),),
        _each("delta", 0.5, 1.0, 1.345, 2.0),
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
        formulas.tukey,
        "Tukey's biweight, Beaton and Tukey 1974, c {c} for residuals of unit scale",
        (Parameter("c", 4.685, above=0),),
        _each("c", 1.547, 3.44, 4.685),  # breakdown 50 %; efficiency 85 % and 95 % for normal residuals
    ),
    Handcrafted(
        "cauchy",
        _VALUES,
        formulas.cauchy,
        "Black and Anandan 1996, scale {scale}",
        (Parameter("scale", 1.0, above=0),),
        _each("scale", 0.5, 1.0, 2.385),
    ),
    Handcrafted(
        "quantile",
        _VALUES,
        formulas.quantile,
        "Koenker and Bassett 1978, the quantile {level}",
        (Parameter("level", 0.9, above=0, below=1),),
        _each("level", 0.1, 0.5, 0.9),
    ),
]

CATALOGUE: dict[str, Handcrafted] = {row.name: row for row in _ROWS}


def handcrafted(text: str, kind: Kind) -> Handcrafted:
    """The loss that `text` names, such as "focal" or "focal(gamma=1)".

    Raises ExpressionError if it is unknown, not for this kind of task, or has no such parameters.
    """
    row = catalogued(text)
    if row is None:
        raise ExpressionError(f"unknown loss '{text}': {did_you_mean(text, CATALOGUE)}")
    if kind not in row.kinds:
        raise ExpressionError(
            f"loss '{row.name}' is for {' and '.join(k.value for k in row.kinds)} tasks, found {kind.value}"
        )
    return row


_APPLIED = re.compile(r"\s*([A-Za-z][\w-]*)\s*\((.*)\)\s*", re.DOTALL)


def catalogued(text: str) -> Handcrafted | None:
    """The loss that `text` names, with its parameters as in "focal(gamma=1)"; None if it names none.

    Raises ExpressionError if it is written like one with parameters and something in it is not right.
    """
    if text in CATALOGUE:
        return CATALOGUE[text]
    found = _APPLIED.fullmatch(text)
    if not found or (found[1] not in CATALOGUE and "=" not in found[2]):
        return None  # a formula, perhaps: there is no "=" in those
    name, inside = found.groups()
    if name not in CATALOGUE:
        raise ExpressionError(f"unknown loss '{name}' in '{text}': {did_you_mean(name, CATALOGUE)}")
    return CATALOGUE[name].with_parameters(**_assigned(name, inside))


def _assigned(name: str, text: str) -> dict[str, float]:
    """The values of "gamma=1, ...", whose names are not checked here."""
    values: dict[str, float] = {}
    for part in text.split(",") if text.strip() else []:
        key, equals, number = (piece.strip() for piece in part.partition("="))
        try:
            value = float(number)
        except ValueError:
            equals = ""
        if not key.isidentifier() or not equals or key in values:
            raise ExpressionError(
                f"parameters of '{name}' are written once each as name=number, found '{part.strip()}'"
            )
        values[key] = value
    return values
