"""The layers that are differentiated by explicit rules, many networks at a time.

Values are stacked: (M, batch, ...), parameters (M, ...), where M is the number of networks, or 1 for
what they share. A layer has three passes. `forward` computes its output and what the others need of it;
`backward` applies the transpose of its Jacobian to a gradient; `push` applies the Jacobian itself to a
direction in parameters and inputs. Rules of torch's own are used wherever torch has them.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

Own = tuple[Tensor, ...]
"""Parameters of one layer, or gradients or directions of them: weight and, if it has one, bias."""


class Layer(Protocol):
    """One layer's rules. It keeps no state: parameters and what was saved are handed in.

    names:       of its parameters in the module, such as ("weight", "bias").
    output_kept: True if what it saves is its own output, which must then not be overwritten.
    """

    names: tuple[str, ...]
    output_kept: bool

    def forward(self, own: Own, inputs: Tensor, in_place: bool) -> tuple[Tensor, Any]:
        """Outputs, and what is needed later. `in_place`: the inputs may be overwritten."""

    def backward(self, own: Own, saved: Any, gradient: Tensor, need_input: bool) -> tuple[Tensor | None, Own]:
        """Gradient of the inputs, if needed, and of the parameters, from that of the outputs (K, ...)."""

    def push(self, own: Own, saved: Any, own_direction: Own, direction: Tensor | None) -> Tensor:
        """Direction of the outputs (K, ...); a direction of the inputs of None is zero."""


def models(*stacked: Tensor) -> int:
    """The number of networks that stacked tensors are for."""
    return max(tensor.shape[0] for tensor in stacked)


def for_all(tensor: Tensor, count: int) -> Tensor:
    """A stacked tensor with one row per network; what is shared is not copied."""
    return tensor if tensor.shape[0] == count else tensor.expand(count, *tensor.shape[1:])


def row(tensor: Tensor, index: int) -> Tensor:
    """What network `index` sees of a stacked tensor."""
    return tensor[index if tensor.shape[0] > 1 else 0]


FEW = 16
"""A layer of fewer outputs is computed as the transposed product, output by output in memory.

Kernels of matrix products compute some sixteen columns at a time, and what is left over half as fast. And
softmax, which goes over the outputs, is faster where samples lie side by side.
"""


class Linear:
    """z = h W^T + b as batched matrix products. Shapes: h (M, batch, in), W (M, out, in), b (M, out)."""

    output_kept = False

    def __init__(self, module: nn.Linear) -> None:
        self.names: tuple[str, ...] = ("weight", "bias") if module.bias is not None else ("weight",)

    @staticmethod
    def _apply(own: Own, inputs: Tensor) -> Tensor:
        weight = own[0]
        count = models(inputs, weight)
        inputs, weight = for_all(inputs, count), for_all(weight, count)
        few = weight.shape[1] < FEW
        if len(own) == 1:
            return torch.bmm(weight, inputs.mT).mT if few else torch.bmm(inputs, weight.mT)
        if few:
            return torch.baddbmm(own[1][:, :, None], weight, inputs.mT).mT
        return torch.baddbmm(own[1][:, None], inputs, weight.mT)

    def forward(self, own: Own, inputs: Tensor, in_place: bool) -> tuple[Tensor, Any]:
        return self._apply(own, inputs), inputs

    def backward(self, own: Own, saved: Any, gradient: Tensor, need_input: bool) -> tuple[Tensor | None, Own]:
        count = models(gradient)
        slopes: Own = (torch.bmm(gradient.mT, for_all(saved, count)),)
        if len(own) == 2:
            slopes += (gradient.sum(1),)
        return torch.bmm(gradient, for_all(own[0], count)) if need_input else None, slopes

    def push(self, own: Own, saved: Any, own_direction: Own, direction: Tensor | None) -> Tensor:
        moved = self._apply(own_direction, saved)
        if direction is None:
            return moved
        weight = for_all(own[0], models(direction))
        if weight.shape[1] < FEW:
            moved.mT.baddbmm_(weight, direction.mT)
            return moved
        return moved.baddbmm_(direction, weight.mT)


class Convolution:
    """A two-dimensional convolution.

    Networks that share their inputs, as in a first layer, share one convolution with all their channels.
    Others come one after another: as one they were grouped, which on a CPU is slower than that.
    Shapes: h (M, batch, channels, height, width), W (M, out, channels / groups, kernel, kernel), b (M, out).
    """

    output_kept = False

    def __init__(self, module: nn.Conv2d) -> None:
        self.names: tuple[str, ...] = ("weight", "bias") if module.bias is not None else ("weight",)
        self._geometry: tuple[Any, ...] = (module.stride, module.padding, module.dilation, module.groups)

    def _share(self, inputs: Tensor, count: int) -> bool:
        return count > 1 and inputs.shape[0] == 1 and self._geometry[-1] == 1

    def _apply(self, own: Own, inputs: Tensor) -> Tensor:
        count = models(inputs, *own)
        if self._share(inputs, count):
            weights = [value.flatten(0, 1) for value in own]
            return _apart(functional.conv2d(inputs[0], *_with_bias(weights), *self._geometry), count)
        rows = [
            functional.conv2d(row(inputs, k), *_with_bias([row(value, k) for value in own]), *self._geometry)
            for k in range(count)
        ]
        return joined(rows)

    def forward(self, own: Own, inputs: Tensor, in_place: bool) -> tuple[Tensor, Any]:
        return self._apply(own, inputs), inputs

    def backward(self, own: Own, saved: Any, gradient: Tensor, need_input: bool) -> tuple[Tensor | None, Own]:
        count = models(gradient)
        if self._share(saved, count) and not need_input:
            together = gradient.transpose(0, 1).flatten(1, 2)
            wide = own[0].expand(count, *own[0].shape[1:]).flatten(0, 1)
            _, *slopes = self._backward(together, saved[0], wide, len(own) == 2, False)
            return None, tuple(value.view(count, -1, *value.shape[1:]) for value in slopes[: len(own)])
        found = [
            self._backward(gradient[k], row(saved, k), row(own[0], k), len(own) == 2, need_input)
            for k in range(count)
        ]
        inputs, *slopes_of = zip(*found, strict=True)
        return joined(inputs) if need_input else None, tuple(map(joined, slopes_of[: len(own)]))

    def _backward(
        self, gradient: Tensor, inputs: Tensor, weight: Tensor, has_bias: bool, need_input: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of the inputs, if needed, of the weights, and of the bias, if there is one."""
        stride, padding, dilation, groups = self._geometry
        found: tuple[Tensor, Tensor, Tensor] = torch.ops.aten.convolution_backward(
            gradient,
            inputs,
            weight,
            [weight.shape[0]] if has_bias else None,
            stride,
            padding,
            dilation,
            False,
            [0, 0],
            groups,
            [need_input, True, has_bias],
        )
        return found

    def push(self, own: Own, saved: Any, own_direction: Own, direction: Tensor | None) -> Tensor:
        moved = self._apply(own_direction, saved)
        return moved if direction is None else moved.add_(self._apply(own[:1], direction))


def _with_bias(own: list[Tensor]) -> tuple[Tensor, Tensor | None]:
    return own[0], own[1] if len(own) == 2 else None


def _apart(outputs: Tensor, count: int) -> Tensor:
    """Outputs (batch, count * channels, ...) of one convolution as (count, batch, channels, ...), no copy."""
    return outputs.view(len(outputs), count, -1, *outputs.shape[2:]).transpose(0, 1)


def joined(rows: tuple[Tensor, ...] | list[Tensor]) -> Tensor:
    """Rows (..., ) of single networks as one stacked tensor."""
    return rows[0][None] if len(rows) == 1 else torch.stack(rows)
