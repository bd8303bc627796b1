"""Cheap looks at losses that save expensive training.

All filters see the same few samples. They work on explicit gradients of whole populations at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor

from symloss.expr import Expr
from symloss.losses.population import Population
from symloss.meta.sample import FLAT, Sample
from symloss.meta.settings import Filters
from symloss.records import Kind, Status
from symloss.tasks.metrics import find_metric


def gradient_status(gradients: Tensor) -> list[Status]:
    """For gradients (losses, n, outputs): non-finite, flat, or ok."""
    finite = torch.isfinite(gradients).flatten(1).all(dim=1).tolist()
    size = gradients.square().mean(dim=(1, 2)).sqrt().tolist()
    return [
        Status.NON_FINITE if not ok else Status.FLAT if rms < FLAT else Status.OK
        for ok, rms in zip(finite, size, strict=True)
    ]


def fingerprint(gradient: Tensor, digits: int, any_scale: bool = False) -> str:
    """A short text that is equal for losses whose gradients agree to `digits` significant digits.

    Losses that differ by a constant offset get the same one, since they train alike; with `any_scale` also
    those that differ by a positive factor. The rounding is relative to the largest entry: what is tiny
    beside it does not matter to training either.
    """
    scale = gradient.abs().max()
    whole = torch.round(gradient / scale * 10**digits).to(torch.int64)
    head = "" if any_scale else f"{scale.item():.{max(digits - 1, 0)}e}"
    return hashlib.sha256(head.encode() + whole.cpu().numpy().tobytes()).hexdigest()[:24]


def alike(gradient: Tensor, other: Tensor, distance: float, any_scale: bool = False) -> bool:
    """Whether two gradients are nearer to one another than `distance`, as a share of the first one's size.

    any_scale: a positive factor between them makes no difference.
    """
    if any_scale:
        gradient, other = gradient / gradient.norm(), other / other.norm()
    return bool((gradient - other).norm() < distance * gradient.norm())


def improves_free_predictions(expressions: Sequence[Expr], sample: Sample, settings: Filters) -> list[bool]:
    """The rejection protocol of AutoLoss-Zero: does following the loss improve the predictions themselves?

    The outputs are freed from the network and moved by Adam under each loss. A loss passes if they are
    better on the sample's labels afterwards: fewer errors, or a smaller mean absolute error.
    """
    population = Population(expressions, sample.kind, sample.outputs.device)
    constants = population.constants(sample.outputs.dtype)
    metric = find_metric("mae" if sample.kind is Kind.REGRESSION else "error", sample.kind)
    start = sample.outputs.expand(len(expressions), *sample.outputs.shape)
    outputs = start.clone().requires_grad_()
    adam = torch.optim.Adam([outputs], lr=settings.rejection_learning_rate)
    for _ in range(settings.rejection_steps):
        outputs.grad = population.output_gradient(outputs.detach(), sample.targets, constants)
        adam.step()
    gain = metric.batched(start, sample.labels) - metric.batched(outputs.detach(), sample.labels)
    return [bool(value) for value in (gain > 0).tolist()]  # NaN compares as False
