"""From a user's arrays to a task: what kind they are of, and labels in the form of a `Split`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from symloss.errors import TaskError
from symloss.records import Kind
from symloss.tasks.building import build_task
from symloss.tasks.checks import check_kind
from symloss.tasks.corruption import Corruption
from symloss.tasks.datasets import Dataset
from symloss.tasks.task import Task

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
