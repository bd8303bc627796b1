"""Networks whose layers stand one after another, without normalisation: perceptrons and LeNet-5."""

from __future__ import annotations

import math

from torch import nn

Shape = tuple[int, ...]


def xavier_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer with Xavier-uniform weights and zero biases, as in EvoMAL."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def perceptron(widths: Shape, input_shape: Shape, num_outputs: int) -> nn.Module:
    """Layers of the given hidden widths with ReLU between them; none for a linear model."""
    layers: list[nn.Module] = [nn.Flatten()]
    size = math.prod(input_shape)
    for width in widths:
        layers += [xavier_linear(size, width), nn.ReLU()]
        size = width
    return nn.Sequential(*layers, xavier_linear(size, num_outputs))


def lenet5(input_shape: Shape, num_outputs: int) -> nn.Module:
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
