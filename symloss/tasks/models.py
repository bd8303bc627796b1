"""Base models: the networks that are trained under candidate losses.

All run under `torch.func.vmap`: no in-place operation, no decision that depends on data. Initial
weights come from torch's global generator, which the caller seeds. To add a model, add a row.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from symloss.errors import TaskError, did_you_mean

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Model:
    """One base model: `build(input_shape, num_outputs)` makes a freshly initialised network.

    images: True if inputs must be (channels, height, width); other models flatten what they get.
    """

    name: str
    build: Callable[[Shape, int], nn.Module]
    doc: str
    images: bool = False


def model_maker(name: str, input_shape: Shape, num_outputs: int) -> Callable[[], nn.Module]:
    """A function that makes fresh networks (batch, *input_shape) -> (batch, num_outputs).

    Raises: TaskError if the model is unknown or cannot take inputs of this shape.
    """
    if name not in MODELS:
        raise TaskError(f"unknown model '{name}'; {did_you_mean(name, MODELS)}")
    model = MODELS[name]
    if model.images:
        _check_image(name, input_shape)
    return functools.partial(model.build, tuple(input_shape), num_outputs)


def _check_image(name: str, shape: Shape) -> None:
    if len(shape) != 3:
        raise TaskError(
            f"model '{name}' needs images of shape (channels, height, width), found inputs of shape "
            f"{tuple(shape)}; choose 'mlp' or reshape the inputs"
        )
    if min(shape[1:]) < 4:
        raise TaskError(f"model '{name}' needs images of at least 4x4 pixels, found {shape[1]}x{shape[2]}")


def _layer(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with Xavier-uniform weights and zero biases, as in EvoMAL."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _perceptron(widths: Shape, input_shape: Shape, num_outputs: int) -> nn.Module:
    """Layers of the given hidden widths with ReLU between them; none for a linear model."""
    layers: list[nn.Module] = [nn.Flatten()]
    size = functools.reduce(lambda a, b: a * b, input_shape, 1)
    for width in widths:
        layers += [_layer(size, width), nn.ReLU()]
        size = width
    return nn.Sequential(*layers, _layer(size, num_outputs))


def _lenet5(input_shape: Shape, num_outputs: int) -> nn.Module:
    """LeNet-5: 28x28 pixels give 256-120-84-outputs after two convolutions with average pools.

    Images smaller than 16x16 would vanish in the convolutions, so that these pad by 2 there.
    """
    channels, height, width = input_shape
    padding = 0 if min(height, width) >= 16 else 2
    for _ in range(2):
        height, width = (height + 2 * padding - 4) // 2, (width + 2 * padding - 4) // 2
    return nn.Sequential(
        nn.Conv2d(channels, 6, 5, padding=padding),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Conv2d(6, 16, 5, padding=padding),
        nn.Tanh(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * height * width, 120),
        nn.Tanh(),
        nn.Linear(120, 84),
        nn.Tanh(),
        nn.Linear(84, num_outputs),
    )


_ROWS = [
    Model("linear", functools.partial(_perceptron, ()), "one layer: linear or logistic regression"),
    Model("mlp", functools.partial(_perceptron, (64, 64)), "two hidden layers of 64, ReLU"),
    Model(
        "mlp-1000", functools.partial(_perceptron, (1000, 1000)), "two hidden layers of 1000, as in EvoMAL"
    ),
    Model("lenet5", _lenet5, "LeNet-5: two convolutions, tanh, average pools", images=True),
]

MODELS: dict[str, Model] = {row.name: row for row in _ROWS}
