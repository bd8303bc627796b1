"""Metrics: how good a trained network is, always as a cost, so that lower is better everywhere.

Shapes: outputs (..., n, C) are raw network outputs (logits; values for regression); targets are those
of a `Split`: (n,) class ids, (n, 1) zeros and ones, or (n, C) values. A cost has shape (...).
To add a metric, add a row to `METRICS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from symloss.errors import TaskError, did_you_mean
from symloss.records import Kind
from symloss.tasks.loading import call_user, is_spec, load_callable

CLASSES = (Kind.MULTICLASS, Kind.BINARY)
VALUES = (Kind.REGRESSION,)


@dataclass(frozen=True)
class Metric:
    """One cost of a network's outputs on a data set.

    kinds:    the kinds of task for which it is defined.
    cost:     see the module for the shapes.
    doc:      what it measures, in which unit, and its best value.
    one_by_one: True if `cost` takes a single (n, C) and must be called once for each network.
    """

    name: str
    kinds: tuple[Kind, ...]
    cost: Callable[[Tensor, Tensor], Tensor | float]
    doc: str
    one_by_one: bool = False

    @torch.no_grad()
    def batched(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Costs of K networks: outputs (K, n, C) -> (K,) float64; NaN where an output is not finite."""
        finite = torch.isfinite(outputs).flatten(1).all(dim=1)
        # Float64, since errors of 1e20 are ordinary while a bad loss is tried, and their squares overflow.
        safe = torch.where(finite[:, None, None], outputs, 0.0).double()
        if self.one_by_one:
            pairs = zip(safe, finite.tolist(), strict=True)
            found = [float(self.cost(one, targets)) if good else math.nan for one, good in pairs]
            return torch.tensor(found, dtype=torch.float64, device=outputs.device)
        return torch.where(finite, torch.as_tensor(self.cost(safe, targets)), math.nan)


def find_metric(name_or_spec: str, kind: Kind) -> Metric:
    """A metric by name, or a user's function.

    A user's function takes `(predictions, targets)` as numpy arrays and returns a cost as a float.
    predictions: class probabilities (n, C); probability of class 1 (n, 1) for binary tasks; values
    (n, outputs) for regression. targets: as in a `Split`.
    Raises: TaskError if it is unknown, does not fit the kind of task, or cannot be imported.
    """
    if is_spec(name_or_spec):
        return _user_metric(name_or_spec, kind)
    if name_or_spec not in METRICS:
        raise TaskError(f"unknown metric '{name_or_spec}'; {did_you_mean(name_or_spec, METRICS)}")
    metric = METRICS[name_or_spec]
    if kind not in metric.kinds:
        fitting = ", ".join(row.name for row in METRICS.values() if kind in row.kinds)
        raise TaskError(
            f"metric '{metric.name}' is not defined for {kind.value} tasks; choose from {fitting}"
        )
    return metric


def probabilities(outputs: Tensor) -> Tensor:
    """Class probabilities from logits: sigmoid of a single output, softmax of several."""
    return torch.sigmoid(outputs) if outputs.shape[-1] == 1 else torch.softmax(outputs, dim=-1)


def class_ids(targets: Tensor) -> Tensor:
    """(n,) integer class ids, also of (n, 1) zeros and ones."""
    return targets.squeeze(-1).long() if targets.ndim == 2 else targets


def _decisions(outputs: Tensor) -> Tensor:
    """(..., n) class ids that a network decides for."""
    return (outputs.squeeze(-1) > 0).long() if outputs.shape[-1] == 1 else outputs.argmax(dim=-1)


def _error(outputs: Tensor, targets: Tensor) -> Tensor:
    return (_decisions(outputs) != class_ids(targets)).double().mean(dim=-1)


def _balanced_error(outputs: Tensor, targets: Tensor) -> Tensor:
    wrong = (_decisions(outputs) != class_ids(targets)).double()
    members = functional.one_hot(class_ids(targets)).double()
    members = members[:, members.sum(dim=0) > 0]  # a class without samples has no error rate
    return (wrong @ members / members.sum(dim=0)).mean(dim=-1)


def _cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    if outputs.shape[-1] == 1:
        # -log sigmoid(z) for class 1 and -log sigmoid(-z) for class 0, without overflow.
        return functional.softplus((1 - 2 * targets.double()) * outputs).mean(dim=(-2, -1))
    logarithms = torch.log_softmax(outputs, dim=-1)
    rows = torch.arange(len(targets), device=targets.device)
    return -logarithms[..., rows, targets].mean(dim=-1)


def _mse(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).square().mean(dim=(-2, -1))


def _mae(outputs: Tensor, targets: Tensor) -> Tensor:
    return (outputs - targets).abs().mean(dim=(-2, -1))


def _r2(outputs: Tensor, targets: Tensor) -> Tensor:
    targets = targets.double()
    spread = (targets - targets.mean(dim=0)).square().sum(dim=0)
    if not bool((spread > 0).all()):
        raise TaskError("metric 'r2' needs targets that vary, found a constant one; choose mse or mae")
    # 1 - R2 is what remains of the spread; averaged over outputs as scikit-learn does.
    return ((outputs - targets).square().sum(dim=-2) / spread).mean(dim=-1)


def _f1(outputs: Tensor, targets: Tensor) -> float:
    from sklearn.metrics import f1_score

    decided, true = _decisions(outputs).cpu().numpy(), class_ids(targets).cpu().numpy()
    return 1.0 - float(f1_score(true, decided, average="macro", zero_division=0.0))


def _auroc(outputs: Tensor, targets: Tensor) -> float:
    from sklearn.metrics import roc_auc_score

    classes = max(2, outputs.shape[-1])
    members = functional.one_hot(class_ids(targets), classes).cpu().numpy()
    absent = [str(c) for c in range(classes) if not members[:, c].any()]
    if absent:
        raise TaskError(
            f"metric 'auroc' needs samples of every class, found none of class {', '.join(absent)}; "
            "use more data or choose balanced-error"
        )
    if outputs.shape[-1] == 1:  # ranks are those of the logits, which do not saturate
        return 1.0 - float(roc_auc_score(members[:, 1], outputs[:, 0].cpu().numpy()))
    return 1.0 - float(roc_auc_score(members, probabilities(outputs).cpu().numpy(), average="macro"))


_ROWS = [
    Metric("error", CLASSES, _error, "fraction of samples put into a wrong class; best 0"),
    Metric("balanced-error", CLASSES, _balanced_error, "error averaged over classes of any size; best 0"),
    Metric("f1", CLASSES, _f1, "1 - macro-averaged F1 score; best 0", one_by_one=True),
    Metric("cross-entropy", CLASSES, _cross_entropy, "mean negative log-likelihood in nats; best 0"),
    Metric(
        "auroc", CLASSES, _auroc, "1 - area under the ROC curve, one against rest; best 0", one_by_one=True
    ),
    Metric("mse", VALUES, _mse, "mean squared error in squared units of the targets; best 0"),
    Metric("mae", VALUES, _mae, "mean absolute error in units of the targets; best 0"),
    Metric("r2", VALUES, _r2, "1 - R2, the unexplained part of the variance; best 0"),
]

METRICS: dict[str, Metric] = {row.name: row for row in _ROWS}


def _user_metric(spec: str, kind: Kind) -> Metric:
    function = load_callable(spec, "metric")
    shape = "(n, outputs) values" if kind is Kind.REGRESSION else "(n, classes) probabilities"
    advice = f"a metric takes (predictions, targets) as arrays, predictions being {shape}, and returns a cost"

    def cost(outputs: Tensor, targets: Tensor) -> float:
        predictions = outputs if kind is Kind.REGRESSION else probabilities(outputs)
        arrays = predictions.cpu().numpy(), targets.cpu().numpy()
        found = call_user(function, f"metric '{spec}'", advice, *arrays)
        if isinstance(found, np.ndarray | Tensor) and found.ndim == 0:
            found = found.item()
        if not isinstance(found, Real):
            raise TaskError(f"metric '{spec}' returned a {type(found).__name__}, expected a float: {advice}")
        return float(found)

    return Metric(spec, (kind,), cost, f"the user's function {spec}", one_by_one=True)
