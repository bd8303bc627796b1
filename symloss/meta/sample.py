"""A handful of training samples with untrained predictions: where losses are looked at before training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symloss.expr import Expr
from symloss.expr.fold import fold, scaled, split_factor
from symloss.losses.entry import averaged, targets_of
from symloss.losses.population import Population
from symloss.meta.lockstep import seeded_model
from symloss.networks.randomness import seeded
from symloss.records import Kind
from symloss.tasks.task import Task

FLAT = 1e-10
"""Size of a gradient below which nothing can be learned from a loss: it may be nothing but rounding."""


@dataclass(frozen=True, eq=False)
class Sample:
    """outputs and targets (n, outputs) in float64, and labels as in a `Split`."""

    outputs: Tensor
    targets: Tensor
    labels: Tensor
    kind: Kind

    def gradients(self, expressions: Sequence[Expr]) -> Tensor:
        """Gradients of each loss with respect to the outputs: (expressions, n, outputs)."""
        population = Population(expressions, self.kind, self.outputs.device)
        return population.output_gradient(
            self.outputs[None], self.targets, population.constants(torch.float64)
        )


@torch.no_grad()
def untrained_sample(task: Task, size: int, seed: int) -> Sample:
    """The first `size` training samples and what a fresh network says about them in training mode."""
    device = task.train.x.device
    model = seeded_model(task.make_model, seed).to(device).train()
    x, labels = task.train.x[:size], task.train.y[:size]
    targets = targets_of(labels, task.kind, task.num_outputs, torch.float64)
    with seeded(device) as seed_with:
        seed_with(seed)
        outputs = model(x).double()
    return Sample(outputs, targets, labels, task.kind)


def spread_sample(task: Task, size: int, seed: int) -> Sample:
    """Labels of training samples with random outputs, confident and wrong ones among them."""
    labels = task.train.y[:size]
    targets = targets_of(labels, task.kind, task.num_outputs, torch.float64)
    generator = torch.Generator().manual_seed(seed)
    # Standard deviations from 0.3 to 6: probabilities from nearly equal to nearly certain.
    spread = torch.linspace(0.3, 6.0, len(labels), dtype=torch.float64)[:, None]
    outputs = torch.randn(targets.shape, generator=generator, dtype=torch.float64) * spread
    return Sample(outputs.to(targets.device), targets, labels, task.kind)


def reference_gradient(sample: Sample) -> Tensor:
    """Gradient (n, outputs) of cross-entropy, or of the squared error, on `sample`."""
    predictions = {Kind.MULTICLASS: torch.softmax(sample.outputs, -1), Kind.BINARY: sample.outputs.sigmoid()}
    share = averaged(sample.outputs, sample.kind)
    if sample.kind is Kind.REGRESSION:
        return 2.0 * (sample.outputs - sample.targets) / share
    return (predictions[sample.kind] - sample.targets) / share


def typical_size(gradients: Tensor) -> Tensor:
    """Size of gradients (losses, n, outputs): (losses,), the median over samples of their Euclidean norm.

    Not the mean, which a few outliers among the targets would decide. Where most samples have no gradient
    at all, the root mean square of the norms stands in.
    """
    norms = gradients.norm(dim=-1)
    median, mean = norms.median(dim=1).values, norms.square().mean(dim=1).sqrt()
    return torch.where(median > 0, median, mean)


def normalised(expressions: Sequence[Expr], sample: Sample) -> list[Expr]:
    """Each loss times the positive constant that makes its gradient on `sample` as large as the reference.

    A loss whose gradient is not finite, or flat there, is returned unchanged: scaling up what is left of
    a constant slope after softmax would train on rounding errors.
    """
    if not expressions:
        return []
    wanted = typical_size(reference_gradient(sample)[None]).item()
    sizes = typical_size(sample.gradients(expressions)).tolist()
    return [
        _times(expr, wanted / size) if FLAT <= size < float("inf") else expr
        for expr, size in zip(expressions, sizes, strict=True)
    ]


def _times(expr: Expr, factor: float) -> Expr:
    own, rest = split_factor(fold(expr))
    return scaled(own * factor, rest)
