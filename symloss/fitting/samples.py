"""What is fitted: the values of a loss, or its slope, at chosen pairs of prediction and target.

Some of a loss is never seen by a network: what it adds for a target as such, and with several classes, whose
probabilities sum to one, any multiple of the prediction that is the same for all targets. What a formula and
a loss have to agree in is what remains when these have been taken away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from symloss.errors import ExpressionError
from symloss.losses.calls import Array
from symloss.losses.program import Program
from symloss.losses.tape import Tape
from symloss.records import Kind

PerElement = Callable[[Tensor, Tensor], Tensor]
"""A loss of predictions and targets of one shape, element by element."""

Of = Literal["value", "slope"]

LEAST_PROBABILITY = 1e-3
"""Predictions are sampled from here to one minus this, where nothing says that training goes further."""


@dataclass(frozen=True)
class Domain:
    """Where a loss is sampled: pairs, and how much each counts. Arrays (n,); weights sum to one.

    classes: whether predictions are probabilities that sum to one over several classes.
    """

    prediction: Array
    target: Array
    weight: Array
    classes: bool = False


@dataclass(frozen=True)
class Samples:
    """A loss as numbers: its `values` and `slopes` (n,) on a domain.

    of: which of the two is fitted.
    """

    domain: Domain
    values: Array
    slopes: Array
    of: Of = "value"

    @cached_property
    def wanted(self) -> Array:
        """What is fitted, as `seen` shows it."""
        return self.seen(self.values if self.of == "value" else self.slopes)

    @cached_property
    def size(self) -> float:
        """Root of the sum of squares of what is fitted."""
        return float(np.sqrt(np.sum(self.wanted**2)))

    @cached_property
    def _unseen(self) -> Array:
        """What no network sees, as orthonormal columns (n, k) after weighting."""
        domain, ones = self.domain, np.ones(len(self.domain.weight))
        if self.of == "slope":
            columns = [ones] if domain.classes else []
        else:
            columns = [(domain.target == target).astype(float) for target in np.unique(domain.target)]
            columns += [domain.prediction] if domain.classes else []
        if not columns:
            return np.zeros((len(ones), 0))
        weighted = np.stack(columns, axis=1) * np.sqrt(domain.weight)[:, None]
        return np.linalg.qr(weighted)[0]

    def seen(self, numbers: Array) -> Array:
        """Values or slopes (..., n) as they are compared: times root weights, without what is never seen."""
        weighted = numbers * np.sqrt(self.domain.weight)
        found: Array = weighted - (weighted @ self._unseen) @ self._unseen.T
        return found


def probabilities(points: int = 41, targets: Sequence[float] = (0.0, 1.0)) -> Domain:
    """Predictions in (0, 1) for each target: half of them even in the probability, half in its logit."""
    even = np.linspace(LEAST_PROBABILITY, 1 - LEAST_PROBABILITY, points)
    limit = np.log(LEAST_PROBABILITY / (1 - LEAST_PROBABILITY))
    spread = 1 / (1 + np.exp(np.linspace(limit, -limit, points)))
    return _pairs(np.unique(np.concatenate([even, spread]).round(12)), np.array(targets))


def values_about(width: float = 3.0, points: int = 61, targets: int = 5) -> Domain:
    """For regression, whose targets are standardised: residuals up to `width` about targets from -2 to 2."""
    residuals, centres = np.linspace(-width, width, points), np.linspace(-2.0, 2.0, targets)
    residual, target = (grid.ravel() for grid in np.meshgrid(residuals, centres))
    return Domain(residual + target, target, np.full(residual.size, 1 / residual.size))


def _pairs(predictions: Array, targets: Array) -> Domain:
    prediction, target = (grid.ravel() for grid in np.meshgrid(predictions, targets))
    return Domain(prediction, target, np.full(prediction.size, 1 / prediction.size))


def usual_domain(kind: Kind) -> Domain:
    """Where a loss is sampled if nothing says where training goes."""
    if kind is Kind.REGRESSION:
        return values_about()
    return replace(probabilities(), classes=kind is Kind.MULTICLASS)


def visited(
    predictions: Sequence[float], targets: Sequence[float], counts: Any, kind: Kind, floor: float = 0.02
) -> Domain:
    """Where training went: pairs in each bin of a histogram, weighted by how often it was there.

    predictions, targets: edges of the bins; for classes the targets are 0 and 1. counts: (targets,
    predictions). floor: share of the weight that is spread over all bins alike, so that a formula does not
    run wild where training has not been.
    """
    within = np.array([0.125, 0.375, 0.625, 0.875])  # four points in each bin
    edges = np.asarray(predictions, float)
    points = edges[:-1, None] + np.diff(edges)[:, None] * within
    rows = np.asarray(targets, float)
    centres = np.array([0.0, 1.0]) if kind is not Kind.REGRESSION else (rows[:-1] + rows[1:]) / 2
    if kind is not Kind.REGRESSION:
        points = points.clip(LEAST_PROBABILITY / 10, 1 - LEAST_PROBABILITY / 10)
    found = np.asarray(counts, float)
    total = found.sum()
    if found.shape != (len(centres), len(edges) - 1) or not total > 0:
        raise ExpressionError("the histogram of where training went is empty or has another shape")
    share = (1 - floor) * found / total + floor / found.size
    weight = np.repeat(share / len(within), len(within), axis=1)
    prediction = np.tile(points.ravel(), len(centres))
    target, weights = np.repeat(centres, points.size), weight.ravel() / weight.sum()
    return Domain(prediction, target, weights, kind is Kind.MULTICLASS)


def sampled(loss: PerElement, domain: Domain, of: Of = "value", name: str = "the loss") -> Samples:
    """The numbers of a loss on a domain, by autograd. Raises ExpressionError if they cannot be used."""
    prediction = torch.tensor(domain.prediction, dtype=torch.float64)[:, None].requires_grad_()
    target = torch.tensor(domain.target, dtype=torch.float64)[:, None]
    with torch.enable_grad():
        value = loss(prediction, target)
        if not isinstance(value, Tensor) or value.shape != prediction.shape:
            found = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ExpressionError(
                f"{name} has to give one value for each pair of prediction and target, a tensor of shape "
                f"{tuple(prediction.shape)}; found {found}"
            )
        if not value.requires_grad:
            raise ExpressionError(f"{name} does not depend on the prediction in a way that torch can follow")
        (slope,) = torch.autograd.grad(value.sum(), prediction, allow_unused=True)
    values = value.detach().double().numpy()[:, 0]
    slopes = np.zeros_like(values) if slope is None else slope.double().numpy()[:, 0]
    if not (np.isfinite(values).all() and np.isfinite(slopes).all()):
        raise ExpressionError(f"{name} has values or slopes that are not finite where it is sampled")
    samples = Samples(domain, values, slopes, of)
    if samples.size <= 1e-9 * (1 + np.abs(values).max()):
        raise ExpressionError(f"{name} would train nothing: there is no gradient in it, so nothing to fit")
    return samples


def program_on(samples: Samples, tape: Tape, count: int = 1) -> Program:
    """The tape laid out for the samples' predictions and `count` choices of its constants."""
    prediction = samples.domain.prediction
    return Program([tape], [count], prediction.shape, prediction.dtype, shared=True)
