"""A user's own few-shot data from a function that makes episodes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symloss.errors import TaskError, a_type
from symloss.fewshot.episodes.episode import SPLITS, Episode, FewShotTask, random_of
from symloss.fewshot.episodes.plan import Plan
from symloss.records import Kind
from symloss.tasks.loading import call_user

Side = tuple[Any, Any]

EpisodeFunction = Callable[[str, np.random.Generator], tuple[Side, Side]]

ADVICE = (
    "an episode function takes a split ('train', 'valid' or 'test') and a numpy random generator, and "
    "returns ((support_x, support_y), (query_x, query_y))"
)


@dataclass(frozen=True, eq=False)
class FunctionEpisodes:
    """Episodes that a user's function makes: see `ADVICE`.

    Inputs may be anything that becomes a float array. Whole numbers as targets are classes 0 to ways - 1, in
    any order; numbers with a fraction are regression, (n,) or (n, outputs), and need ways = 1.
    """

    plan: Plan
    split: str
    function: EpisodeFunction
    shape: tuple[int, ...] = ()
    kind: Kind = Kind.MULTICLASS

    def episode(self, index: int) -> Episode:
        support, query = self.sides(index)
        for x, y in (support, query):
            kind = kind_of(y)
            if (tuple(x.shape[1:]), kind) != (self.shape, self.kind):
                raise TaskError(
                    f"{self.plan.label}: episode {index} of {self.split} is {kind.value} with inputs of "
                    f"shape {tuple(x.shape[1:])}, the first of train was {self.kind.value} with "
                    f"{self.shape}; make all alike"
                )
        return Episode(*support, *query)

    def sides(self, index: int) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """The support and query set of an episode, each checked and in the order of classes."""
        rng = random_of(self.plan.seed, self.split, index)
        found = call_user(self.function, self.plan.label, ADVICE, self.split, rng)
        try:
            (support_x, support_y), (query_x, query_y) = found
        except (TypeError, ValueError):
            raise TaskError(
                f"{self.plan.label} returned {a_type(found)} that is no pair of pairs; {ADVICE}"
            ) from None
        return (
            self._side("support", support_x, support_y, self.plan.shots),
            self._side("query", query_x, query_y, self.plan.queries),
        )

    def _side(self, name: str, x: Any, y: Any, each: int) -> tuple[Tensor, Tensor]:
        where = f"{self.plan.label}: the {name} set of {self.split}"
        inputs, targets = _tensor(where, x).float(), _tensor(where, y)
        if inputs.ndim < 2 or targets.ndim == 0 or len(inputs) != len(targets):
            raise TaskError(
                f"{where} has inputs of shape {tuple(inputs.shape)} and targets of shape "
                f"{tuple(targets.shape)}, expected as many targets as inputs, and inputs of shape "
                "(n, features...)"
            )
        if not bool(torch.isfinite(inputs).all()) or not bool(torch.isfinite(targets).all()):
            raise TaskError(f"{where} has values that are NaN or infinite; remove or replace them")
        if kind_of(targets) is Kind.REGRESSION:
            return inputs, self._values(where, targets, each)
        counts = torch.bincount(targets.flatten().clamp(min=0), minlength=self.plan.ways).tolist()
        if targets.ndim != 1 or int(targets.min()) < 0 or counts != [each] * self.plan.ways:
            raise TaskError(
                f"{where} has {counts} samples of its classes, expected {each} of each of the classes "
                f"0 to {self.plan.ways - 1}, shape ({each * self.plan.ways},); give what ways, "
                "shots and queries say"
            )
        order = torch.argsort(targets, stable=True)
        return inputs[order], targets[order].long()

    def _values(self, where: str, y: Tensor, each: int) -> Tensor:
        if self.plan.ways != 1 or len(y) != each or y.ndim > 2:
            raise TaskError(
                f"{where} has {len(y)} values as targets for {self.plan.ways} ways, so it is regression: "
                f"expected {each} and 1 way; use 1 way, or whole numbers for classes"
            )
        return y.float().reshape(len(y), -1)


def _tensor(where: str, values: Any) -> Tensor:
    try:
        return values.detach().cpu() if isinstance(values, Tensor) else torch.as_tensor(np.asarray(values))
    except (TypeError, ValueError, RuntimeError) as error:
        raise TaskError(f"{where} is no array of numbers: {error}") from error


def kind_of(targets: Tensor) -> Kind:
    """What kind of learning targets are for."""
    whole = not targets.is_floating_point() and not targets.is_complex()
    return Kind.MULTICLASS if whole else Kind.REGRESSION


def from_function(plan: Plan, function: EpisodeFunction) -> FewShotTask:
    """The task of a user's function. Its first training episode says what kind it is."""
    (x, y), _ = FunctionEpisodes(plan, "train", function).sides(0)
    shape, kind = tuple(x.shape[1:]), kind_of(y)
    sources = [FunctionEpisodes(plan, split, function, shape, kind) for split in SPLITS]
    for source in sources:
        source.episode(0)
    return plan.task(sources, (f"episodes made by {plan.name}",))
