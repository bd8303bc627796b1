"""What a loss network computes: its value, and its slope by the prediction, as explicit formulas.

The slope is found in the same pass as the value, forwards. So whoever differentiates it by the weights, as
meta-learning does, needs one ordinary backward pass through a short formula and never a double one.

Weights are one flat tensor (..., size): any leading dimensions stand for several networks, whose predictions
then have the same dimensions in front.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from symloss.losses.neural.settings import NetworkSettings

Activation = Callable[[Tensor, NetworkSettings], tuple[Tensor, Tensor]]


def _smooth_leaky_relu(x: Tensor, settings: NetworkSettings) -> tuple[Tensor, Tensor]:
    leak, beta = settings.leak, settings.smoothness
    # In place where autograd keeps nothing of it: these are most of a loss network's work.
    value = functional.softplus(x, beta=beta, threshold=30.0).mul_(1.0 - leak).add_(x, alpha=leak)
    return value, torch.sigmoid(beta * x).mul(1.0 - leak).add_(leak)


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

BENDS: dict[str, Callable[[Tensor, NetworkSettings], Tensor]] = {
    "smooth-leaky-relu": lambda rate, own: (
        (rate - own.leak).mul_(1.0 - rate).mul_(own.smoothness / ((1.0 - own.leak) or 1.0))
    ),
    "relu": lambda rate, own: torch.zeros_like(rate),
    "softplus": lambda rate, own: rate * (1.0 - rate),
    "none": lambda rate, own: torch.zeros_like(rate),
}
"""The second derivative of each activation, from the first."""


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


@dataclass(frozen=True)
class Sweep:
    """One sweep forwards through loss networks, each value with its derivative by the prediction.

    Of the two hidden layers and the output: inputs of the layer and their derivative, the rates of its
    activation, and by how much they multiply. Shapes (..., batch * outputs, units).
    """

    weights: list[Tensor]
    settings: NetworkSettings
    pairs: Tensor
    hidden: tuple[Tensor, Tensor]
    moved: tuple[Tensor, Tensor]
    rates: tuple[Tensor, Tensor, Tensor]
    pushed: tuple[Tensor, Tensor]
    value: Tensor

    @property
    def slope(self) -> Tensor:
        return self.rates[2] * self.pushed[1]

    def transposed(self, direction: Tensor) -> Tensor:
        """The gradient of sum(direction * slope) by the flat weights (..., size), written out backwards.

        direction: (..., batch * outputs, 1). Half as much work as for autograd, whose steps are smaller.
        """
        first, second, last = self.weights
        between, output = BENDS[self.settings.between], BENDS[self.settings.output]
        (h1, h2), (m1, m2), (r1, r2, r3), (n2, n3) = self.hidden, self.moved, self.rates, self.pushed
        d_n3, d_a3 = direction * r3, direction * n3 * output(r3, self.settings)
        d_last = m2.mT @ d_n3 + h2.mT @ d_a3
        d_m2, d_h2 = d_n3 * last.mT, d_a3 * last.mT
        d_n2 = d_m2 * r2
        d_a2 = d_h2.mul_(r2).addcmul_(d_m2.mul_(n2), between(r2, self.settings))
        d_second = m1.mT @ d_n2 + h1.mT @ d_a2
        d_m1, d_h1 = d_n2 @ second.mT, d_a2 @ second.mT
        by_prediction = first[..., 1:, :]
        by_rates = (d_m1 * r1).sum(-2, keepdim=True)
        d_a1 = d_h1.mul_(r1).addcmul_(d_m1.mul_(by_prediction), between(r1, self.settings))
        d_first = self.pairs.mT @ d_a1
        d_first[..., 1:, :] += by_rates
        found = [d_first, d_second, d_last]
        return torch.cat([own.mT.flatten(-2) for own in found], dim=-1)


def swept(weights: Tensor, prediction: Tensor, target: Tensor, settings: NetworkSettings) -> Sweep:
    """The sweep at weights (..., size) and predictions (..., batch, outputs); target broadcasts to them."""
    first, second, last = matrices = [weight.mT for weight in split_weights(weights, settings)]
    between, output = ACTIVATIONS[settings.between], ACTIVATIONS[settings.output]
    pairs = _pairs(prediction, target)
    h1, r1 = between(pairs @ first, settings)
    m1 = r1 * first[..., 1:, :]  # the second input is the prediction
    h2, r2 = between(h1 @ second, settings)
    n2 = m1 @ second
    m2 = r2 * n2
    value, r3 = output(h2 @ last, settings)
    return Sweep(matrices, settings, pairs, (h1, h2), (m1, m2), (r1, r2, r3), (n2, m2 @ last), value)


def values_and_slopes(
    weights: Tensor, prediction: Tensor, target: Tensor, settings: NetworkSettings
) -> tuple[Tensor, Tensor]:
    """The loss of each pair and its derivative by the prediction, both differentiable in the weights."""
    sweep = swept(weights, prediction, target, settings)
    return sweep.value.reshape(prediction.shape), sweep.slope.reshape(prediction.shape)


def _pairs(prediction: Tensor, target: Tensor) -> Tensor:
    """(..., batch * outputs, 2): target and prediction of each element."""
    return torch.stack([target.expand_as(prediction), prediction], dim=-1).flatten(-3, -2)
