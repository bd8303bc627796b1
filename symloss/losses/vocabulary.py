"""The words of expressions in PyTorch, which differentiates them and runs them anywhere. See also `calls`."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from symloss.expr.primitives import GUARD, WORDS, Vocabulary


def _maximum(a: Tensor, b: Tensor | float) -> Tensor:
    return torch.maximum(a, b) if isinstance(b, Tensor) else torch.clamp(a, min=b)


def _minimum(a: Tensor, b: Tensor | float) -> Tensor:
    return torch.minimum(a, b) if isinstance(b, Tensor) else torch.clamp(a, max=b)


class TorchVocabulary:
    """Elementwise functions of tensors. Every one is differentiable by autograd."""

    abs = staticmethod(torch.abs)
    sign = staticmethod(torch.sign)
    log = staticmethod(torch.log)
    exp = staticmethod(torch.exp)
    sqrt = staticmethod(torch.sqrt)
    tanh = staticmethod(torch.tanh)
    sigmoid = staticmethod(torch.sigmoid)
    sin = staticmethod(torch.sin)
    cos = staticmethod(torch.cos)
    atan = staticmethod(torch.atan)
    erf = staticmethod(torch.erf)
    log1p = staticmethod(torch.log1p)
    maximum = staticmethod(_maximum)
    minimum = staticmethod(_minimum)

    @staticmethod
    def guard(a: Tensor, /) -> Tensor:
        return torch.clamp(torch.abs(a), min=GUARD)

    @staticmethod
    def guard_slope(a: Tensor, /) -> Tensor:
        return torch.sign(functional.hardshrink(a, GUARD))


TORCH: Vocabulary = TorchVocabulary()

Functions = dict[str, Callable[..., Any]]

ARITHMETIC = ("add", "sub", "mul", "truediv", "neg")

TORCH_FUNCTIONS: Functions = {
    **{name: getattr(operator, name) for name in ARITHMETIC},
    **{name: getattr(TORCH, name) for name in WORDS},
    # A limit that is a number keeps the slope whole at a tie, also when it comes as a tensor.
    "clamp_min": torch.clamp_min,
    "clamp_max": torch.clamp_max,
}
