"""From arrays to a task: split, scale, choose the model, corrupt."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks.checks import check_kind
from symloss.tasks.corruption import Corruption, corrupt
from symloss.tasks.datasets import Dataset
from symloss.tasks.models import model_maker
from symloss.tasks.splitting import generator, split_indices, subsample_indices
from symloss.tasks.task import Split, Task

Array = NDArray[Any]


def task_from_arrays(
    x: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    *,
    name: str = "data",
    kind: Kind | str | None = None,
    model: str = "mlp",
    metric: str | None = None,
    valid_fraction: float = 0.2,
    test_fraction: float = 0.2,
    data_seed: int = 0,
    corruption: Corruption | None = None,
) -> Task:
    """A task from a user's arrays.

    x:      (n, ...features) numbers; images as (n, channels, height, width).
    y:      labels (n,) or values (n,) or (n, outputs).
    kind:   by default multiclass for integers, booleans and strings, regression for other numbers.
            Labels that are not 0, 1, 2, ... are numbered in sorted order, which `notes` records.
    model, metric: names; see `MODELS` and `METRICS`. The default metric is error or mse.
    Splits are stratified by class and never overlap. Features, and targets of regression, are
    standardised with statistics of the training part before corruption.
    Raises: TaskError in one sentence.
    """
    features, targets = _array(x, "x"), _array(y, "y")
    if features.dtype.kind not in "biuf":
        raise TaskError(f"x has values of type {features.dtype}, expected numbers; encode categories first")
    if features.ndim < 2 or targets.ndim < 1 or len(features) != len(targets):
        raise TaskError(
            f"x of shape {features.shape} and y of shape {targets.shape} do not match; expected "
            "x (samples, features...) and y with as many samples"
        )
    chosen = check_kind(kind) if kind is not None else _kind_of(targets)
    targets, outputs, notes = _encode(targets, chosen)
    data = Dataset(
        name,
        chosen,
        features,
        targets,
        outputs,
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        model=model,
        metric="mse" if chosen is Kind.REGRESSION else "error",
        notes=notes,
    )
    return build_task(data, metric=metric, data_seed=data_seed, corruption=corruption or Corruption())


def build_task(
    data: Dataset,
    *,
    model: str | None = None,
    metric: str | None = None,
    corruption: Corruption,
    data_seed: int = 0,
    train_size: int | None = None,
) -> Task:
    """The task of a data set; model and metric default to the customary ones.

    train_size: keep only that many training samples, as many of each class as their share.
    """
    train, valid, test = _parts(data, data_seed, train_size)
    scale_x, scale_y, notes = _scales(data, *train)

    def split(x: Array, y: Array) -> Split:
        return Split(scale_x(x), scale_y(y) if data.kind is Kind.REGRESSION else _labels(y, data.kind))

    model = model or data.model
    task = Task(
        data.name,
        data.kind,
        split(*train),
        split(*valid),
        split(*test),
        make_model=model_maker(model, tuple(data.x.shape[1:]), data.num_outputs),
        num_outputs=data.num_outputs,
        metric=metric or data.metric,
        model_name=model,
        notes=(*data.notes, *notes),
    )
    return corrupt(task, corruption, data_seed)


def _parts(data: Dataset, data_seed: int, train_size: int | None) -> list[tuple[Array, Array]]:
    """The training, validation and test part: x and y of each."""
    strata = np.zeros(len(data.y), np.int64) if data.kind is Kind.REGRESSION else data.y.reshape(-1)
    fractions = [data.valid_fraction] + ([] if data.official_test else [data.test_fraction])
    train, *rest = split_indices(strata, fractions, generator(data_seed, "split"))
    if train_size is not None:
        chosen = subsample_indices(strata[train], train_size, generator(data_seed, "train size"))
        train = train[chosen]
    parts = [(data.x[part], data.y[part]) for part in (train, *rest)]
    return [*parts, data.official_test] if data.official_test else parts


class _Scale:
    """(values - mean) / deviation as a float32 tensor."""

    def __init__(self, mean: Any, deviation: Any) -> None:
        self.mean, self.deviation = mean, deviation

    @classmethod
    def of(cls, values: Array) -> _Scale:
        """Statistics of each feature of (n, features), or each channel of (n, channels, h, w)."""
        axes = (0, *range(2, values.ndim)) if values.ndim == 4 else (0,)
        mean = values.mean(axis=axes, keepdims=True, dtype=np.float64)
        deviation = values.std(axis=axes, keepdims=True, dtype=np.float64)
        return cls(mean, np.where(deviation > 0, deviation, 1.0))  # a constant feature becomes 0

    def __call__(self, values: Array) -> Tensor:
        # Float64 in between: a feature may be a date in seconds, whose differences float32 loses. Bytes of
        # images need no such care, and would take a gigabyte.
        scaled = values.astype(np.float32 if values.dtype == np.uint8 else np.float64)
        scaled -= self.mean
        scaled /= self.deviation
        return torch.from_numpy(scaled.astype(np.float32, copy=False))


def _scales(data: Dataset, x: Array, y: Array) -> tuple[_Scale, _Scale, tuple[str, ...]]:
    """How to scale x and y, from a training part; the note gives the way back to the units of y."""
    scale_x = _Scale(*data.scale) if data.scale else _Scale.of(x)
    if data.kind is not Kind.REGRESSION:
        return scale_x, _Scale(0.0, 1.0), ()
    scale_y = _Scale.of(y)
    mean = ", ".join(f"{value:g}" for value in np.ravel(scale_y.mean))
    deviation = ", ".join(f"{value:g}" for value in np.ravel(scale_y.deviation))
    return scale_x, scale_y, (f"targets standardised: mean {mean}, standard deviation {deviation}",)


def _labels(y: Array, kind: Kind) -> Tensor:
    labels = torch.from_numpy(np.ascontiguousarray(y))
    return labels.long() if kind is Kind.MULTICLASS else labels.float()


def _array(values: ArrayLike | Tensor, name: str) -> Array:
    try:
        plain = values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
    except (ValueError, TypeError) as error:  # a ragged list, a tensor of a type unknown to NumPy
        raise TaskError(f"{name} is not an array: {error}; all samples need the same shape") from error
    if plain.dtype == object and all(isinstance(value, str) for value in plain.flat):
        plain = plain.astype(str)  # text from pandas
    if plain.dtype.kind not in "biufU":
        raise TaskError(f"{name} has values of type {plain.dtype}, expected numbers or text labels")
    bad = int((~np.isfinite(plain)).sum()) if plain.dtype.kind == "f" else 0
    if bad:
        raise TaskError(f"{name} has {bad} values that are NaN or infinite; remove or replace them")
    return plain


def _kind_of(targets: Array) -> Kind:
    return Kind.REGRESSION if targets.dtype.kind == "f" else Kind.MULTICLASS


def _encode(targets: Array, kind: Kind) -> tuple[Array, int, tuple[str, ...]]:
    """Targets in the shape of `Split`, the number of outputs, and a note if labels were renumbered."""
    if kind is Kind.REGRESSION:
        return _values(targets)
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if targets.ndim != 1:
        raise TaskError(
            f"y has shape {targets.shape}, expected one label per sample; use argmax on one-hot labels"
        )
    labels, ids = np.unique(targets, return_inverse=True)
    ids = ids.astype(np.int64)
    if len(labels) < 2 or (kind is Kind.BINARY and len(labels) > 2):
        expected = "two" if kind is Kind.BINARY else "two or more"
        raise TaskError(f"y has {len(labels)} different labels, expected {expected} for a {kind.value} task")
    shown = ", ".join(map(str, labels[:10])) + (", ..." if len(labels) > 10 else "")
    usual = np.array_equal(labels, np.arange(len(labels)))
    notes = () if usual else (f"labels {shown} are numbered from 0",)
    return (ids, len(labels), notes) if kind is Kind.MULTICLASS else (ids[:, None], 1, notes)


def _values(targets: Array) -> tuple[Array, int, tuple[str, ...]]:
    if targets.dtype.kind == "U" or targets.ndim not in (1, 2):
        raise TaskError(
            f"y is {targets.dtype} of shape {targets.shape}, expected numbers of shape (samples,) or "
            "(samples, outputs) for a regression task"
        )
    targets = targets.reshape(len(targets), -1).astype(np.float64)
    return targets, targets.shape[1], ()
