"""A loss function discovered by symloss: the mean of these values

    0.326 * (abs(p - y) + 4.014 * min(abs(p - y), 1.647))

where p = the predicted value, y = the true value.

format: numpy
kind: regression
reduction: mean
expression: 0.3259515283638876 * (abs(prediction - target) + 4.0136942863464355 * min(abs(prediction - target), 1.6466559171676636))
found by: symloss search --task diabetes --outliers 0.2 --device cpu --set training.steps=1000 --set
    training.network=chain --set training.models_at_once=16 --set finalists.count=12 --set
    finalists.steps=2.0
candidate: 207
task: diabetes, outliers 0.2
metric: mse
fitness: 0.5017078576029813
learning_rate: 0.0001
seed: 0
symloss: 0.1.0
verified: executed on its own at 128 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-11, gradient under
    1e-11
"""

import numpy as np


def _prepared(outputs, target):
    """Outputs and target of one shape, but for dimensions of one."""
    outputs, target = np.asarray(outputs, dtype=float), np.asarray(target, dtype=float)
    if [n for n in target.shape if n != 1] != [n for n in outputs.shape if n != 1]:
        raise ValueError(f"target {target.shape} does not fit outputs {outputs.shape}")
    return outputs, target.reshape(outputs.shape)


def _check(reduction):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")


def loss(outputs, target, reduction="mean"):
    """The loss of a batch, computed in float64.

    outputs: predicted values, of any shape.
    target:  the true value of each of them.
    reduction: "mean" or "sum" of all values, or "none".
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    abs_1 = np.abs(outputs - target)
    sum_1 = abs_1 + 4.0136942863464355 * np.minimum(abs_1, 1.6466559171676636)
    values = 0.3259515283638876 * sum_1
    values = values + np.zeros_like(outputs)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    difference_1 = outputs - target
    sign_1 = np.sign(difference_1)
    product_1 = sign_1 * (0.5 + 0.5 * np.sign(1.6466559171676636 - np.abs(difference_1)))
    slopes = (sign_1 + product_1 * 4.0136942863464355) * 0.3259515283638876
    gradient = slopes + np.zeros_like(outputs)
    return gradient / gradient.size if reduction == "mean" else gradient
