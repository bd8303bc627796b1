"""Many networks of one shape as functions of their stacked parameters, with first derivatives.

Stacked parameters have shape (M, ...): M networks, or 1 where all start from the same weights.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

Parameters = dict[str, Tensor]


class Pass(Protocol):
    """One forward pass, and what can be asked about it afterwards.

    outputs: (M, batch, outputs), not differentiable by autograd.
    """

    outputs: Tensor

    def backward(self, gradient: Tensor) -> Parameters:
        """Gradients of parameters (K, ...) from that of the outputs (K, batch, outputs). K = M if M > 1."""

    def push(self, directions: Parameters) -> Tensor:
        """J v: how the outputs (K, batch, outputs) move with the parameters, for directions (K, ...)."""


class Network(Protocol):
    """How networks of one shape compute.

    name: "chain" (explicit rules), "traced" (any module that torch can batch) or "separate" (any module).
    """

    name: str

    def outputs(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Raw outputs (M, batch, outputs) for inputs (batch, ...) that all networks share, in evaluation."""

    def run(self, parameters: Parameters, x: Tensor, seed: int = 0) -> Pass:
        """A pass in training mode, ready to be differentiated.

        seed: of what is drawn in this pass, such as dropout masks: the same for all networks.
        Running statistics, where networks have them, are updated.
        """

    def keep(self, rows: Tensor) -> Network:
        """The network of these rows alone."""


class Differentiable(Network, Protocol):
    """A network that autograd can differentiate to any order."""

    def call(self, parameters: Parameters, x: Tensor, seed: int = 0) -> Tensor:
        """Outputs (M, batch, outputs) of a pass in training mode, differentiable in the parameters."""
