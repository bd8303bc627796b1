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

    name: "chain" (explicit rules) or "traced" (any module, through torch's own differentiation).
    """

    name: str

    def outputs(self, parameters: Parameters, x: Tensor) -> Tensor:
        """Raw outputs (M, batch, outputs) for inputs (batch, ...) that all networks share."""

    def run(self, parameters: Parameters, x: Tensor) -> Pass:
        """The same, ready to be differentiated."""

    def keep(self, rows: Tensor) -> Network:
        """The network of these rows alone."""
