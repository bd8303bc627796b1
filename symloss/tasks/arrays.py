"""From a user's arrays to a task."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from symloss.errors import TaskError, a_type
from symloss.records import Kind
from symloss.tasks.building import build_task
from symloss.tasks.checks import check_kind
from symloss.tasks.corruption import Corruption
from symloss.tasks.dataset import Dataset
from symloss.tasks.targets import apart, encoded, kind_of
from symloss.tasks.task import Task

Array = NDArray[Any]

Pair: TypeAlias = "tuple[ArrayLike | Tensor, ArrayLike | Tensor]"
"""Features and targets."""


def task_from_arrays(
    x: ArrayLike | Tensor,
    y: ArrayLike | Tensor,
    *,
    valid: Pair | None = None,
    test: Pair | None = None,
    name: str = "data",
    kind: Kind | str | None = None,
    positive: object = None,
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
    valid, test: x and y of validation or test data of your own; without them, these parts are set aside.
    kind:   by default multiclass for integers, booleans, strings and a few whole numbers, else regression.
            Labels that are not 0, 1, 2, ... are numbered in sorted order, which `notes` records.
    positive: the label of two that is class 1, and that f1 and average-precision then count alone.
    model, metric: names; see `MODELS` and `METRICS`. The default metric is error or mse.
    Splits are stratified by class and never overlap. Features, and targets of regression, are
    standardised with statistics of the training part before corruption.
    Raises: TaskError in one sentence.
    """
    given = {"": (x, y), **{part: own for part, own in (("valid", valid), ("test", test)) if own is not None}}
    parts = {part: _checked(part, own) for part, own in given.items()}
    _check_alike(parts)
    features = [own for own, _ in parts.values()]
    joined = np.concatenate([own for _, own in parts.values()])
    chosen = check_kind(kind) if kind is not None else kind_of(parts[""][1])
    targets = encoded(joined, chosen, positive)
    each = apart(targets, [len(own) for own in features], list(parts), chosen)
    parts = dict(zip(parts, zip(features, each, strict=True), strict=True))
    data = Dataset(
        name,
        chosen,
        *parts[""],
        targets.outputs,
        official_valid=parts.get("valid"),
        official_test=parts.get("test"),
        valid_fraction=valid_fraction,
        test_fraction=test_fraction,
        model=model,
        metric="mse" if chosen is Kind.REGRESSION else "error",
        notes=targets.notes,
        labels=targets.labels,
        positive=targets.positive,
    )
    return build_task(data, metric=metric, data_seed=data_seed, corruption=corruption or Corruption())


def _checked(part: str, given: Pair) -> tuple[Array, Array]:
    """Features and targets of data called `part`, empty for those of training."""
    names = [f"{name} of {part}" if part else name for name in ("x", "y")]
    if not isinstance(given, tuple | list) or len(given) != 2:
        raise TaskError(f"{part} is {a_type(given)}, expected x and y of the {part} data: {part}=(x, y)")
    features, targets = (_array(own, name) for own, name in zip(given, names, strict=True))
    if features.dtype.kind not in "biuf":
        raise TaskError(
            f"{names[0]} has values of type {features.dtype}, expected numbers; encode categories first"
        )
    if features.ndim < 2 or targets.ndim < 1 or len(features) != len(targets):
        raise TaskError(
            f"{names[0]} of shape {features.shape} and {names[1]} of shape {targets.shape} do not match; "
            "expected x (samples, features...) and y with as many samples"
        )
    return features, targets


def _check_alike(parts: Mapping[str, tuple[Array, Array]]) -> None:
    x, y = parts[""]
    for part, (features, targets) in parts.items():
        if features.shape[1:] != x.shape[1:] or targets.shape[1:] != y.shape[1:]:
            raise TaskError(
                f"samples of {part} have shapes {features.shape[1:]} and {targets.shape[1:]}, those of "
                f"x and y {x.shape[1:]} and {y.shape[1:]}; all need the same"
            )
        if (targets.dtype.kind == "U") != (y.dtype.kind == "U"):
            raise TaskError(f"y of {part} has values of type {targets.dtype}, those of y are {y.dtype}")


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
