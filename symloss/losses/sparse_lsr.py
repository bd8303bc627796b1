"""Sparse label smoothing as a module, for any smoothing and any number of classes."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from symloss.expr import Expr, parse_expression
from symloss.losses.pieces import _log, _reduced, _relative, _samples, _wide


class SparseLSRLoss(nn.Module):
    """Sparse label smoothing: label smoothing from the true class alone.

        l(p, y) = -(1 - s + s/C) log p_y - s (C - 1)/C log((1 - p_y)/(C - 1))

    Shapes:   input (batch, classes, ...) raw outputs, or (classes,); target (batch, ...) class ids. Nats.
    Args:     smoothing: s in [0, 1). weight: (classes,) factors of samples by their class; "mean" divides by
              their sum. ignore_index: the class id of samples that are left out. reduction: "mean", "sum" or
              "none", which gives the shape of the target.
    Raises:   ValueError if s is outside [0, 1), or if there are fewer than two classes.
    Laws:     equals label smoothing where the other classes are equally likely, and is never more than it;
              with two classes they are one loss; its minimum is at p_y = 1 - s + s/C; s = 0 is cross-entropy.
    Example:  p_y = 0.9, C = 10, s = 0.25 gives 1.0941.
    Reference: Raymond et al., TPAMI 2023, arXiv 2209.08907, equation 9. The script published with it has the
              sign of the second term wrong; there the loss has no minimum.
    """

    weight: Tensor | None

    def __init__(
        self,
        smoothing: float = 0.1,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        if not 0.0 <= smoothing < 1.0:
            raise ValueError(f"smoothing must be at least 0 and less than 1, found {smoothing}")
        self.smoothing = smoothing
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    @property
    def expression(self) -> Expr:
        """The formula as an expression, for export and analysis."""
        s = self.smoothing
        first = f"({1.0 - s!r} + {s!r} * inv(C)) * ln(p)"
        return parse_expression(f"-(y * ({first} + ({s!r} - {s!r} * inv(C)) * ln((1 - p) * inv(C - 1))))")

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        dim = 1 if input.dim() > 1 else 0
        input = _wide(input)
        classes = input.shape[dim]
        if classes < 2:
            raise ValueError(f"there must be at least two classes, found {classes}")
        index, ignored, weights, share = _samples(input, target, self.weight, self.ignore_index, dim)
        if self.reduction == "mean" and ignored is None and weights is None:
            return _relative(input, index, dim, True, self._of_margin, mean=True)
        values = _relative(input, index, dim, True, self._of_margin)
        values = values if weights is None else values * weights
        return _reduced(values, ignored, share, self.reduction)

    def _of_margin(self, margin: Tensor, classes: int) -> tuple[Tensor, Tensor]:
        """The loss of a sample from the log-odds of its true class, and its derivative by them."""
        rest = self.smoothing * (classes - 1) / classes
        # The logarithm of 1 - p is that of p minus the margin.
        values = rest * (margin + _log(classes - 1, margin)) - functional.logsigmoid(margin)
        return values, rest - torch.sigmoid(-margin)
