"""A task: data in three parts, a way to make base models, and a metric. A value without behaviour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks.augmentation import Augmentation
from symloss.tasks.checks import (
    check_augmentation,
    check_kind,
    check_metric,
    check_model,
    check_positive,
    check_split,
)
from symloss.tasks.loading import is_spec
from symloss.tasks.metrics import find_metric


@dataclass(frozen=True, eq=False)
class Split:
    """One part of the data.

    x: (n, ...features) float32.
    y: multiclass: (n,) int64 class ids; binary: (n, 1) float32 zeros and ones;
       regression: (n, outputs) float32.
    """

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.x)

    def to(self, device: torch.device | str) -> Split:
        """The same data on another device."""
        return Split(self.x.to(device), self.y.to(device))


@dataclass(frozen=True, eq=False)
class Task:
    """What networks are trained to do, and how they are judged.

    train, valid, test: networks learn from the first, searches compare losses on the second, and the
                 third is for the final report only.
    make_model:  makes a network with fresh random weights from torch's global generator.
    num_outputs: number of classes; 1 for binary tasks; number of targets for regression.
    metric:      default metric: a name or a user's `file.py:function`.
    notes:       what happened to the data, such as corruption, in words.
    augment:     changes the inputs of each training batch, and of nothing else; None leaves them alone.
    confusions:  pairs (class, the class it is most easily mistaken for): see `Corruption.asymmetric_noise`.
    positive:    what class 1 of two is called if f1 and average-precision are to count it alone.
    Raises:      TaskError when built from data or a model that cannot work; see `validate`.
    """

    name: str
    kind: Kind
    train: Split
    valid: Split
    test: Split
    make_model: Callable[[], nn.Module]
    num_outputs: int
    metric: str
    model_name: str
    notes: tuple[str, ...] = ()
    augment: Augmentation | None = None
    confusions: tuple[tuple[int, int], ...] = ()
    positive: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "kind", check_kind(self.kind))  # a user may write "regression"
        self.validate()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.train.x.shape[1:])

    def to(self, device: torch.device | str) -> Task:
        """The same task with its data on another device; models are still made on the CPU."""
        parts = {name: getattr(self, name).to(device) for name in ("train", "valid", "test")}
        return replace(self, **parts)

    def validate(self) -> None:
        """Raise TaskError, in one sentence, if the data, the model or the metric cannot be used."""
        where = f"task '{self.name}'"
        self._check_counts(where)
        check_positive(where, self.positive, self.kind, self.num_outputs)
        for name in ("train", "valid", "test"):
            part: Split = getattr(self, name)
            check_split(f"{where}, {name}", part.x, part.y, self.kind, self.num_outputs)
            if tuple(part.x.shape[1:]) != self.input_shape:
                raise TaskError(
                    f"{where}: samples of {name} have shape {tuple(part.x.shape[1:])}, "
                    f"those of train {self.input_shape}; all parts need the same"
                )
        if self.augment is not None:
            check_augmentation(where, self.augment, self.train.x[:2])
        check_model(where, self.make_model, self.train.x[:2], self.num_outputs)
        check_metric(self.metric)
        if not is_spec(self.metric):  # a user's metric is imported when it is first used
            find_metric(self.metric, self.kind, self.positive)

    def _check_counts(self, where: str) -> None:
        least = 2 if self.kind is Kind.MULTICLASS else 1
        most = 1 if self.kind is Kind.BINARY else self.num_outputs
        if not least <= self.num_outputs <= most:
            expected = "exactly 1" if self.kind is Kind.BINARY else f"at least {least}"
            raise TaskError(
                f"{where}: num_outputs is {self.num_outputs}, expected {expected} "
                f"for a {self.kind.value} task"
            )
