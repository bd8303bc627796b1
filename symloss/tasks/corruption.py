"""Corrupted training data: label noise, imbalance and outliers, never in validation or test data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks.metrics import class_ids
from symloss.tasks.splitting import generator
from symloss.tasks.task import Split, Task

OUTLIER_RANGE = (5.0, 15.0)
"""Distance of outliers from the mean target, in standard deviations of the clean training targets."""


@dataclass(frozen=True)
class Corruption:
    """How training data are damaged; the default leaves them alone.

    label_noise: symmetric noise: exactly round(label_noise * n) training labels are replaced by a
                 uniformly drawn *different* class. In [0, 1).
    imbalance:   long tail: the largest class, 0, is this many times the smallest, the last; class c
                 of C keeps n_max * imbalance^(-c/(C-1)) samples, rounded, at least one. At least 1.
                 n_max is the largest number for which every class has enough samples
                 (Cui et al., arXiv 1901.05555, whose classes are equal at first).
    outliers:    exactly round(outliers * n) training targets are replaced by the mean plus or minus
                 5 to 15 standard deviations, uniformly drawn. Regression only. In [0, 1).
    Imbalance comes first, so that the noise rate is that of the samples which remain.
    """

    label_noise: float = 0.0
    imbalance: float = 1.0
    outliers: float = 0.0

    def __post_init__(self) -> None:
        for name in ("label_noise", "outliers"):
            rate = getattr(self, name)
            if not 0 <= rate < 1:
                raise TaskError(f"{name} is a fraction of at least 0 and below 1, found {rate:g}")
        if not 1 <= self.imbalance < math.inf:
            raise TaskError(
                f"imbalance is the largest over the smallest class size, at least 1, found {self.imbalance:g}"
            )

    def check_fits(self, kind: Kind) -> None:
        """Raise TaskError if this makes no sense for the kind of task."""
        for name in ("label_noise", "imbalance"):
            if kind is Kind.REGRESSION and getattr(self, name) != getattr(Corruption(), name):
                raise TaskError(f"{name} needs classes, found a regression task; use outliers instead")
        if kind is not Kind.REGRESSION and self.outliers:
            raise TaskError(
                f"outliers needs a regression task, found a {kind.value} one; use label_noise instead"
            )


def corrupt(task: Task, corruption: Corruption, data_seed: int = 0) -> Task:
    """The task with its training part corrupted, and notes that say so.

    Raises: TaskError if the corruption does not fit the kind of task.
    """
    corruption.check_fits(task.kind)
    for rate, damage in (
        (corruption.imbalance - 1, _unbalanced),
        (corruption.label_noise, _with_label_noise),
        (corruption.outliers, _with_outliers),
    ):
        if rate:
            task = _damaged(task, damage, corruption, data_seed)
    return task


Damage = Callable[[Task, Corruption, int], tuple[Split, str]]


def _damaged(task: Task, damage: Damage, corruption: Corruption, data_seed: int) -> Task:
    train, note = damage(task, corruption, data_seed)
    return replace(task, train=train, notes=(*task.notes, note))


def _unbalanced(task: Task, corruption: Corruption, data_seed: int) -> tuple[Split, str]:
    labels, classes = _labels(task)
    counts = long_tail(np.bincount(labels, minlength=classes), corruption.imbalance)
    rng = generator(data_seed, "imbalance")
    chosen = [rng.permutation(np.flatnonzero(labels == c))[: counts[c]] for c in range(classes)]
    kept = torch.from_numpy(np.sort(np.concatenate(chosen))).to(task.train.x.device)
    sizes = ", ".join(map(str, counts))
    note = f"imbalance: {len(kept)} of {len(labels)} training samples kept, per class {sizes}"
    return Split(task.train.x[kept], task.train.y[kept]), note


def long_tail(available: NDArray[np.integer], ratio: float) -> NDArray[np.int64]:
    """(C,) class sizes of an exponential profile from what is available (C,); see `Corruption`."""
    profile = ratio ** (-np.arange(len(available)) / max(1, len(available) - 1))
    largest = np.min(available[available > 0] / profile[available > 0])
    counts: NDArray[np.int64] = np.rint(largest * profile).astype(np.int64)
    return np.clip(counts, 1, None).clip(max=available)


def _with_label_noise(task: Task, corruption: Corruption, data_seed: int) -> tuple[Split, str]:
    labels, classes = _labels(task)
    rng = generator(data_seed, "label noise")
    chosen = rng.choice(len(labels), size=round(corruption.label_noise * len(labels)), replace=False)
    # A step of 1 to C-1 around the circle of classes reaches every other class equally often.
    labels[chosen] = (labels[chosen] + rng.integers(1, classes, size=len(chosen))) % classes
    y = torch.from_numpy(labels).to(task.train.y.device)
    y = y if task.kind is Kind.MULTICLASS else y[:, None].float()
    note = f"label noise: {len(chosen)} of {len(labels)} training labels replaced by another class"
    return Split(task.train.x, y), note


def _with_outliers(task: Task, corruption: Corruption, data_seed: int) -> tuple[Split, str]:
    y = task.train.y.cpu().numpy().astype(np.float64)
    mean, deviation = y.mean(axis=0), y.std(axis=0)
    rng = generator(data_seed, "outliers")
    chosen = rng.choice(len(y), size=round(corruption.outliers * len(y)), replace=False)
    size = (len(chosen), y.shape[1])
    gross = rng.choice((-1.0, 1.0), size=size) * rng.uniform(*OUTLIER_RANGE, size=size)
    y[chosen] = mean + gross * np.where(deviation > 0, deviation, 1.0)
    note = (
        f"outliers: {len(chosen)} of {len(y)} training targets replaced by the mean plus or minus "
        f"{OUTLIER_RANGE[0]:g} to {OUTLIER_RANGE[1]:g} standard deviations"
    )
    return Split(task.train.x, torch.from_numpy(y).float().to(task.train.y.device)), note


def _labels(task: Task) -> tuple[NDArray[np.int64], int]:
    """A copy of the training labels (n,) and the number of classes."""
    classes = 2 if task.kind is Kind.BINARY else task.num_outputs
    return class_ids(task.train.y).cpu().numpy().astype(np.int64, copy=True), classes
