"""Loss networks that begin as the usual loss: cross-entropy, or the squared error."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor

from symloss.errors import ConfigError
from symloss.losses.neural.arithmetic import values_and_slopes
from symloss.losses.neural.settings import NetworkSettings
from symloss.records import Kind
from symloss.workers import one_thread

STEPS = 200
POINTS = {Kind.MULTICLASS: 50, Kind.BINARY: 50, Kind.REGRESSION: 16}
FLOOR = 0.005
"""Below this distance from 0 or 1, slopes of the usual loss are taken as they are there."""


def usual_weights(kind: Kind, num_outputs: int, settings: NetworkSettings, seed: int = 0) -> Tensor:
    """Flat weights (size,) with which a smooth loss network pushes nearly as the usual loss does.

    They are fitted to its slopes in about a second, for values from -3 to 3, and for probabilities from 0
    to 1, with slopes no steeper than at 0.005. For binary tasks the fit stays coarse: without biases
    the loss of a target 0 cannot be steep where the prediction is 1.
    Raises: ConfigError for a network without the smooth leaky ReLU.
    """
    if (settings.between, settings.output) != ("smooth-leaky-relu", "smooth-leaky-relu"):
        raise ConfigError(
            "only a network of smooth leaky ReLUs can begin as the usual loss; "
            "set offline.start=random, or start='random' in Python"
        )
    with one_thread():
        return _fitted(kind, num_outputs, settings, seed).clone()


@lru_cache(maxsize=8)
@torch.enable_grad()
def _fitted(kind: Kind, num_outputs: int, settings: NetworkSettings, seed: int) -> Tensor:
    prediction, target, wanted, share = _goal(kind, torch.linspace(-1, 1, POINTS[kind], dtype=torch.float64))
    scale = _scale(kind, num_outputs, settings)
    weights = _start(kind, settings, torch.Generator().manual_seed(seed)).requires_grad_()
    solver = torch.optim.LBFGS([weights], max_iter=STEPS, line_search_fn="strong_wolfe")

    def error() -> float:
        # In units of the usual loss: a mean over classes makes the network's own slopes that much larger.
        slope = values_and_slopes(weights * scale, prediction, target, settings)[1] / scale[-1]
        off = (share * (slope - wanted)).square().mean()
        (weights.grad,) = torch.autograd.grad(off, weights)
        return off.item()

    step: Callable[[Callable[[], float]], object] = solver.step
    step(error)
    return (weights * scale).detach().float()


def _start(kind: Kind, settings: NetworkSettings, generator: torch.Generator) -> Tensor:
    """Where the fit begins: no fit would find these losses from weights as they are usually drawn.

    For probabilities: hinges max(0, 1 - p/b) of many widths b, passed on and summed. For values: the rounded
    corners of the first layer's units, on both sides of p = y, whose sum is a parabola there.
    """
    hidden = settings.hidden
    noise = 0.02 * torch.randn(hidden, hidden, generator=generator).double()
    if kind is Kind.REGRESSION:
        steepness = torch.linspace(0.2, 0.6, hidden, dtype=torch.float64) / settings.smoothness
        steepness[1::2] *= -1.0
        first = torch.stack([-steepness, steepness], dim=1)
        second = noise + 1.0
    else:
        widths = torch.logspace(-2.3, 0.3, hidden, dtype=torch.float64)
        first = torch.stack([torch.ones_like(widths), -1.0 / widths], dim=1)
        second = noise + torch.eye(hidden, dtype=torch.float64)
    gain = 600.0 * settings.smoothness / hidden**2 / 10.0 if kind is Kind.REGRESSION else 6.0 / hidden
    return torch.cat([first.flatten(), second.flatten(), torch.full((hidden,), gain, dtype=torch.float64)])


def _goal(kind: Kind, along: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Predictions, targets, slopes of the usual loss, and how much of a slope arrives at the outputs.

    Each of shape (n, 1).
    """
    if kind is Kind.REGRESSION:
        prediction, target = (g.reshape(-1, 1) for g in torch.meshgrid(3 * along, 3 * along, indexing="ij"))
        return prediction, target, 2.0 * (prediction - target), torch.ones_like(prediction)
    inside = torch.sigmoid(7.0 * along)  # the ends stand for 0 and 1, where slopes must keep their sign
    inside[0], inside[-1] = 0.0, 1.0
    prediction = inside.repeat(2)[:, None]
    target = along.new_tensor([0.0, 1.0]).repeat_interleave(len(along))[:, None]
    if kind is Kind.MULTICLASS:
        # Slopes of other classes count at the true one too, which has most of the probability in the end.
        lowest = torch.where(target > 0, FLOOR, 0.3)
        share = torch.maximum(prediction, lowest)
        return prediction, target, -target / share, share
    share = (prediction * (1.0 - prediction)).clamp(min=FLOOR)
    return prediction, target, (prediction - target) / share, share


def _scale(kind: Kind, num_outputs: int, settings: NetworkSettings) -> Tensor:
    """A factor for each weight: the last layer's ones make up for a mean over classes."""
    factor = num_outputs if kind is Kind.MULTICLASS and settings.classes == "mean" else 1
    scale = torch.ones(settings.size, dtype=torch.float64)
    scale[-settings.hidden :] = factor
    return scale
