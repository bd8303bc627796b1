"""A pass that was made is made again with what it came to, so that its derivatives alone are computed.

Only functions whose derivative needs little more than their result are kept. Whatever is not as it was in the
first pass is noticed: then nothing is kept, and everything is computed anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad
from torch.nn import functional
from torch.overrides import TorchFunctionMode

# Without types in torch.
dual: Callable[..., Any] = forward_ad.make_dual
unpack: Callable[..., Any] = forward_ad.unpack_dual
_forward_derivatives: Callable[[bool], contextlib.AbstractContextManager[Any]] = (
    forward_ad._set_fwd_grad_enabled
)

_PRODUCTS = (
    *(functional.linear, torch.conv1d, torch.conv2d, torch.conv3d),
    *(functional.conv1d, functional.conv2d, functional.conv3d),
)

_AVERAGES = (
    *(functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d),
    functional.adaptive_avg_pool2d,
)


def _tanh(result: Tensor, moved: Tensor) -> Tensor:
    found: Tensor = torch.ops.aten.tanh_backward(moved, result)
    return found


def _sigmoid(result: Tensor, moved: Tensor) -> Tensor:
    found: Tensor = torch.ops.aten.sigmoid_backward(moved, result)
    return found


def _relu(result: Tensor, moved: Tensor) -> Tensor:
    found: Tensor = torch.ops.aten.threshold_backward(moved, result, 0)
    return found


_BY_RESULT: dict[Any, Callable[[Tensor, Tensor], Tensor]] = {
    **dict.fromkeys((torch.tanh, torch.Tensor.tanh, functional.tanh), _tanh),
    **dict.fromkeys((torch.sigmoid, torch.Tensor.sigmoid, functional.sigmoid), _sigmoid),
    **dict.fromkeys((torch.relu, torch.Tensor.relu, functional.relu), _relu),
}
"""Functions of single numbers whose derivative their result shows: how it moves with the input."""

_KEPT = {*_PRODUCTS, *_AVERAGES, *_BY_RESULT}


class ChangedPassError(Exception):
    """A model did not call the functions that it called in the first pass."""


@dataclass(frozen=True)
class Kept:
    """The result of a call, and its version then: something else stands there if that has changed."""

    function: Callable[..., Any]
    result: Tensor
    version: int

    @classmethod
    def of(cls, function: Callable[..., Any], result: Tensor) -> Kept:
        return cls(function, result.detach(), result._version)


class Keeping(TorchFunctionMode):
    """Keeps results, which autograd mostly keeps anyway."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[Kept] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _KEPT and not _transformed():
            self.results.append(Kept.of(func, result))
        return result


class Forward(TorchFunctionMode):
    """Forward-mode derivatives that stop where autograd's do: at `torch.no_grad`."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if torch.is_grad_enabled():
            return self.moving(func, args, kwargs or {})
        with _forward_derivatives(False):
            return func(*args, **(kwargs or {}))

    def moving(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """A call whose result may move."""
        return func(*args, **kwargs)

    def finish(self) -> None:
        """Raise ChangedPassError if the pass was another one."""


class Replaying(Forward):
    """Takes results from an earlier pass, and computes their derivatives alone."""

    def __init__(self, results: list[Kept]) -> None:
        super().__init__()
        self._results = iter(results)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        if func in _KEPT and not torch.is_grad_enabled() and not _transformed():
            self._next(func)
        return super().__torch_function__(func, types, args, kwargs)

    def moving(self, func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if func not in _KEPT or _transformed():
            return func(*args, **kwargs)
        kept = self._next(func)
        if kept.result._version != kept.version or not _usual(func, args, kwargs):
            return func(*args, **kwargs)
        if func in _PRODUCTS:
            moved = _product(func, kept.result, *_arguments(*args, **kwargs))
        else:
            moved = _by_input(func, kept.result, *args, **kwargs)
        return kept.result if moved is None else dual(kept.result, moved)

    def _next(self, func: Callable[..., Any]) -> Kept:
        kept = next(self._results, None)
        if kept is None or kept.function is not func:
            raise ChangedPassError
        return kept

    def finish(self) -> None:
        if next(self._results, None) is not None:
            raise ChangedPassError


def _transformed() -> bool:
    """Whether a transform of torch.func is at work, which has tensors of its own."""
    return bool(torch._C._are_functorch_transforms_active())


def _usual(func: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    """Whether a call is one of those that the rules here are for."""
    inplace = func is functional.relu and bool(args[1:2] or kwargs.get("inplace"))
    tensors = [own for own in (*args, *kwargs.values()) if isinstance(own, Tensor)]
    # A tensor that requires a gradient here belongs to derivatives that the model takes itself.
    plain = all(own.is_floating_point() and not own.requires_grad for own in tensors)
    return plain and not inplace and kwargs.get("out") is None


def _by_input(func: Callable[..., Any], kept: Tensor, input: Tensor, *rest: Any, **more: Any) -> Any:
    _, moved = _unpacked(input)
    if moved is None:
        return None
    return _BY_RESULT[func](kept, moved) if func in _BY_RESULT else func(moved, *rest, **more)


def _product(
    func: Callable[..., Any], kept: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None, *rest: Any
) -> Any:
    (x, x_moved), (weight, weight_moved), (bias, bias_moved) = map(_unpacked, (x, weight, bias))
    moved = None
    if x_moved is not None:
        moved = func(x_moved, weight, None, *rest)
    if weight_moved is not None:
        own = func(x, weight_moved, bias_moved, *rest)
        moved = own if moved is None else moved.add_(own)
    elif bias_moved is not None:
        shape = (-1, *[1] * (weight.dim() - 2)) if func is not functional.linear else (-1,)
        own = bias_moved.view(shape).expand_as(kept)
        moved = own.clone() if moved is None else moved.add_(own)
    return moved


def _arguments(input: Tensor, weight: Tensor, bias: Tensor | None = None, *rest: Any, **more: Any) -> Any:
    names = ("stride", "padding", "dilation", "groups")
    usual = (1, 0, 1, 1)
    if more:
        rest = (*rest, *(more.get(n, u) for n, u in list(zip(names, usual, strict=True))[len(rest) :]))
    return input, weight, bias, *rest


def _unpacked(value: Tensor | None) -> tuple[Any, Any]:
    return (None, None) if value is None else tuple(unpack(value))
