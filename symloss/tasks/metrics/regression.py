"""Metrics of regression. Shapes are those of `metric`."""

from __future__ import annotations

import torch
from torch import Tensor

from symloss.errors import TaskError
from symloss.tasks.metrics.metric import VALUES, Metric


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


def pinball(level: float) -> Metric:
    """`quantile-Q`: the pinball loss, least where a share Q of the targets lies below the outputs."""

    def cost(outputs: Tensor, targets: Tensor) -> Tensor:
        below = targets - outputs
        return torch.maximum(level * below, (level - 1) * below).mean(dim=(-2, -1))

    doc = f"pinball loss of the {level:g} quantile in units of the targets; best 0"
    return Metric(f"quantile-{level:g}", VALUES, cost, doc)


REGRESSION = [
    Metric("mse", VALUES, _mse, "mean squared error in squared units of the targets; best 0"),
    Metric("mae", VALUES, _mae, "mean absolute error in units of the targets; best 0"),
    Metric("r2", VALUES, _r2, "1 - R2, the unexplained part of the variance; best 0"),
]
