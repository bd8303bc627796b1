"""A symbolic loss as an ordinary PyTorch loss module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symloss.expr import constants_of, format_formula, with_constants
from symloss.losses.entry import predictions_of, targets_of
from symloss.losses.tape import value_tape
from symloss.records import Kind, SymbolicLoss


class SymbolicLossModule(nn.Module):
    """The loss that the search evaluated, differentiable by autograd in inputs and constants.

    Shapes:  outputs (batch, classes) raw network outputs; labels (batch,) integer class ids, or
             probabilities of the outputs' shape (multiclass); (batch, outputs) values (binary, regression).
    Args:    loss: formula, kind and reduction. learnable: make the constants trainable parameters.
    Returns: a scalar for reduction "mean" and "sum"; (batch,) for "none". The elementwise values are
             summed over outputs first, so "mean" divides by the batch size alone.
    """

    constants: Tensor

    def __init__(self, loss: SymbolicLoss, learnable: bool = False) -> None:
        super().__init__()
        self.loss = loss
        self._tape = value_tape(loss.expression)
        values = torch.tensor(constants_of(loss.expression), dtype=torch.float64)
        if learnable:
            self.constants = nn.Parameter(values)
        else:
            self.register_buffer("constants", values)

    def forward(self, outputs: Tensor, labels: Tensor) -> Tensor:
        kind = self.loss.kind
        predictions = predictions_of(outputs, kind)
        targets = targets_of(labels, kind, outputs.shape[-1], outputs.dtype)
        if kind is not Kind.MULTICLASS:
            targets = targets.reshape(outputs.shape)
        constants = self.constants.to(outputs.dtype).unbind()
        per_sample = self._tape(predictions, targets, constants).sum(dim=-1)
        if self.loss.reduction == "none":
            return per_sample
        return per_sample.mean() if self.loss.reduction == "mean" else per_sample.sum()

    def to_symbolic(self) -> SymbolicLoss:
        """The loss as a value again, with the constants as they are now."""
        expression = with_constants(self.loss.expression, self.constants.tolist())
        return SymbolicLoss(expression, self.loss.kind, self.loss.reduction)

    def extra_repr(self) -> str:
        return f"{format_formula(self.loss.expression)}, {self.loss.kind.value}, {self.loss.reduction}"
