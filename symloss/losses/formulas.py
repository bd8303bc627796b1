"""The texts of published losses that have parameters, one function for each; see `published.Formula`."""

from __future__ import annotations

import math
from decimal import Decimal

from symloss.losses.published import number_text as n

CROSS_ENTROPY = "-(y * ln(p))"


def power(base: str, exponent: Decimal) -> str:
    """`base` to a power greater than 0, without `pow` and its guard where that is not needed."""
    if exponent == 1:
        return base if base == "p" else f"({base})"
    return f"square({base})" if exponent == 2 else f"pow({base}, {n(exponent)})"


def label_smoothing(smoothing: Decimal) -> str:
    """-sum (1 - s) y ln p + s/C ln p over classes."""
    if smoothing == 0:
        return CROSS_ENTROPY
    return f"-(({n(1 - smoothing)} * y + {n(smoothing)} * inv(C)) * ln(p))"


def sparse_lsr(smoothing: Decimal) -> str:
    """-(1 - s + s/C) ln p - (s - s/C) ln((1 - p)/(C - 1)) of the true class; see `SparseLSRLoss`."""
    if smoothing == 0:
        return CROSS_ENTROPY
    s, rest = n(smoothing), n(1 - smoothing)
    return f"-(y * (({rest} + {s} * inv(C)) * ln(p) + ({s} - {s} * inv(C)) * ln((1 - p) * inv(C - 1))))"


def absolute_cross_entropy(phi0: Decimal, phi1: Decimal) -> str:
    """phi0 |ln(phi1 p)| of the true class, which is least at p = 1/phi1."""
    term = f"y * abs(ln({n(phi1)} * p))"
    return term if phi0 == 1 else f"{n(phi0)} * ({term})"


def generalised_cross_entropy(q: Decimal) -> str:
    """(1 - p^q) / q of the true class; from cross-entropy (q near 0) to 1 - p (q = 1)."""
    if q == 1:
        return "y * (1 - p)"
    return f"y * ((1 - pow(p, {n(q)})) * {n(1 / q)})"


def symmetric_cross_entropy(alpha: Decimal, beta: Decimal) -> str:
    """Cross-entropy times alpha, and the reverse, -beta sum p ln y with ln 0 taken as -4."""
    return f"{n(4 * beta)} * ((1 - y) * p) - {n(alpha)} * (y * ln(p))"


def taylor_cross_entropy(order: Decimal) -> str:
    """-ln(p) is the sum of (1 - p)^i / i; `order` terms of it."""
    terms = ["(1 - p)"]
    for i in range(2, int(order) + 1):
        terms.append(f"{n(1 / Decimal(i))} * {power('1 - p', Decimal(i))}")
    return f"y * ({' + '.join(terms)})" if len(terms) > 1 else "y * (1 - p)"


def focal(gamma: Decimal) -> str:
    """-(1 - p)^gamma ln p of the true class; cross-entropy for gamma = 0."""
    return CROSS_ENTROPY if gamma == 0 else f"-(y * ({power('1 - p', gamma)} * ln(p)))"


def binary_focal(gamma: Decimal) -> str:
    """`focal` of whichever of p and 1 - p should be one."""
    if gamma == 0:
        return "-(y * ln(p)) - (1 - y) * ln(1 - p)"
    one, other = power("1 - p", gamma), power("p", gamma)
    return f"-(y * ({one} * ln(p))) - (1 - y) * ({other} * ln(1 - p))"


def poly_1(epsilon: Decimal) -> str:
    """-ln p + epsilon (1 - p) of the true class."""
    if epsilon == 0:
        return CROSS_ENTROPY
    term = "(1 - p)" if epsilon == 1 else f"{n(epsilon)} * (1 - p)"
    return f"y * ({term} - ln(p))"


def cse_autoloss_a(iou: Decimal) -> str:
    """-(1 + sin(IoU)) ln p of the true class: cross-entropy that counts more for boxes that fit."""
    return CROSS_ENTROPY if iou == 0 else f"-({n(1 + math.sin(iou))} * (y * ln(p)))"


def huber(delta: Decimal) -> str:
    """With c = min(|r|, delta), the loss is c (|r| - c / 2)."""
    return f"min(abs(p - y), {n(delta)}) * (abs(p - y) - 0.5 * min(abs(p - y), {n(delta)}))"


def tukey(c: Decimal) -> str:
    """With u = min((r / c)^2, 1), the loss is c^2 / 6 (1 - (1 - u)^3)."""
    rest = f"1 - min(square({n(1 / c)} * (p - y)), 1)"
    return f"{n(c * c / 6)} * (1 - ({rest}) * square({rest}))"


def cauchy(scale: Decimal) -> str:
    """ln(1 + (r / scale)^2)."""
    residual = "p - y" if scale == 1 else f"{n(1 / scale)} * (p - y)"
    return f"log(1 + square({residual}))"


def quantile(level: Decimal) -> str:
    """Weighs the residual by level where the prediction is too low, by 1 - level where it is too high."""
    return f"max({n(level)} * (y - p), {n(1 - level)} * (p - y))"
