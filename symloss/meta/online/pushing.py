"""How a model's outputs move with its parameters: J v, by forward-mode differentiation.

What the usual layers came to in the pass that was made anyway is kept and not computed again; a direction
then costs what a backward pass costs.
"""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import forward_ad
from torch.func import functional_call
from torch.overrides import TorchFunctionMode

Named = dict[str, Tensor]

with warnings.catch_warnings():  # torch's own rules of forward mode are written with what it deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    importlib.import_module("torch._decomp.decompositions_for_jvp")

# Without types in torch.
_dual: Callable[..., Any] = forward_ad.make_dual
_unpack: Callable[..., Any] = forward_ad.unpack_dual

_PRODUCTS = (
    *(torch.nn.functional.linear, torch.conv1d, torch.conv2d, torch.conv3d),
    *(torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d),
)

_AVERAGES = (
    *(torch.nn.functional.avg_pool1d, torch.nn.functional.avg_pool2d, torch.nn.functional.avg_pool3d),
    torch.nn.functional.adaptive_avg_pool2d,
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
    **dict.fromkeys((torch.tanh, torch.Tensor.tanh, torch.nn.functional.tanh), _tanh),
    **dict.fromkeys((torch.sigmoid, torch.Tensor.sigmoid, torch.nn.functional.sigmoid), _sigmoid),
    **dict.fromkeys((torch.relu, torch.Tensor.relu, torch.nn.functional.relu), _relu),
}
"""Functions of single numbers whose derivative their result shows: how it moves with the input."""

_KEPT = {*_PRODUCTS, *_AVERAGES, *_BY_RESULT}


@dataclass
class Recorded:
    """A pass in the model's own mode, with what is needed to look at it again at the same parameters.

    outputs: (batch, ...), with autograd's graph. buffers: as they were before. drawn: states of the random
    generators before. results: those of the functions that are kept, in order, each with its version.
    """

    x: Any
    outputs: Tensor
    buffers: Named
    drawn: list[Tensor]
    results: list[tuple[Tensor, int]] = field(default_factory=list)


def recorded(model: nn.Module, x: Any) -> Recorded:
    """Call `model(x)`."""
    buffers = {name: value.detach().clone() for name, value in model.named_buffers()}
    drawn = _random_states(model)
    mode = _Keeping()
    with mode:
        outputs = model(x)
    return Recorded(x, outputs, buffers, drawn, mode.results)


def pushed(model: nn.Module, start: Named, directions: Named, seen: Recorded) -> Tensor:
    """J v at the parameters `start` of the recorded pass, for directions v by name; the outputs' shape.

    What was drawn in that pass, such as dropout masks, is drawn again, and nothing is left behind: neither
    running statistics nor random states change.
    """
    with _random_states_of(seen, model):
        try:
            return _forward(model, start, directions, seen)
        except NotImplementedError:  # some layers, such as LSTMs, have no forward mode
            pass
    with _random_states_of(seen, model):
        return _transposed_twice(model, start, directions, seen)


def _forward(model: nn.Module, start: Named, directions: Named, seen: Recorded) -> Tensor:
    with torch.no_grad(), forward_ad.dual_level(), _Replaying(seen.results):
        values = {
            name: _dual(value, directions[name]) if name in directions else value
            for name, value in start.items()
        }
        buffers = {name: value.clone() for name, value in seen.buffers.items()}
        outputs = functional_call(model, {**values, **buffers}, (seen.x,))
        moved: Tensor | None = _unpack(outputs).tangent
        return torch.zeros_like(seen.outputs) if moved is None else moved.detach()


@torch.enable_grad()
def _transposed_twice(model: nn.Module, start: Named, directions: Named, seen: Recorded) -> Tensor:
    leaves = {name: start[name].detach().requires_grad_() for name in directions}
    buffers = {name: value.clone() for name, value in seen.buffers.items()}
    outputs = functional_call(model, {**start, **leaves, **buffers}, (seen.x,))
    probe = torch.zeros_like(outputs, requires_grad=True)
    slopes = torch.autograd.grad(outputs, list(leaves.values()), probe, create_graph=True, allow_unused=True)
    used = [(own, directions[name]) for name, own in zip(leaves, slopes, strict=True) if own is not None]
    (found,) = torch.autograd.grad([own for own, _ in used], probe, [direction for _, direction in used])
    return found


class _Keeping(TorchFunctionMode):
    """Keeps results, which autograd mostly keeps anyway."""

    def __init__(self) -> None:
        super().__init__()
        self.results: list[tuple[Tensor, int]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if func in _KEPT:
            self.results.append((result.detach(), result._version))
        return result


class _Replaying(TorchFunctionMode):
    """Takes results from an earlier pass, and computes their derivatives alone."""

    def __init__(self, results: list[tuple[Tensor, int]]) -> None:
        super().__init__()
        self._results = iter(results)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in _KEPT:
            return func(*args, **kwargs)
        kept, version = next(self._results)
        if kept._version != version or _in_place(func, args, kwargs):  # something else stands there now
            return func(*args, **kwargs)
        if func in _PRODUCTS:
            moved = _product(func, kept, *_arguments(*args, **kwargs))
        else:
            moved = _by_input(func, kept, *args, **kwargs)
        return kept if moved is None else _dual(kept, moved)


def _in_place(func: Callable[..., Any], args: Any, kwargs: Any) -> bool:
    return func is torch.nn.functional.relu and bool(args[1:2] or kwargs.get("inplace"))


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
        shape = (-1, *[1] * (kept.dim() - 2)) if func is not torch.nn.functional.linear else (-1,)
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
    return (None, None) if value is None else tuple(_unpack(value))


def _devices(model: nn.Module) -> list[torch.device]:
    return list(dict.fromkeys(p.device for p in model.parameters() if p.device.type == "cuda"))


def _random_states(model: nn.Module) -> list[Tensor]:
    return [torch.get_rng_state(), *(torch.cuda.get_rng_state(device) for device in _devices(model))]


@contextmanager
def _random_states_of(seen: Recorded, model: nn.Module) -> Iterator[None]:
    devices = _devices(model)
    with torch.random.fork_rng(devices=devices):
        torch.set_rng_state(seen.drawn[0])
        for device, state in zip(devices, seen.drawn[1:], strict=True):
            torch.cuda.set_rng_state(state, device)
        yield
