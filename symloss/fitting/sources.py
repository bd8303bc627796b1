"""What can be distilled: the run of a learned loss, a user's function, or anything that is a loss already."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from symloss.archive.learned import LearnedFolder, LearnedRecord, Snapshot
from symloss.errors import ExpressionError, RunError
from symloss.expr import bound, constants_of
from symloss.fitting.samples import Domain, Of, PerElement, Samples, sampled, usual_domain, visited
from symloss.losses.neural import LossNetwork
from symloss.losses.tape import value_tape
from symloss.records import Kind, SymbolicLoss
from symloss.tasks.loading import call_user, load_callable


@dataclass(frozen=True)
class Teacher:
    """A loss that is to be fitted, at one moment of training.

    progress: of training, in [0, 1]; None for a loss that does not change.
    """

    name: str
    kind: Kind
    per_element: PerElement
    domain: Domain
    progress: float | None = None

    def samples(self, of: Of) -> Samples:
        """Its numbers. Raises ExpressionError if it has none that can be fitted."""
        return sampled(self.per_element, self.domain, of, self.name)


def is_learned(source: str) -> bool:
    """Whether `source` is the folder of a `train-loss`."""
    return os.path.isdir(source) and LearnedFolder.is_one(Path(source))


def record_of(path: Path) -> LearnedRecord:
    """What was asked for when the loss was learned."""
    return LearnedFolder.open(path).record()


def snapshot_at(path: Path, step: int | None) -> Snapshot:
    """The snapshot of a run that is nearest to a step; the last one without it."""
    snapshots = LearnedFolder.open(path).snapshots()
    if not snapshots:
        raise RunError(f"'{path}' has no snapshot of its loss yet, so there is nothing to fit")
    return snapshots[-1] if step is None else min(snapshots, key=lambda s: abs(s.step - step))


def learned_teacher(path: Path, snapshot: Snapshot) -> Teacher:
    """The loss network of a snapshot, weighted by where training was.

    Values are those that a formula has to give: summed over classes, not averaged.
    """
    record = record_of(path)
    if record.network is None:
        raise RunError(f"'{path}' learned a learning rate and no loss, so there is nothing to fit")
    task, visits = record.task, snapshot.visits
    network = LossNetwork.of(torch.tensor(snapshot.weights, dtype=torch.float64), task.kind, record.network)
    averaged = task.kind is Kind.MULTICLASS and record.network.classes == "mean"
    share = 1.0 / task.num_outputs if averaged else 1.0
    domain = usual_domain(task.kind)
    if visits is not None and any(any(row) for row in visits.counts):
        domain = visited(visits.predictions, visits.targets, visits.counts, task.kind)
    return Teacher(
        f"{path}, step {snapshot.step}",
        task.kind,
        lambda prediction, target: share * network.per_element(prediction, target),
        domain,
        snapshot.progress,
    )


def user_teacher(spec: str, kind: Kind) -> Teacher:
    """A user's function of predictions and targets, `path.py:function`, element by element."""
    function = load_callable(spec, "loss")
    advice = "it should take predictions and targets, tensors of shape (n, 1), and return one of that shape"

    def per_element(prediction: Tensor, target: Tensor) -> Any:
        return call_user(function, f"loss '{spec}'", advice, prediction, target)

    return Teacher(spec, kind, per_element, usual_domain(kind))


def symbolic_teacher(loss: SymbolicLoss, name: str, classes: int) -> Teacher:
    """A loss that is a formula already, to be had in another grammar or shorter."""
    expression = bound(loss.expression, classes)
    tape = value_tape(expression)
    constants = [torch.tensor(value, dtype=torch.float64) for value in constants_of(expression)]
    if not constants_of(expression) and expression.size < 2:
        raise ExpressionError(f"'{name}' is a single input, so there is nothing to fit")
    return Teacher(name, loss.kind, lambda p, y: tape(p, y, constants), usual_domain(loss.kind))
