"""What a user should know about a search, in plain sentences, for the command line and for Python."""

from __future__ import annotations

import math
import sys
import warnings
from collections.abc import Sequence

from symloss.errors import SymlossWarning
from symloss.evaluation.contestants import STANDARD
from symloss.meta.calibration import Calibration
from symloss.records import Kind
from symloss.report.tables import short, with_error
from symloss.run import Outcome
from symloss.tasks.names import OF_CLASS
from symloss.watching import Unwatched

OF_RARE_CLASSES = ("balanced-error", "f1", "auroc", "average-precision")
"""Metrics with which losses are to be compared with weights of classes too."""


def telling_nothing(baselines: Sequence[tuple[str, float]]) -> list[str]:
    """A sentence if known losses, given by name and cost, all cost the same."""
    costs = {cost for _, cost in baselines}
    if len(baselines) < 2 or len(costs) > 1 or not all(map(math.isfinite, costs)):
        return []
    return [
        "all known losses cost the same, so the metric may not tell losses apart on this task; "
        "choose another metric, or more steps (training.steps=N)"
    ]


def unbeaten(outcome: Outcome) -> list[str]:
    """A sentence if the search, by its own measure, did not beat the best known loss.

    Finalists are compared with known losses that were trained as they were; without them, candidates are.
    """
    best, cheapest = next(outcome.candidates.ranked(), None), next(outcome.candidates.cheapest(), None)
    if best is None or cheapest is None or cheapest.score.fitness is None:
        return []
    if outcome.rivals and best.confirmation is not None and best.confirmation.cost is not None:
        known, cost = outcome.rivals, best.confirmation.cost
        said = f"trained longer and from fresh seeds, it reaches {cost:.4g} and so does not beat"
    else:
        known, cost = outcome.baselines, cheapest.score.fitness
        said = f"its candidates reach {cost:.4g} and so do not beat"
    if not known or cost < known[0][1]:
        return []
    name, least = known[0]
    return [f"{said} {name} ({least:.4g}); {_advice(outcome, least)}"]


def beaten(outcome: Outcome) -> list[str]:
    """A sentence with what the best finalist reached if that is better than the best known loss did."""
    best = next(outcome.candidates.ranked(), None)
    look = None if best is None else best.confirmation
    if best is None or look is None or look.cost is None or not outcome.rivals:
        return []
    name, least = outcome.rivals[0]
    if look.cost >= least:
        return []
    reached = with_error(look.cost, look.standard_error)
    return [
        f"candidate {best.id}, trained longer and from fresh seeds, reaches {reached} in "
        f"{outcome.metric.name}; the best known loss, {name}, {short(least)}"
    ]


def _advice(outcome: Outcome, cost: float) -> str:
    """What helps where a known loss of that cost is not beaten."""
    if cost > 0.0:
        return "more generations or another grammar may"
    samples = len(outcome.task.valid)
    return f"nothing can: the task, judged on {samples} validation samples, is too easy to search on"


def notes_of(outcome: Outcome, seeds: str = "") -> tuple[str, ...]:
    """All that is to be said: on the formulas it started from, the data, the metric, and what was found.

    seeds: the sentence on the formulas, if there is one.
    """
    weights = weighted_rivals(outcome.metric.name, outcome.task.kind)
    rare = (
        f"{outcome.metric.name} is for rare classes: compare the loss with weights of classes too, as in "
        f"symloss evaluate RUN --against '{weights}'"
    )
    said = [*([seeds] if seeds else []), *outcome.task.notes, *telling_nothing(outcome.baselines)]
    return (*said, *beaten(outcome), *unbeaten(outcome), *([rare] if weights else []))


def weighted_rivals(metric: str, kind: Kind) -> str:
    """What to compare with, as `symloss evaluate --against` takes it, for a metric of rare classes; or ''."""
    usual = STANDARD[kind]
    return f"{usual},balanced({usual})" if metric.partition(OF_CLASS)[0] in OF_RARE_CLASSES else ""


class Warner(Unwatched):
    """A watcher that warns, before the search goes on, if the metric tells nothing."""

    def calibrated(self, calibration: Calibration) -> None:
        for sentence in telling_nothing(calibration.baselines):
            warn(sentence)


def warn(sentence: str) -> None:
    """A SymlossWarning at the line outside of this package that led here, so that each cell has its own."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "symloss":
        frame, level = frame.f_back, level + 1
    warnings.warn(sentence, SymlossWarning, stacklevel=level)
