"""The words of expressions in PyTorch."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from symloss.expr.primitives import GUARD, Vocabulary


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
