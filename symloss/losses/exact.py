"""Published losses as torch functions of raw outputs, for those whose formula loses digits in float32.

A search evaluates formulas from probabilities, with a floor under logarithms. Far from the target that costs
gradient: a sample whose true class has a probability below 1e-7 has none at all. Where a published loss is a
baseline, it has to be the loss that people use.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

from symloss.losses.function import FunctionLoss, Loss
from symloss.losses.published import Handcrafted
from symloss.losses.sparse_lsr import SparseLSRLoss


def _cross_entropy(smoothing: float = 0.0) -> Callable[[Tensor, Tensor], Tensor]:
    return functools.partial(functional.cross_entropy, label_smoothing=smoothing, reduction="none")


def _binary_cross_entropy() -> Callable[[Tensor, Tensor], Tensor]:
    return functools.partial(functional.binary_cross_entropy_with_logits, reduction="none")


def _sparse_lsr(smoothing: float = 0.1) -> Callable[[Tensor, Tensor], Tensor]:
    return SparseLSRLoss(smoothing, reduction="none")


_FUNCTIONS: dict[str, Callable[..., Callable[[Tensor, Tensor], Tensor]]] = {
    "cross-entropy": _cross_entropy,
    "label-smoothing": _cross_entropy,
    "binary-cross-entropy": _binary_cross_entropy,
    "sparse-lsr": _sparse_lsr,
}


def trainable(row: Handcrafted) -> Loss:
    """What networks are trained under for a published loss: a function where there is one, or its formula."""
    if row.name in _FUNCTIONS:
        return FunctionLoss(row.name, _FUNCTIONS[row.name](**row.parameters), stacks=True)
    return row.expression
