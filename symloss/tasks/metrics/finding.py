"""Metrics by name: rows, families whose name holds a number, and a user's functions."""

from __future__ import annotations

import re
from collections.abc import Callable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from symloss.errors import TaskError, a_type, did_you_mean
from symloss.records import Kind
from symloss.tasks.loading import call_user, is_spec, load_callable
from symloss.tasks.metrics.classification import CLASSIFICATION, of_class, top_error
from symloss.tasks.metrics.metric import Metric, probabilities
from symloss.tasks.metrics.regression import REGRESSION, pinball

METRICS: dict[str, Metric] = {row.name: row for row in (*CLASSIFICATION, *REGRESSION)}


class Family(NamedTuple):
    """Metrics whose name ends in a number: `pattern` finds it, `make` takes its text."""

    example: str
    pattern: str
    make: Callable[[str], Metric]


FAMILIES = [
    Family("top-5", r"top-([1-9]\d{0,5})", lambda number: top_error(int(number))),
    Family("quantile-0.9", r"quantile-(0?\.\d*[1-9]\d*)", lambda number: pinball(float(number))),
]

ELSEWHERE = {
    "nll": "cross-entropy",
    "log-loss": "cross-entropy",
    "accuracy": "error",
    "balanced-accuracy": "balanced-error",
    "ece": "calibration",
    "auc": "auroc",
    "map": "average-precision",
    "rmse": "mse",
    "pinball": "quantile-0.9",
}
"""What metrics are called elsewhere, for the message about an unknown name."""


def find_metric(name_or_spec: str, kind: Kind, positive: str | None = None) -> Metric:
    """A metric by name, or a user's function.

    A user's function takes `(predictions, targets)` as numpy arrays and returns a cost as a float.
    predictions: class probabilities (n, C); probability of class 1 (n, 1) for binary tasks; values
    (n, outputs) for regression. targets: as in a `Split`.
    positive: what class 1 of two is called, if f1 and average-precision are to count it alone.
    Raises: TaskError if it is unknown, does not fit the kind of task, or cannot be imported.
    """
    if is_spec(name_or_spec):
        return own_metric(load_callable(name_or_spec, "metric"), kind, name_or_spec)
    metric = _named(name_or_spec)
    if kind not in metric.kinds:
        known = [*METRICS.values(), *(_named(family.example) for family in FAMILIES)]
        fitting = ", ".join(row.name for row in known if kind in row.kinds)
        raise TaskError(
            f"metric '{metric.name}' is not defined for {kind.value} tasks; choose from {fitting}"
        )
    return metric if positive is None else of_class(metric.name, positive) or metric


def _named(name: str) -> Metric:
    if name in METRICS:
        return METRICS[name]
    for family in FAMILIES:
        found = re.fullmatch(family.pattern, name)
        if found:
            return family.make(found[1])
    raise TaskError(f"unknown metric '{name}'; {_nearest(name)}")


def _nearest(name: str) -> str:
    small = name.lower()
    if small in ELSEWHERE:
        return f"did you mean '{ELSEWHERE[small]}'?"
    if any(re.fullmatch(family.pattern, small) for family in FAMILIES):
        return f"did you mean '{small}'?"
    return did_you_mean(name, [*METRICS, *(family.example for family in FAMILIES)])


def own_metric(function: Callable[..., Any], kind: Kind, name: str | None = None) -> Metric:
    """A user's function as a metric, called by its own name unless told otherwise. See `find_metric`."""
    if name is None:
        name = str(getattr(function, "__name__", type(function).__name__)).strip("<>")
    shape = "(n, outputs) values" if kind is Kind.REGRESSION else "(n, classes) probabilities"
    advice = f"a metric takes (predictions, targets) as arrays, predictions being {shape}, and returns a cost"

    def cost(outputs: Tensor, targets: Tensor) -> float:
        predictions = outputs if kind is Kind.REGRESSION else probabilities(outputs)
        arrays = predictions.cpu().numpy(), targets.cpu().numpy().copy()  # it may write over them
        found = call_user(function, f"metric '{name}'", advice, *arrays)
        if isinstance(found, np.ndarray | Tensor) and found.ndim == 0:
            found = found.item()
        if not isinstance(found, Real):
            raise TaskError(f"metric '{name}' returned {a_type(found)}, expected a float: {advice}")
        return float(found)

    return Metric(name, (kind,), cost, f"the user's function {name}", one_by_one=True)
