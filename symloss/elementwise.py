"""Elementwise functions of tensors of which no derivative is taken, by NumPy on a CPU.

Torch has them from a library that takes ten times as long for an exponential where it underflows, and on some
processors seven times as long for a hyperbolic tangent.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor


def exp(values: Tensor) -> Tensor:
    """The exponential of every number."""
    return _by_numpy(np.exp, values) if _fits(values) else torch.exp(values)


def tanh(values: Tensor) -> Tensor:
    """The hyperbolic tangent of every number."""
    return _by_numpy(np.tanh, values) if _fits(values) else torch.tanh(values)


def tanh_(values: Tensor) -> Tensor:
    """`tanh`, in place."""
    return _by_numpy(np.tanh, values, values.detach().numpy()) if _fits(values) else torch.tanh_(values)


def _fits(values: Tensor) -> bool:
    return values.device.type == "cpu" and values.dtype in (torch.float32, torch.float64)


def _by_numpy(function: Callable[..., Any], values: Tensor, out: Any = None) -> Tensor:
    with np.errstate(all="ignore"):
        return torch.from_numpy(function(values.detach().numpy(), out))
