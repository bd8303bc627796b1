"""A loss that is a network."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from symloss.losses.entry import predictions_of, targets_of
from symloss.losses.neural.arithmetic import values, values_and_slopes
from symloss.losses.neural.settings import ADALFL, NetworkSettings
from symloss.records import Kind


class LossNetwork(nn.Module):
    """A small network that is a loss: ML3's and AdaLFL's are settings of it.

        l(prediction, target) = out(W3 act(W2 act(W1 (target, prediction))))

    is applied to each output alone, with shared weights, so it serves any number of outputs. For classes
    these are averaged or summed, as the settings say; then the batch is averaged.

    Shapes:  outputs (batch, classes) raw network outputs; labels (batch,) class ids or (batch, classes)
             probabilities (multiclass), (batch, outputs) values (binary, regression) -> a scalar.
    Args:    kind: how outputs enter: softmax and one-hot targets, sigmoid, or as they are.
             generator: draws the weights; torch's global one if there is none.
    Weights: `weights`, one flat parameter (size,): W1 (hidden, 2), W2 (hidden, hidden), W3 (1, hidden),
             each row by row. The first column of W1 belongs to the target.
    Reference: Bechtle et al., "Meta learning via learned loss", arXiv 1906.05374; Raymond et al.,
             "Meta-Learning Adaptive Loss Functions", arXiv 2301.13247.
    """

    def __init__(
        self,
        kind: Kind | str = Kind.MULTICLASS,
        settings: NetworkSettings = ADALFL,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.kind = Kind(kind)
        self.settings = settings
        self.weights = nn.Parameter(initial_weights(settings, generator))

    @classmethod
    def of(
        cls, weights: Sequence[float] | Tensor, kind: Kind | str, settings: NetworkSettings
    ) -> LossNetwork:
        """The network with these weights (settings.size,), in their precision if they are a tensor."""
        made = cls(kind, settings, torch.Generator())
        given = weights if isinstance(weights, Tensor) else torch.tensor(list(weights), dtype=torch.float32)
        if given.shape != (settings.size,):
            raise ValueError(f"expected {settings.size} weights, found shape {tuple(given.shape)}")
        made.weights = nn.Parameter(given.detach().clone())
        return made

    def per_element(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The loss of each element, before any reduction: (..., batch, outputs), the shape of `prediction`.

        prediction: probabilities by softmax or sigmoid, or raw values for regression. target: one-hot, 0
        and 1, or values; of the same shape. For numbers without such a shape, use (n, 1).
        """
        return values(self._as(prediction), prediction, target, self.settings)

    def slope(self, prediction: Tensor, target: Tensor) -> Tensor:
        """The derivative of `per_element` by the prediction: same shape, differentiable in the weights."""
        return values_and_slopes(self._as(prediction), prediction, target, self.settings)[1]

    def _as(self, prediction: Tensor) -> Tensor:
        return self.weights.to(prediction.dtype)

    def per_sample(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The loss of each sample (batch,) of a multiclass task; otherwise of each element, as `outputs`."""
        predictions = predictions_of(outputs, self.kind)
        targets = targets_of(labels, self.kind, outputs.shape[-1], outputs.dtype).reshape(outputs.shape)
        found = self.per_element(predictions, targets)
        if self.kind is not Kind.MULTICLASS:
            return found
        return found.sum(dim=-1) if self.settings.classes == "sum" else found.mean(dim=-1)

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return self.per_sample(outputs, labels).mean()

    def extra_repr(self) -> str:
        return f"{self.kind.value}, {self.settings}"


def initial_weights(settings: NetworkSettings, generator: torch.Generator | None = None) -> Tensor:
    """Flat weights (size,) drawn as the settings say."""
    pieces = []
    for rows, columns in settings.shapes:
        weight = torch.empty(rows, columns)
        if settings.initial == "kaiming-normal":
            nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
        else:
            nn.init.xavier_uniform_(weight, generator=generator)
        pieces.append(weight.flatten())
    return torch.cat(pieces)
