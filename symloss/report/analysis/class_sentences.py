"""What the numbers of a loss for classes mean."""

from __future__ import annotations

import math

from symloss.expr import short_number
from symloss.report.analysis.classification import Classification, Side
from symloss.report.analysis.wording import same_number


def about_classes(found: Classification) -> list[str]:
    """Training first, then examples that are badly or well fitted, then wrong labels."""
    if len(found.sides) == 1:
        sentences = [_training(found.sides[0], found)]
    else:
        sentences = [
            f"For the label {side.label}: {_lowered(_training(side, found))}" for side in found.sides
        ]
    return [*sentences, *_weighting(found), *_noise(found)]


def _lowered(sentence: str) -> str:
    return sentence[0].lower() + sentence[1:]


def _training(side: Side, found: Classification) -> str:
    """From the start of training to where the loss stops or holds the target's probability."""
    factor = side.weights.start
    if math.isnan(factor):
        return "At the start of training, where all classes are equally likely, it has no finite gradient."
    if factor == 0.0:
        return "At the start of training, where all classes are equally likely, it has no gradient."
    if factor < 0.0:
        return f"At the start of training it pushes the target's probability down, {_fall(side)}."
    if side.weights.steady:
        return f"{_like_cross_entropy(factor)}{_steady_end(side)}."
    first = f"At the start of training it pushes {_strength(factor)}{_through(found)}"
    return f"{first}; {_end(side)}."


def _fall(side: Side) -> str:
    if side.held is None:
        return "and does not stop: it unlearns"
    return f"below chance, to {short_number(side.held.high)}"


def _like_cross_entropy(factor: float) -> str:
    if same_number(factor, 1.0):
        return "Like cross-entropy"
    return f"Like cross-entropy with the learning rate multiplied by {short_number(factor)}"


def _strength(factor: float) -> str:
    if same_number(factor, 1.0):
        return "as cross-entropy does"
    return f"as cross-entropy with the learning rate multiplied by {short_number(factor)} does"


def _through(found: Classification) -> str:
    multiclass = found.sides[0].updates[0].start.other is not None
    return ", through the target's output alone" if found.shape.only_target and multiclass else ""


def _steady_end(side: Side) -> str:
    if side.held is None:
        return " from start to end"
    place = short_number(side.held.low)
    if side.held.is_flat:
        return f" until the target's probability reaches {place}, above which it stops pushing"
    return (
        f" until the target's probability reaches {place}, above which it pushes back: it holds confidence "
        f"there, as label smoothing of {_smoothing(side)} would"
    )


def _end(side: Side) -> str:
    """What becomes of the target's probability, when it is pushed up at the start."""
    if side.held is None:
        return "nothing holds the target's probability below 1"
    place = short_number(side.held.low)
    if side.held.is_flat:
        return f"it leaves an example alone once the target's probability is {place}"
    return (
        f"it is stationary where the target's probability is {place}, where label smoothing of "
        f"{_smoothing(side)} is, and pushes back above"
    )


def _smoothing(side: Side) -> str:
    return "nothing" if side.smoothing is None else short_number(side.smoothing)


def _weighting(found: Classification) -> list[str]:
    """How examples that are badly or well fitted count against cross-entropy's, where the labels agree."""
    weights = found.sides[0].weights
    if len(found.sides) > 1 or weights.steady or not weights.start > 0.0:
        return []
    wrong, fitted = weights.wrong.on_paper, weights.fitted.on_paper
    parts = []
    if wrong == 0.0:
        parts.append("examples that are confidently wrong hardly count, which guards against wrong labels")
    elif wrong == math.inf:
        parts.append("examples that are confidently wrong count ever more, wrong labels included")
    elif wrong < 0.0:
        parts.append("examples that are confidently wrong are pushed the wrong way")
    if found.sides[0].held is None and fitted == 0.0:
        parts.append("examples that fit hardly count, so that training turns to the hard ones")
    elif found.sides[0].held is None and fitted > 1.5 * weights.start:
        more = short_number(fitted / weights.start, 2)
        parts.append(f"examples that fit count up to {more} times as much as at first")
    return [f"Compared with cross-entropy, {'; '.join(parts)}."] if parts else []


def _noise(found: Classification) -> list[str]:
    shape = found.shape
    if shape.symmetric:
        share = short_number(100.0 * (1.0 - 1.0 / found.classes), 3)
        return [
            f"Its sum over labels is constant: uniform label noise below {share} % does not move its minimum "
            "(Ghosh et al. 2017)."
        ]
    if shape.lowest.on_paper == -math.inf:
        return ["It is unbounded below: training can lower it without end."]
    if _is_low(found):
        low, high = (short_number(limit.on_paper) for limit in (shape.lowest, shape.highest))
        return [
            f"It stays between {low} and {high}, so no wrong label costs much; its sum over labels varies."
        ]
    return []


def _is_low(found: Classification) -> bool:
    """Bounded, and not only by a small number in a logarithm: at most four times what guessing costs."""
    low, high = found.shape.lowest.on_paper, found.shape.highest.on_paper
    start = found.sides[0].updates[0].start.loss
    return high - low <= 4.0 * (start - low)
