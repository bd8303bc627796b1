"""What exported code must compute, and how far rounding alone may take it from that."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symloss.export.grid import ORDINARY, Batch
from symloss.export.reference import INEXACT, Precise, precise
from symloss.expr import Call, operator_named, walk
from symloss.expr.slope import Dual, value_and_slope
from symloss.losses.entry import predictions_of, pull_back, targets_of
from symloss.losses.symbolic import SymbolicLossModule
from symloss.losses.vocabulary import TORCH
from symloss.records import Kind, SymbolicLoss

TOLERANCES = {"float64": 1e-10, "float32": 1e-4}
"""Largest relative error that counts as equal; see `Scale` for what it is relative to."""


def expected(loss: SymbolicLoss, batch: Batch, dtype: torch.dtype) -> tuple[Any, Any]:
    """Values before any reduction, and the gradient of their sum with respect to the outputs.

    They come from the module that the search stands for, or, if the formula contains a logarithm without a
    floor, from numbers of higher precision.
    """
    if is_partial(loss):
        found = precise(loss, batch, _name(dtype))
        return found.value, found.gradient
    outputs = torch.from_numpy(batch.outputs).to(dtype).requires_grad_()
    values = SymbolicLossModule(replace(loss, reduction="none"))(outputs, _labels(batch, dtype))
    values.sum().backward()
    assert outputs.grad is not None
    return values.detach().numpy(), outputs.grad.numpy()


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def is_partial(loss: SymbolicLoss) -> bool:
    """True if the formula has operators that are undefined for some numbers."""
    return any(
        isinstance(node, Call) and operator_named(node.operator).partial for node in walk(loss.expression)
    )


def reduced(values: Any, gradient: Any, reduction: str) -> tuple[Any, Any]:
    """Value and gradient under a reduction."""
    if reduction == "none":
        return values, gradient
    return (values.mean(), gradient / values.size) if reduction == "mean" else (values.sum(), gradient)


def _labels(batch: Batch, dtype: torch.dtype) -> Tensor:
    labels = torch.from_numpy(batch.labels)
    return labels.to(dtype) if labels.is_floating_point() else labels


@dataclass(frozen=True)
class Scale:
    """Sizes against which a difference is measured: of each sample's value, of each gradient entry.

    They are the sizes of the terms that are added up, so that a sum in which terms cancel is not asked
    to be more exact than its terms are.
    """

    value: Any
    gradient: Any


def scales(loss: SymbolicLoss, wanted: Sequence[tuple[Batch, str]], shaken: bool = False) -> list[Scale]:
    """The scale of each batch and precision: a difference below `TOLERANCES` times it can be rounding.

    No scale is so small that a difference of a rounding error of what is usual at ordinary points would
    count. In the far tails, where a gradient is 1e-80, it is enough to find it negligible.

    shaken: widen scales where a rounding error in one function call changes the result more than the
            tolerance, as in sin(exp(p)) for a large p. Exact values, such as the ties at which p equals
            y, stay exact while functions are shaken, so this does not hide what happens there.
    """
    found = [_scale(loss, batch, dtype, shaken) for batch, dtype in wanted]
    ordinary = [scale for scale, (batch, _) in zip(found, wanted, strict=True) if batch.name == ORDINARY]
    value, gradient = (_usual([getattr(s, name) for s in ordinary]) for name in ("value", "gradient"))
    shares = [_negligible(dtype) for _, dtype in wanted]
    return [
        Scale(np.maximum(s.value, value * share), np.maximum(s.gradient, gradient * share))
        for s, share in zip(found, shares, strict=True)
    ]


def _negligible(dtype: str) -> float:
    """The share of what is usual of which a rounding error is a share of `TOLERANCES`."""
    return max(1e-4, 4.0 * float(np.finfo(dtype).eps) / TOLERANCES[dtype])


def _usual(sizes: Sequence[Any]) -> float:
    """The median; where most are next to nothing, as under a function that saturates, a share of the mean."""
    every = np.concatenate([s.ravel() for s in sizes])
    return max(float(np.median(every)), 1e-3 * float(np.mean(every)))


def _scale(loss: SymbolicLoss, batch: Batch, name: str, shaken: bool) -> Scale:
    steady = _terms(loss, batch, name)
    others = [_terms(loss, batch, name, seed) for seed in range(3)] if shaken else [steady]
    least = float(np.finfo(name).tiny) / TOLERANCES[name]
    widened = []
    for part in ("value", "gradient"):
        with np.errstate(invalid="ignore"):  # infinity minus itself
            change = np.stack([np.abs(getattr(o, part) - getattr(steady, part)) for o in others]).max(axis=0)
        rounding = 8.0 * np.nan_to_num(change, nan=0.0, posinf=0.0) / TOLERANCES[name]
        widened.append(np.nan_to_num(getattr(steady, f"{part}_size") + least + rounding))
    return Scale(*widened)


def _terms(loss: SymbolicLoss, batch: Batch, name: str, shaken: int | None = None) -> Precise:
    """Each sample's value and gradient, with the sizes of what is added up.

    shaken: a seed for moving what is inexact.
    """
    if is_partial(loss):
        return precise(loss, batch, name, shaken)
    dtype: torch.dtype = getattr(torch, name)
    vocabulary = TORCH if shaken is None else _Shaken(4.0 * torch.finfo(dtype).eps, shaken)
    return _in_torch(loss, batch, dtype, vocabulary)


def _in_torch(loss: SymbolicLoss, batch: Batch, dtype: torch.dtype, vocabulary: Any) -> Precise:
    """Each sample's value and gradient in the given vocabulary of torch.

    Predictions are rounded to `dtype`, the rest is float64, so that no size overflows.
    """
    outputs = torch.from_numpy(batch.outputs).to(dtype)
    predictions = predictions_of(outputs, loss.kind).double()
    if isinstance(vocabulary, _Shaken) and loss.kind is not Kind.REGRESSION:
        predictions = vocabulary.shake(predictions)
    targets = targets_of(_labels(batch, dtype), loss.kind, outputs.shape[-1], torch.float64)
    inputs = {
        "prediction": predictions,
        "target": targets.reshape(outputs.shape),
        "classes": torch.tensor(float(outputs.shape[-1]), dtype=torch.float64),
    }
    dual: Dual = value_and_slope(
        loss.expression,
        inputs,
        vocabulary,
        lambda value: torch.tensor(value, dtype=torch.float64),
        torch.ones_like(predictions),
    )
    slopes = torch.zeros_like(predictions) if dual.slope is None else dual.slope.expand_as(predictions)
    values = dual.value.expand_as(predictions)
    several = loss.kind is Kind.MULTICLASS
    found = (
        values.sum(dim=-1) if several else values,
        pull_back(predictions, slopes, loss.kind),
        values.abs().sum(dim=-1) if several else values.abs(),
        _gradient_size(predictions, slopes.abs(), loss.kind),
    )
    return Precise(*(own.numpy() for own in found))


def _gradient_size(predictions: Tensor, slopes: Tensor, kind: Kind) -> Tensor:
    """`pull_back` with all terms added instead of subtracted."""
    if kind is Kind.REGRESSION:
        return slopes
    weighted = predictions * slopes
    if kind is Kind.BINARY:
        return weighted * (1.0 + predictions)
    return weighted + predictions * weighted.sum(dim=-1, keepdim=True)


class _Shaken:
    """The PyTorch vocabulary with the results of inexact functions moved by `step`, up or down at random."""

    def __init__(self, step: float, seed: int) -> None:
        self._step = step
        self._generator = torch.Generator().manual_seed(seed)

    def shake(self, values: Tensor) -> Tensor:
        """`values` moved, except exact zeros and ones."""
        up = torch.randint(0, 2, values.shape, generator=self._generator).to(values.dtype) * 2.0 - 1.0
        return torch.where((values == 0.0) | (values == 1.0), values, values * (1.0 + self._step * up))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function: Callable[..., Any] = getattr(TORCH, name)
        if name not in INEXACT:
            return function
        return lambda a: self.shake(function(a))
