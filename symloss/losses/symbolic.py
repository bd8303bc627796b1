"""A symbolic loss as an ordinary PyTorch loss module."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from symloss.expr import constants_of, format_formula, with_constants
from symloss.losses.entry import predictions_of, targets_of
from symloss.losses.tape import Tape, value_tape
from symloss.records import Kind, SymbolicLoss


class SymbolicLossModule(nn.Module):
    """The loss that the search evaluated, differentiable by autograd in inputs and constants.

    Shapes:  outputs (batch, classes) raw network outputs; labels (batch,) integer class ids, or
             probabilities of the outputs' shape (multiclass); (batch, outputs) values (binary, regression).
    Args:    loss: formula, kind and reduction. learnable: make the constants trainable parameters.
    Returns: a scalar for reduction "mean" and "sum". For "none", (batch,) in tasks of several classes, whose
             terms are summed over classes, and otherwise the outputs' shape. "mean" divides by the
             number of values that "none" would return.
    Raises:  ValueError for fewer than two classes where the formula has their number.
    """

    constants: Tensor

    def __init__(self, loss: SymbolicLoss, learnable: bool = False) -> None:
        super().__init__()
        self.loss = loss
        self._tapes: dict[int, Tape] = {}  # one for each number of classes
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
        values = self._tape(outputs.shape[-1])(predictions, targets, constants)
        if kind is Kind.MULTICLASS:
            values = values.sum(dim=-1)
        if self.loss.reduction == "none":
            return values
        return values.mean() if self.loss.reduction == "mean" else values.sum()

    def _tape(self, classes: int) -> Tape:
        if classes not in self._tapes:
            named = self.loss.kind is Kind.MULTICLASS and "classes" in self.loss.expression.inputs
            if named and classes < 2:
                raise ValueError(
                    f"a formula with the number of classes needs at least two classes, found {classes}"
                )
            self._tapes[classes] = value_tape(self.loss.expression, classes)
        return self._tapes[classes]

    def to_symbolic(self) -> SymbolicLoss:
        """The loss as a value again, with the constants as they are now."""
        expression = with_constants(self.loss.expression, self.constants.tolist())
        return SymbolicLoss(expression, self.loss.kind, self.loss.reduction)

    def extra_repr(self) -> str:
        return f"{format_formula(self.loss.expression)}, {self.loss.kind.value}, {self.loss.reduction}"

    def _repr_latex_(self) -> str:
        return self.to_symbolic()._repr_latex_()
