"""What the numbers of an analysis mean, in one to four plain sentences.

Every word follows from a number; no loss is recognised by its name.
"""

from __future__ import annotations

from collections.abc import Sequence

from symloss.expr import short_number
from symloss.report.analysis.class_sentences import about_classes
from symloss.report.analysis.classification import Classification
from symloss.report.analysis.neighbours import Neighbour
from symloss.report.analysis.regression import Regression
from symloss.report.analysis.value_sentences import about_values
from symloss.report.analysis.wording import same_number

SAME = 1e-6
"""Losses at this distance are one loss."""

NEAR = 0.1
"""A loss at this distance is called close."""

MOST = 4


def conclusion(findings: Classification | Regression, neighbours: Sequence[Neighbour]) -> tuple[str, ...]:
    """The sentences, the most important first."""
    if isinstance(findings, Regression):
        undefined = [] if findings.undefined is None else [_undefined("the residual", findings.undefined)]
        sentences = about_values(findings)
    else:
        stretches = [side.undefined for side in findings.sides if side.undefined is not None]
        undefined = [_undefined("the target's probability", stretch) for stretch in stretches[:1]]
        sentences = about_classes(findings)
    if not neighbours:
        return (*undefined, "It has no gradient that could train anything.")
    return tuple([*undefined, *sentences, *_of_neighbours(neighbours)][:MOST])


def _undefined(what: str, stretch: tuple[float, float]) -> str:
    low, high = map(short_number, stretch)
    return f"Its formula is not a number where {what} is {low if low == high else f'from {low} to {high}'}."


def _of_neighbours(neighbours: Sequence[Neighbour]) -> list[str]:
    if not neighbours or neighbours[0].distance > NEAR:
        return []
    nearest = neighbours[0]
    times = "" if same_number(nearest.scale, 1.0) else f" times {short_number(nearest.scale)}"
    if nearest.distance <= SAME:
        return [f"Trains exactly as {nearest.name}{times}."]
    return [f"Over all of training its gradient is within {nearest.distance:.0%} of {nearest.name}{times}."]
