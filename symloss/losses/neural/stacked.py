"""Several loss networks at once, one for each base network, as tuning and online adaptation need them."""

from __future__ import annotations

import torch
from torch import Tensor

from symloss.losses.entry import averaged, predictions_of, pull_back, targets_of
from symloss.losses.neural.arithmetic import swept, values_and_slopes
from symloss.losses.neural.settings import NetworkSettings
from symloss.losses.tunable import Transpose, Tunable
from symloss.records import Kind


class StackedNetworks:
    """K loss networks of one shape; what is tuned are their weights (K, size). Implements `Tunable`."""

    def __init__(self, count: int, kind: Kind, settings: NetworkSettings) -> None:
        self.kind = kind
        self._count, self._settings = count, settings

    def __len__(self) -> int:
        return self._count

    def linearised(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> tuple[Tensor, Transpose]:
        return self.valued(outputs, targets, constants)[1:]

    def valued(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> tuple[Tensor, Tensor, Transpose]:
        """The losses (K,), which the sweep yields as well, before what `linearised` returns."""
        predictions = predictions_of(outputs, self.kind, plain=True)
        wide = predictions.expand(self._count, *predictions.shape[1:])
        with torch.no_grad():
            sweep = swept(constants, wide, targets, self._settings)
        share = averaged(outputs, self.kind) * self._mean_over(wide)

        @torch.no_grad()
        def transpose(direction: Tensor, factor: float) -> Tensor:
            push = pull_back(predictions, direction, self.kind)  # the Jacobian of softmax is symmetric
            return sweep.transposed(push.reshape(len(push), -1, 1)) * (factor / share)

        gradient = pull_back(predictions, sweep.slope.reshape(wide.shape), self.kind) / share
        return sweep.value.sum(dim=(1, 2)) / share, gradient, transpose

    def differentiable(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> Tensor:
        predictions = predictions_of(outputs, self.kind)
        wide = predictions.expand(self._count, *predictions.shape[1:])
        slopes = values_and_slopes(constants, wide, targets, self._settings)[1]
        share = averaged(outputs, self.kind) * self._mean_over(wide)
        return pull_back(predictions, slopes, self.kind) / share

    def _mean_over(self, predictions: Tensor) -> int:
        """The number of a sample's elements by which its loss divides: they are averaged, or added up."""
        adds = self.kind is not Kind.MULTICLASS or self._settings.classes == "sum"
        return 1 if adds else int(predictions.shape[-1])


class LearnedRates:
    """The usual loss, K times, each times a factor: what is tuned are the factors (K, 1).

    A factor of the gradient acts as one of the learning rate. Implements `Tunable`.
    """

    def __init__(self, count: int, kind: Kind) -> None:
        self.kind = kind
        self._count = count

    def __len__(self) -> int:
        return self._count

    def linearised(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> tuple[Tensor, Transpose]:
        usual = usual_gradient(outputs, targets, self.kind)

        def transpose(direction: Tensor, factor: float) -> Tensor:
            return (direction * usual).sum(dim=(1, 2))[:, None] * factor

        return usual * constants[..., None], transpose

    def differentiable(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> Tensor:
        return usual_gradient(outputs, targets, self.kind) * constants[..., None]


def stacked(count: int, kind: Kind, settings: NetworkSettings | None) -> Tunable:
    """K loss networks, or K learned learning rates where there are no settings of a network."""
    return StackedNetworks(count, kind, settings) if settings else LearnedRates(count, kind)


def usual_gradient(outputs: Tensor, labels: Tensor, kind: Kind, plain: bool = False) -> Tensor:
    """Gradient of each network's usual loss, cross-entropy or mean squared error, by its outputs.

    outputs: (K, batch, outputs), the shape of what is returned. labels: class ids, or targets as they enter.
    plain: see `predictions_of`.
    """
    batch, width = outputs.shape[-2:]
    error = predictions_of(outputs, kind, plain) - targets_of(labels, kind, width, outputs.dtype)
    if kind is Kind.MULTICLASS:
        return error / batch
    return error * ((1.0 if kind is Kind.BINARY else 2.0) / (batch * width))
