"""Points that cover training from its start to its end, and exact gradients at them, in float64.

The first class is the target: a formula is applied to every class alike, so any other would do.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from symloss.expr import Expr, constants_of
from symloss.losses.entry import predictions_of, pull_back
from symloss.losses.tape import slope_tape, value_tape
from symloss.records import Kind

STAGES = ((0.1, 0.0), (1.0, 0.0), (2.0, 0.0), (1.0, -2.0), (1.0, 3.0), (1.0, 6.0), (2.0, 9.0))
"""Spread of the logits, and by how much the target's is raised: untrained, unsure, wrong, right, sure."""

EACH = 120
"""Points of a stage."""

MOST = 30_000
"""Numbers in a sample, more or less: with many classes there are fewer points.

PyTorch would share larger operations among threads, which takes longer than the operation itself.
"""


@dataclass(frozen=True)
class Sample:
    """Network outputs, predictions and targets, each (points, outputs) float64."""

    kind: Kind
    outputs: Tensor
    predictions: Tensor
    targets: Tensor


def sample_of(kind: Kind, classes: int) -> Sample:
    """The fixed points for a kind of task; the same each time."""
    generator = torch.Generator().manual_seed(0)
    if kind is Kind.REGRESSION:
        return _residuals(generator)
    width = classes if kind is Kind.MULTICLASS else 1
    each = max(4, min(EACH, MOST // (width * len(STAGES))))
    stages = []
    for spread, lead in STAGES:
        outputs = spread * torch.randn(each, width, dtype=torch.float64, generator=generator)
        outputs[:, 0] += lead
        stages.append(outputs)
    outputs = torch.cat(stages)
    targets = torch.zeros_like(outputs)
    targets[:, 0] = 1.0
    if kind is Kind.BINARY:  # once for either label
        outputs, targets = torch.cat([outputs, -outputs]), torch.cat([targets, 1.0 - targets])
    return Sample(kind, outputs, predictions_of(outputs, kind), targets)


def _residuals(generator: torch.Generator) -> Sample:
    targets = torch.randn(400, 1, dtype=torch.float64, generator=generator)
    noise = torch.randn(400, 1, dtype=torch.float64, generator=generator)
    spread = torch.tensor([0.1, 0.5, 1.0, 4.0], dtype=torch.float64).repeat(100)[:, None]
    outputs = targets + spread * noise
    return Sample(Kind.REGRESSION, outputs, outputs, targets)


def values_at(expression: Expr, predictions: Tensor, targets: Tensor | float) -> Tensor:
    """The elementwise loss, of the predictions' shape. The expression is without `classes`."""
    return value_tape(expression)(predictions, _like(predictions, targets), _constants(expression))


def slopes_at(expression: Expr, predictions: Tensor, targets: Tensor | float) -> Tensor:
    """Its derivative by the predictions, of their shape."""
    return slope_tape(expression)(predictions, _like(predictions, targets), _constants(expression))


def gradients(expression: Expr, sample: Sample) -> Tensor:
    """Gradient of each point's loss with respect to the network's outputs, (points, outputs)."""
    slopes = slopes_at(expression, sample.predictions, sample.targets)
    return pull_back(sample.predictions, slopes, sample.kind)


def _like(predictions: Tensor, targets: Tensor | float) -> Tensor:
    return targets if isinstance(targets, Tensor) else torch.full_like(predictions, targets)


def _constants(expression: Expr) -> tuple[Tensor, ...]:
    return torch.tensor(constants_of(expression), dtype=torch.float64).unbind()
