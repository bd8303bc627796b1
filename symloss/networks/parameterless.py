"""Layers without parameters: activations, pooling, reshaping. See `layers` for the contract."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from symloss import elementwise
from symloss.networks.layers import Own, for_all, models


class Parameterless(ABC):
    """What these layers share: one map of gradients, and one of directions."""

    names: tuple[str, ...] = ()
    output_kept = False

    @abstractmethod
    def transpose(self, saved: Any, gradient: Tensor) -> Tensor:
        """The transposed Jacobian applied to a gradient of the outputs (K, ...)."""

    @abstractmethod
    def apply(self, saved: Any, direction: Tensor) -> Tensor:
        """The Jacobian applied to a direction of the inputs (K, ...)."""

    def backward(self, own: Own, saved: Any, gradient: Tensor, need_input: bool) -> tuple[Tensor | None, Own]:
        return self.transpose(saved, gradient) if need_input else None, ()

    def push(self, own: Own, saved: Any, own_direction: Own, direction: Tensor | None) -> Tensor:
        assert direction is not None, "without parameters there is no direction but that of the inputs"
        return self.apply(saved, direction)


class Activation(Parameterless):
    """An elementwise function whose slope follows from its value, so that only the output is kept."""

    output_kept = True

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        in_place: Callable[[Tensor], Tensor],
        times_slope: Callable[[Tensor, Tensor, Tensor], Tensor],
    ) -> None:
        self._function, self._in_place, self._times_slope = function, in_place, times_slope

    def forward(self, own: Own, inputs: Tensor, in_place: bool) -> tuple[Tensor, Any]:
        out = self._in_place(inputs) if in_place else self._function(inputs)
        return out, out

    def transpose(self, saved: Any, gradient: Tensor) -> Tensor:
        values = for_all(saved, models(gradient))
        # Laid out in memory as the values are, which a first convolution of many networks reads as one.
        return self._times_slope(gradient, values, torch.empty_like(values))

    def apply(self, saved: Any, direction: Tensor) -> Tensor:
        return self.transpose(saved, direction)  # the Jacobian is diagonal


_aten = torch.ops.aten
RELU = Activation(
    torch.relu, torch.relu_, lambda d, y, out: _aten.threshold_backward.grad_input(d, y, 0, grad_input=out)
)
TANH = Activation(
    elementwise.tanh,
    elementwise.tanh_,
    lambda d, y, out: _aten.tanh_backward.grad_input(d, y, grad_input=out),
)
SIGMOID = Activation(
    torch.sigmoid, torch.sigmoid_, lambda d, y, out: _aten.sigmoid_backward.grad_input(d, y, grad_input=out)
)


class Flatten(Parameterless):
    """All dimensions of a sample in one."""

    def forward(self, own: Own, inputs: Tensor, in_place: bool) -> tuple[Tensor, Any]:
        return inputs.flatten(2) if inputs.dim() > 2 else inputs[..., None], inputs.shape[1:]

    def transpose(self, saved: Any, gradient: Tensor) -> Tensor:
        return gradient.reshape(len(gradient), *saved)

    def apply(self, saved: Any, direction: Tensor) -> Tensor:
        return direction.flatten(2)


class AveragePool(Parameterless):
    """Means over squares of `size` pixels that do not overlap and cover the image.

    As sums of slices: several times faster than torch's own pooling on one thread of a CPU.
    """

    def __init__(self, size: int) -> None:
        self._size = size

    def _pool(self, images: Tensor) -> Tensor:
        size = self._size
        if size == 1:
            return images.clone()
        rows = images[..., ::size, :] + images[..., 1::size, :]
        for offset in range(2, size):
            rows += images[..., offset::size, :]
        # Network by network in memory, as the next layer reads it.
        out = torch.add(rows[..., ::size], rows[..., 1::size], out=images.new_empty(rows[..., ::size].shape))
        for offset in range(2, size):
            out += rows[..., offset::size]
        return out.mul_(1.0 / size**2)

    def forward(self, own: Own, inputs: Tensor, in_place: bool) -> tuple[Tensor, Any]:
        height, width = inputs.shape[-2:]
        if height % self._size or width % self._size:
            raise ValueError(f"{height}x{width} pixels are not covered by squares of {self._size}")
        return self._pool(inputs), None

    def transpose(self, saved: Any, gradient: Tensor) -> Tensor:
        size = self._size
        *lead, height, width = gradient.shape
        shares = gradient * (1.0 / size**2)
        rows = gradient.new_empty(*lead, height, 1, width * size)
        for offset in range(size):
            rows[..., 0, offset::size] = shares
        return rows.expand(*lead, height, size, width * size).reshape(*lead, height * size, width * size)

    def apply(self, saved: Any, direction: Tensor) -> Tensor:
        return self._pool(direction)


class MaximumPool(Parameterless):
    """Largest values of windows. Where they stood is kept, and gradients and directions pass there."""

    def __init__(self, module: nn.MaxPool2d) -> None:
        self._geometry = [
            _pair(value) for value in (module.kernel_size, module.stride, module.padding, module.dilation)
        ]
        self._ceil_mode = module.ceil_mode

    def forward(self, own: Own, inputs: Tensor, in_place: bool) -> tuple[Tensor, Any]:
        kernel, stride, padding, dilation = self._geometry
        out, where = functional.max_pool2d(
            inputs.flatten(0, 1), kernel, stride, padding, dilation, self._ceil_mode, return_indices=True
        )
        lead = inputs.shape[:2]
        return out.view(*lead, *out.shape[1:]), (where.view(*lead, *out.shape[1:]), inputs)

    def transpose(self, saved: Any, gradient: Tensor) -> Tensor:
        where, inputs = (for_all(tensor, models(gradient)).flatten(0, 1) for tensor in saved)
        found: Tensor = torch.ops.aten.max_pool2d_with_indices_backward(
            gradient.flatten(0, 1), inputs, *self._geometry, self._ceil_mode, where
        )
        return found.view(*gradient.shape[:2], *found.shape[1:])

    def apply(self, saved: Any, direction: Tensor) -> Tensor:
        where = for_all(saved[0], models(direction))
        return direction.flatten(-2).gather(-1, where.flatten(-2)).view(where.shape)


def _pair(value: int | tuple[int, ...]) -> list[int]:
    return [value, value] if isinstance(value, int) else list(value)
