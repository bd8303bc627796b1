"""Corrupted training data: wrong labels, imbalance, wrong targets; never in validation or test data."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks.metrics import class_ids
from symloss.tasks.splitting import generator
from symloss.tasks.task import Split, Task

Values = NDArray[np.float64]

OUTLIER_RANGE = (5.0, 15.0)
"""Distance of outliers from the mean target, in standard deviations of the clean training targets."""

FREEDOM = 1.5
"""Degrees of freedom of Student's t for heavy tails: few enough that the variance is infinite."""


@dataclass(frozen=True)
class Corruption:
    """How training data are damaged; the default leaves them alone.

    label_noise: symmetric noise: exactly round(label_noise * n) training labels are replaced by a
                 uniformly drawn *different* class. In [0, 1).
    asymmetric_noise: labels are mistaken for a similar class: of each class with n_c samples that
                 `Task.confusions` names, exactly round(asymmetric_noise * n_c) get the label of the class
                 it is mistaken for. Without `confusions` every class is mistaken for the next one, the last
                 for the first (Patrini et al., arXiv 1609.03683). In [0, 1).
    imbalance:   long tail: the largest class, 0, is this many times the smallest, the last; class c
                 of C keeps n_max * imbalance^(-c/(C-1)) samples, rounded, at least one. At least 1.
                 n_max is the largest number for which every class has enough samples
                 (Cui et al., arXiv 1901.05555, whose classes are equal at first).
    outliers:    exactly round(outliers * n) training targets are replaced by the mean plus or minus
                 5 to 15 standard deviations, uniformly drawn. Regression only. In [0, 1).
    heavy_tails: every training target is given noise: this many standard deviations of the clean
                 training targets times a draw of Student's t with 1.5 degrees of freedom. Regression only.
    They come in the order of `_DAMAGES`: imbalance first, so that a rate is that of the samples which remain.
    """

    label_noise: float = 0.0
    asymmetric_noise: float = 0.0
    imbalance: float = 1.0
    outliers: float = 0.0
    heavy_tails: float = 0.0

    def __post_init__(self) -> None:
        for name in ("label_noise", "asymmetric_noise", "outliers"):
            rate = getattr(self, name)
            if not 0 <= rate < 1:
                raise TaskError(f"{name} is a fraction of at least 0 and below 1, found {rate:g}")
        if not 1 <= self.imbalance < math.inf:
            raise TaskError(
                f"imbalance is the largest over the smallest class size, at least 1, found {self.imbalance:g}"
            )
        if not 0 <= self.heavy_tails < math.inf:
            raise TaskError(f"heavy_tails is a size of at least 0, found {self.heavy_tails:g}")

    @property
    def given(self) -> list[str]:
        """Names of what damages anything."""
        return [f.name for f in fields(self) if getattr(self, f.name) != f.default]

    def check_fits(self, kind: Kind) -> None:
        """Raise TaskError if this makes no sense for the kind of task."""
        for name in self.given:
            if kind is Kind.REGRESSION and name not in _OF_TARGETS:
                raise TaskError(f"{name} needs classes, found a regression task; use outliers instead")
            if kind is not Kind.REGRESSION and name in _OF_TARGETS:
                raise TaskError(
                    f"{name} needs a regression task, found a {kind.value} one; use label_noise instead"
                )


_OF_TARGETS = ("outliers", "heavy_tails")


def corrupt(task: Task, corruption: Corruption, data_seed: int = 0) -> Task:
    """The task with its training part corrupted, and notes that say so.

    Raises: TaskError if the corruption does not fit the kind of task.
    """
    corruption.check_fits(task.kind)
    for name, damage in _DAMAGES.items():
        if name in corruption.given:
            train, note = damage(task, corruption, data_seed)
            task = replace(task, train=train, notes=(*task.notes, note))
    return task


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
    note = f"label noise: {len(chosen)} of {len(labels)} training labels replaced by another class"
    return _relabelled(task, labels), note


def _with_asymmetric_noise(task: Task, corruption: Corruption, data_seed: int) -> tuple[Split, str]:
    labels, classes = _labels(task)
    confusions = task.confusions or tuple((c, (c + 1) % classes) for c in range(classes))
    rng = generator(data_seed, "asymmetric noise")
    noisy = labels.copy()
    for source, mistaken in confusions:
        members = np.flatnonzero(labels == source)
        count = round(corruption.asymmetric_noise * len(members))
        noisy[rng.choice(members, size=count, replace=False)] = mistaken
    how = ", ".join(f"{source} by {mistaken}" for source, mistaken in confusions[:10])
    more = ", ..." if len(confusions) > 10 else ""
    changed = int((noisy != labels).sum())
    note = f"asymmetric noise: {changed} of {len(labels)} training labels replaced, class {how}{more}"
    return _relabelled(task, noisy), note


def _relabelled(task: Task, labels: NDArray[np.int64]) -> Split:
    y = torch.from_numpy(labels).to(task.train.y.device)
    return Split(task.train.x, y if task.kind is Kind.MULTICLASS else y[:, None].float())


def _with_outliers(task: Task, corruption: Corruption, data_seed: int) -> tuple[Split, str]:
    y, mean, deviation = _values(task)
    rng = generator(data_seed, "outliers")
    chosen = rng.choice(len(y), size=round(corruption.outliers * len(y)), replace=False)
    size = (len(chosen), y.shape[1])
    gross = rng.choice((-1.0, 1.0), size=size) * rng.uniform(*OUTLIER_RANGE, size=size)
    y[chosen] = mean + gross * deviation
    note = (
        f"outliers: {len(chosen)} of {len(y)} training targets replaced by the mean plus or minus "
        f"{OUTLIER_RANGE[0]:g} to {OUTLIER_RANGE[1]:g} standard deviations"
    )
    return _revalued(task, y), note


def _with_heavy_tails(task: Task, corruption: Corruption, data_seed: int) -> tuple[Split, str]:
    y, _, deviation = _values(task)
    noise = generator(data_seed, "heavy tails").standard_t(FREEDOM, size=y.shape)
    note = (
        f"heavy tails: {corruption.heavy_tails:g} standard deviations times Student's t with {FREEDOM:g} "
        f"degrees of freedom added to all {len(y)} training targets"
    )
    return _revalued(task, y + corruption.heavy_tails * deviation * noise), note


def _values(task: Task) -> tuple[Values, Values, Values]:
    """A copy of the training targets (n, outputs), and the mean and deviation (outputs,), never zero."""
    y = task.train.y.cpu().numpy().astype(np.float64)
    deviation = y.std(axis=0)
    return y, y.mean(axis=0), np.where(deviation > 0, deviation, 1.0)


def _revalued(task: Task, y: Values) -> Split:
    return Split(task.train.x, torch.from_numpy(y).float().to(task.train.y.device))


def _labels(task: Task) -> tuple[NDArray[np.int64], int]:
    """A copy of the training labels (n,) and the number of classes."""
    classes = 2 if task.kind is Kind.BINARY else task.num_outputs
    return class_ids(task.train.y).cpu().numpy().astype(np.int64, copy=True), classes


Damage = Callable[[Task, Corruption, int], tuple[Split, str]]

_DAMAGES: dict[str, Damage] = {
    "imbalance": _unbalanced,
    "asymmetric_noise": _with_asymmetric_noise,
    "label_noise": _with_label_noise,
    "heavy_tails": _with_heavy_tails,
    "outliers": _with_outliers,
}
