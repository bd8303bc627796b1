"""Base models: the networks that are trained under candidate losses.

Initial weights come from torch's global generator, which the caller seeds. To add a model, add a row, and its
name to `tasks.names`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from symloss.errors import TaskError, did_you_mean
from symloss.tasks.models.convolutional import alexnet, allcnn_c, squeezenet, vgg16
from symloss.tasks.models.plain import Shape, lenet5, perceptron
from symloss.tasks.models.residual import preresnet18, pyramidnet, resnet18, wide_resnet


@dataclass(frozen=True)
class Model:
    """One base model: `build(input_shape, num_outputs)` makes a freshly initialised network.

    smallest: images (channels, height, width) have at least so many pixels each way; 0 for a model that
              flattens whatever it gets.
    """

    name: str
    build: Callable[[Shape, int], nn.Module]
    doc: str
    smallest: int = 0


def model_maker(name: str, input_shape: Shape, num_outputs: int) -> Callable[[], nn.Module]:
    """A function that makes fresh networks (batch, *input_shape) -> (batch, num_outputs).

    Raises: TaskError if the model is unknown or cannot take inputs of this shape.
    """
    if name not in MODELS:
        raise TaskError(f"unknown model '{name}'; {did_you_mean(name, MODELS)}")
    model = MODELS[name]
    if model.smallest:
        _check_image(model, input_shape)
    return functools.partial(model.build, tuple(input_shape), num_outputs)


def _check_image(model: Model, shape: Shape) -> None:
    if len(shape) != 3:
        raise TaskError(
            f"model '{model.name}' needs images of shape (channels, height, width), found inputs of shape "
            f"{tuple(shape)}; choose 'mlp' or reshape the inputs"
        )
    if min(shape[1:]) < model.smallest:
        raise TaskError(
            f"model '{model.name}' needs images of at least {model.smallest}x{model.smallest} pixels, found "
            f"{shape[1]}x{shape[2]}"
        )


def _perceptron(*widths: int) -> Callable[[Shape, int], nn.Module]:
    return functools.partial(perceptron, widths)


_ROWS = [
    Model("linear", _perceptron(), "one layer: linear or logistic regression"),
    Model("mlp", _perceptron(64, 64), "two hidden layers of 64, ReLU"),
    Model("mlp-1000", _perceptron(1000, 1000), "two hidden layers of 1000, as in EvoMAL"),
    Model("lenet5", lenet5, "two convolutions, tanh, average pools", 4),
    Model("alexnet", alexnet, "five convolutions, three wide layers", 16),
    Model("vgg16", vgg16, "thirteen convolutions with batch normalisation", 32),
    Model("allcnn-c", allcnn_c, "nine convolutions, batch normalisation, dropout", 12),
    Model("squeezenet", squeezenet, "fire modules with skip sums", 8),
    Model("resnet18", resnet18, "eight residual blocks", 8),
    Model("preresnet18", preresnet18, "the same with early normalisation", 8),
    Model("wrn-16-8", functools.partial(wide_resnet, 16, 8), "wide residual network, 16 layers", 4),
    Model("wrn-28-10", functools.partial(wide_resnet, 28, 10), "wide residual network, 28 layers", 4),
    Model("wrn-40-4", functools.partial(wide_resnet, 40, 4), "wide residual network, 40 layers", 4),
    Model("pyramidnet", functools.partial(pyramidnet, 110, 48), "110 layers, each pair wider", 4),
]

MODELS: dict[str, Model] = {row.name: row for row in _ROWS}

__all__ = ["MODELS", "Model", "Shape", "model_maker"]
