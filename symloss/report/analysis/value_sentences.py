"""What the numbers of a loss for values mean."""

from __future__ import annotations

import math
from collections.abc import Iterable

from symloss.expr import short_number
from symloss.report.analysis.regression import Regression
from symloss.report.analysis.tails import Power, Tail
from symloss.report.analysis.wording import same_number


def about_values(found: Regression) -> list[str]:
    """Near and far, then outliers, then what predictions aim at."""
    sentences = [] if found.only_residual else [_not_only(found)]
    sentences += [_near_and_far(found), *_outliers(found)]
    return [*sentences, *([*_asymmetry(found), *_place(found)] if found.only_residual else _places(found))]


def _not_only(found: Regression) -> str:
    if not found.sees_target:
        return "It depends on the prediction alone, so it teaches nothing about the target."
    return (
        "It depends on the prediction and the target by more than their difference; what is said here is for "
        f"y = {short_number(found.target)}."
    )


def _near_and_far(found: Regression) -> str:
    left, right = growth_words(found.left), growth_words(found.right)
    far = (
        f"for large residuals it {right}"
        if left == right
        else f"it {left} to the left and {right} to the right"
    )
    return f"Near zero it is {near_words(found)}; {far}."


def near_words(found: Regression) -> str:
    """The power near zero in words: "like 0.5 r^2"."""
    before, after = found.near_zero
    if before is None or after is None:
        return "flat" if found.minimum is not None and found.minimum.is_flat else "like no power of r"
    left, right = _power(before), _power(after)
    if after.exponent == 1.0 and math.isclose(before.coefficient, -after.coefficient, rel_tol=1e-6):
        return f"like {right.replace('|r|', 'r')}"
    return f"like {right}" if left == right else f"like {left} on the left and {right} on the right"


def _power(power: Power) -> str:
    factor = "" if same_number(power.coefficient, 1.0) else f"{short_number(power.coefficient)} "
    if power.exponent == 2.0:
        return f"{factor}r^2"
    return f"{factor}|r|" + ("" if power.exponent == 1.0 else f"^{short_number(power.exponent)}")


def growth_words(tail: Tail) -> str:
    """Growth as a verb: "grows linearly"."""
    if tail.growth == "bounded":
        return f"stays bounded, at {short_number(tail.loss.on_paper)}"
    if tail.growth == "unclear":
        return "has no clear growth"
    return f"{'falls' if tail.loss.on_paper < 0 else 'grows'} {_ADVERBS.get(tail.growth, tail.growth)}"


_ADVERBS = {
    "linear": "linearly",
    "logarithmic": "logarithmically",
    "quadratic": "quadratically",
    "exponential": "exponentially",
}


def _outliers(found: Regression) -> list[str]:
    bound = found.bound.on_paper
    if found.redescending:
        return ["The pull of a residual fades to zero as it grows: outliers are ignored (redescending)."]
    if math.isfinite(bound):
        return [f"No residual pulls harder than {short_number(bound)}: outliers count, but boundedly."]
    return []


def _asymmetry(found: Regression) -> list[str]:
    if found.quantile is not None and (found.exact or not found.even):
        aim = short_number(found.quantile)
        name = "the median" if same_number(found.quantile, 0.5) else f"the quantile {aim}"
        return [f"It aims at {name} of the target" + ("." if found.exact else ", where noise is wide.")]
    if found.expectile is not None and not same_number(found.expectile, 0.5):
        return [
            f"It aims at the expectile {short_number(found.expectile)} of the target, where noise is wide."
        ]
    return []


def _places(found: Regression) -> list[str]:
    """Where predictions come to rest, if that is another matter for each target."""
    if not found.sees_target:
        return []
    known = [(y, p) for y, p in found.lowest if p is not None]
    said = []
    if known:
        targets, places = map(_listed, zip(*known, strict=True))
        biased = any(abs(p - y) > 1e-6 * max(1.0, abs(y)) for y, p in known)
        outcome = ": predictions come out biased" if biased else ", as it should be"
        said.append(f"For y = {targets} it is lowest at p = {places}{outcome}.")
    if len(known) < len(found.lowest):
        targets = _listed(y for y, p in found.lowest if p is None)
        said.append(f"For y = {targets} it has no single lowest point, so training does not settle.")
    return said


def _listed(numbers: Iterable[float]) -> str:
    return ", ".join(map(short_number, numbers))


def _place(found: Regression) -> list[str]:
    if found.minimum is None:
        return ["It has no lowest point, so training does not settle."]
    if not found.minimum.is_flat and found.minimum.low != 0.0:
        return [
            f"It is lowest at the residual {short_number(found.minimum.low)}: predictions come out biased."
        ]
    if found.minimum.is_flat and found.minimum.high > 1e-6:
        low, high = short_number(found.minimum.low), short_number(found.minimum.high)
        return [f"Residuals from {low} to {high} all cost the least."]
    return []
