"""From a user's arrays to a task."""

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
from symloss.tasks.dataset import Dataset
from symloss.tasks.targets import encoded, kind_of
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
    kind:   by default multiclass for integers, booleans, strings and a few whole numbers, else regression.
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
    chosen = check_kind(kind) if kind is not None else kind_of(targets)
    targets, outputs, notes = encoded(targets, chosen)
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
