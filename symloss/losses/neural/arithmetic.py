"""What a loss network computes: its value, and its slope by the prediction, as explicit formulas.

The slope is found in the same pass as the value, forwards. So whoever differentiates it by the weights, as
meta-learning does, needs one ordinary backward pass through a short formula and never a double one.

Weights are one flat tensor (..., size): any leading dimensions stand for several networks, whose predictions
then have the same dimensions in front.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from symloss.losses.neural.settings import NetworkSettings

Activation = Callable[[Tensor, NetworkSettings], tuple[Tensor, Tensor]]


def _smooth_leaky_relu(x: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    leak, beta = settings.leak, settings.smoothness
    value = leak * x + (1.0 - leak) * functional.softplus(x, beta=beta, threshold=30.0)
    return value, leak + (1.0 - leak) * torch.sigmoid(beta * x)


def _relu(x: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    return torch.relu(x), (x > 0).to(x.dtype)


def _softplus(x: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    return functional.softplus(x, threshold=30.0), torch.sigmoid(x)


def _none(x: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    return x, torch.ones_like(x)


ACTIVATIONS: dict[str, Activation] = {
    "smooth-leaky-relu": _smooth_leaky_relu,
    "relu": _relu,
    "softplus": _softplus,
    "none": _none,
}
"""Each activation with its derivative."""


def split_weights(weights: Tensor, settings: NetworkSettings) -> list[Tensor]:
    """The three matrices (..., outputs, inputs) as views of flat weights (..., size)."""
    pieces = torch.split(weights, [rows * columns for rows, columns in settings.shapes], dim=-1)
    return [
        piece.view(*piece.shape[:-1], *shape) for piece, shape in zip(pieces, settings.shapes, strict=True)
    ]


def values(weights: Tensor, prediction: Tensor, target: Tensor, settings: NetworkSettings) -> Tensor:
    """The loss of each pair: shape of prediction (..., batch, outputs); target broadcasts to it."""
    first, second, last = (weight.mT for weight in split_weights(weights, settings))
    between, output = ACTIVATIONS[settings.between], ACTIVATIONS[settings.output]
    hidden = between(_pairs(prediction, target) @ first, settings)[0]
    hidden = between(hidden @ second, settings)[0]
    return output(hidden @ last, settings)[0].reshape(prediction.shape)


def values_and_slopes(
    weights: Tensor, prediction: Tensor, target: Tensor, settings: NetworkSettings
) -> tuple[Tensor, Tensor]:
    """The loss of each pair and its derivative by the prediction, both differentiable in the weights."""
    first, second, last = (weight.mT for weight in split_weights(weights, settings))
    between, output = ACTIVATIONS[settings.between], ACTIVATIONS[settings.output]
    hidden, rate = between(_pairs(prediction, target) @ first, settings)
    moved = rate * first[..., 1:, :]  # the second input is the prediction
    hidden, rate = between(hidden @ second, settings)
    moved = rate * (moved @ second)
    value, rate = output(hidden @ last, settings)
    slope = rate * (moved @ last)
    return value.reshape(prediction.shape), slope.reshape(prediction.shape)


def _pairs(prediction: Tensor, target: Tensor) -> Tensor:
    """(..., batch * outputs, 2): target and prediction of each element."""
    return torch.stack([target.expand_as(prediction), prediction], dim=-1).flatten(-3, -2)
