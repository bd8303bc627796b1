"""What tuning needs of losses, whatever it is in them that is tuned."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from symloss.records import Kind


class Transpose(Protocol):
    """The transposed derivative of output gradients by what is tuned, times a factor."""

    def __call__(self, direction: Tensor, factor: float) -> Tensor:
        """From directions in outputs (K, batch, outputs) to the shape of what is tuned."""


class Tunable(Protocol):
    """K losses, one for each of K networks, and how their gradients depend on what is tuned.

    kind: of task. What is tuned is given to each call as a tensor, `constants`.
    """

    kind: Kind

    def __len__(self) -> int: ...

    def linearised(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> tuple[Tensor, Transpose]:
        """Gradient of each batch-mean loss by the outputs (K or 1, batch, outputs), without autograd.

        And its transposed derivative: the transpose of d gradient / d constants.
        """

    def differentiable(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> Tensor:
        """The same gradient, which autograd can differentiate by outputs and constants."""
