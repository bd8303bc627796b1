"""From a module to the fastest way of computing many of its kind."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from symloss.networks.chain import Chain, Link
from symloss.networks.layers import Convolution, Layer, Linear
from symloss.networks.parameterless import RELU, SIGMOID, TANH, AveragePool, Flatten, MaximumPool


class _NotAChainError(Exception):
    """A module is no chain of known layers."""


def as_chain(module: nn.Module, x: Tensor) -> Chain | None:
    """The module as a chain of known layers, or None if it is something else.

    x: some inputs (batch, ...) for which the chain's outputs and gradients are compared with the module's
    own, so that what was read wrongly is not used.
    """
    if next(module.buffers(), None) is not None or _has_hooks(module):
        return None
    parameters = dict(module.named_parameters())
    try:
        chain = Chain(_links(module))
        if sorted(name for link in chain.links for name in link.names) != sorted(parameters):
            return None  # a layer used twice, or parameters outside layers
        same = _agrees(chain, module, parameters, x)
    except Exception:  # a stranger's module may fail in any way when it is traced
        return None
    return chain if same else None


def _has_hooks(module: nn.Module) -> bool:
    names = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return any(getattr(part, name, None) for part in module.modules() for name in names)


@torch.enable_grad()
def _agrees(chain: Chain, module: nn.Module, parameters: dict[str, nn.Parameter], x: Tensor) -> bool:
    """Whether outputs and gradients are those of the module on `x`."""
    expected = module(x)
    found = chain.run({name: value.detach()[None] for name, value in parameters.items()}, x)
    if found.outputs[0].shape != expected.shape:
        return False
    gradient = torch.linspace(-1.0, 2.0, expected.numel(), dtype=x.dtype).view_as(expected)
    slopes = found.backward(gradient[None])
    pairs = [(found.outputs[0], expected.detach())]
    if parameters:
        own = torch.autograd.grad(expected, list(parameters.values()), gradient)  # raises if one is not used
        pairs += [(slopes[name][0], slope) for name, slope in zip(parameters, own, strict=True)]
    return all(torch.allclose(a, b, rtol=1e-3, atol=1e-4) for a, b in pairs)


def _links(module: nn.Module) -> list[Link]:
    """Layers in the order in which the module's forward pass calls them."""
    if type(module) in _MODULES:  # alone it would be traced into functions
        layer = layer_of(module)
        return [] if layer is None else [Link(layer, layer.names)]
    links: list[Link] = []
    value: fx.Node | None = None
    modules = dict(module.named_modules())
    for node in fx.symbolic_trace(module).graph.nodes:
        if node.op == "placeholder":
            if value is not None:
                raise _NotAChainError("more than one input")
            value = node
        elif node.op == "output":
            if node.args != (value,):
                raise _NotAChainError("the output is not the last value")
        elif node.args[:1] != (value,):
            _check_only_shapes(node)
        elif not _asks_shape(node):
            links += _link(node, modules)
            value = node
    return links


def _asks_shape(node: fx.Node) -> bool:
    return (node.op == "call_method" and node.target == "size") or (
        node.op == "call_function" and node.target is getattr
    )


def _check_only_shapes(node: fx.Node) -> None:
    """Numbers taken from shapes, as in `x.view(x.size(0), -1)`, are no values of the network."""
    if node.op != "call_function" or node.target is not operator.getitem:
        raise _NotAChainError(f"{node.format_node()} is not a step of a chain")


def _link(node: fx.Node, modules: dict[str, nn.Module]) -> list[Link]:
    if node.op == "call_module":
        name = str(node.target)
        if len(node.args) != 1 or node.kwargs:
            raise _NotAChainError(f"{name} takes more than one argument")
        layer = layer_of(modules[name])
        return [] if layer is None else [Link(layer, tuple(f"{name}.{own}" for own in layer.names))]
    maker = _FUNCTIONS.get(node.target) if node.op in ("call_function", "call_method") else None
    if maker is None:
        raise _NotAChainError(f"{node.format_node()} is not a known layer")
    return [Link(maker)]


_FUNCTIONS: dict[Any, Layer] = {
    torch.relu: RELU,
    functional.relu: RELU,
    "relu": RELU,
    torch.tanh: TANH,
    functional.tanh: TANH,
    "tanh": TANH,
    torch.sigmoid: SIGMOID,
    functional.sigmoid: SIGMOID,
    "sigmoid": SIGMOID,
    torch.flatten: Flatten(),
    "flatten": Flatten(),
    "view": Flatten(),
    "reshape": Flatten(),
}
"""Functions and methods. Reshaping is taken for flattening; where it is not, the outputs differ."""


def layer_of(module: nn.Module) -> Layer | None:
    """The rules of one module, or None if it does nothing. Raises _NotAChainError for an unknown one."""
    make = _MODULES.get(type(module))  # not isinstance: a subclass may compute something else
    if make is None:
        raise _NotAChainError(f"{type(module).__name__} is not a known layer")
    return make(module)


def _convolution(module: nn.Conv2d) -> Layer:
    if module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise _NotAChainError("only zero padding in pixels is known")
    return Convolution(module)


def _average_pool(module: nn.AvgPool2d) -> Layer:
    size = module.kernel_size
    plain = isinstance(size, int) and module.stride == size and module.padding == 0
    if not plain or module.divisor_override is not None:
        raise _NotAChainError("only average pooling over squares side by side is known")
    assert isinstance(size, int)
    return AveragePool(size)


def _dropout(module: nn.Dropout) -> None:
    if module.p > 0:
        raise _NotAChainError("dropout is random")


_MODULES: dict[type[nn.Module], Callable[[Any], Layer | None]] = {
    nn.Linear: Linear,
    nn.Conv2d: _convolution,
    nn.AvgPool2d: _average_pool,
    nn.MaxPool2d: MaximumPool,
    nn.Flatten: lambda module: Flatten(),
    nn.ReLU: lambda module: RELU,
    nn.Tanh: lambda module: TANH,
    nn.Sigmoid: lambda module: SIGMOID,
    nn.Identity: lambda module: None,
    nn.Dropout: _dropout,
}
