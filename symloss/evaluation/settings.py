"""What is compared, on what, and with which budget: the settings of an evaluation."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from symloss.config import TaskSettings
from symloss.meta.settings import Count, CountOrZero, NotNegative, Positive, Training

GRID = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
WIDENING = 10**0.5


class Budget(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What every loss may spend, the same for all.

    seeds:          networks trained for the comparison, each with its own initial weights and order of
                    batches; the test data are looked at once for each.
    choosing_seeds: networks for every setting that is tried beforehand, on validation data.
    learning_rates: the settings to try. widen: by how many more rates, each half a decade on, the grid may
                    grow at an end while that does better than its neighbour, and downwards while networks
                    diverge at every rate; 0 never widens it.
    weight_decays:  tried with every learning rate.
    own_parameters: try the usual values of parameters that a published loss has, such as focal's gamma.
    curve_points:   how often validation data are looked at on the way, for the learning curves.
    training:       of every network; its learning rate is what is chosen, so it has none.
    seed:           everything random follows from it.
    """

    seeds: Count = 20
    choosing_seeds: Count = 5
    learning_rates: Annotated[tuple[Positive, ...], Meta(min_length=1)] = GRID
    widen: CountOrZero = 6
    weight_decays: Annotated[tuple[NotNegative, ...], Meta(min_length=1)] = (0.0,)
    own_parameters: bool = False
    curve_points: Count = 10
    training: Training = Training(steps=2000)
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 0


class EvaluationSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides an evaluation.

    losses:  what is judged: run folders, exported files, names of the catalogue, formulas, or a user's
             `file.py:function`, each with a name to be shown by if one is put before it: `ours=runs/first`.
             against: what they are compared with, in the same forms; "all" stands for the
             catalogue's losses for the kind of task, and nothing for cross-entropy or mean squared error.
    tasks:   on what. metrics: reported beside the task's own metric, which decides.
    """

    losses: Annotated[tuple[str, ...], Meta(min_length=1)]
    tasks: Annotated[tuple[TaskSettings, ...], Meta(min_length=1)]
    against: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    budget: Budget = Budget()
