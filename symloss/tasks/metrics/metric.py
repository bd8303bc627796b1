"""What a metric is: a cost of a network's outputs, so that lower is better everywhere.

Shapes: outputs (..., n, C) are raw network outputs (logits; values for regression); targets are those
of a `Split`: (n,) class ids, (n, 1) zeros and ones, or (n, C) values. A cost has shape (...).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from symloss.records import Kind

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


def probabilities(outputs: Tensor) -> Tensor:
    """Class probabilities from logits: sigmoid of a single output, softmax of several."""
    return torch.sigmoid(outputs) if outputs.shape[-1] == 1 else torch.softmax(outputs, dim=-1)


def class_ids(targets: Tensor) -> Tensor:
    """(n,) integer class ids, also of (n, 1) zeros and ones."""
    return targets.squeeze(-1).long() if targets.ndim == 2 else targets
