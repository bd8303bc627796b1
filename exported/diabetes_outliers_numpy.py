"""A loss function discovered by symloss: the mean of these values

    1.055 * (min(pow(p - y, 1.899), 1.647) + 1.04 * abs(p - y))

where p = the predicted value, y = the true value.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

format: numpy
kind: regression
reduction: mean
expression: 1.054817031141498 * (min(pow(prediction - target, 1.898795284575758), 1.6471394229157938) + 1.0395000483816401 * abs(prediction - target))
found by: symloss search --task diabetes --outliers 0.2
candidate: 177
task: diabetes, 20 % gross outliers in the training targets
metric: mse
fitness: 0.5029436824712945
learning_rate: 9e-05
seed: 0
symloss: 0.1.0
verified: executed on its own at 128 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-12, gradient under
    1e-11
"""

import numpy as np


def _guard_slope(x):
    """The derivative of max(|x|, 1e-07)."""
    return np.sign(x) * (np.abs(x) > 1e-07)


def _prepared(outputs, target):
    """Outputs and target of one shape."""
    outputs = np.asarray(outputs, dtype=float)
    return outputs, np.asarray(target, dtype=float).reshape(outputs.shape)


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
    difference_1 = outputs - target
    product_1 = 1.898795284575758 * np.log(np.maximum(np.abs(difference_1), 1e-07))
    minimum_1 = np.minimum(np.exp(np.minimum(product_1, 80.0)), 1.6471394229157938)
    values = 1.054817031141498 * (minimum_1 + 1.0395000483816401 * np.abs(difference_1))
    values = values + np.zeros_like(outputs)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    difference_1 = outputs - target
    guard_1 = np.maximum(np.abs(difference_1), 1e-07)
    product_1 = 1.898795284575758 * np.log(guard_1)
    exp_1 = np.exp(np.minimum(product_1, 80.0))
    product_2 = 1.0 / guard_1 * _guard_slope(difference_1) * 1.898795284575758
    product_3 = exp_1 * (product_2 * (1.0 + np.minimum(np.sign(80.0 - product_1), 0.0)))
    product_4 = product_3 * (0.5 + 0.5 * np.sign(1.6471394229157938 - exp_1))
    slopes = (product_4 + np.sign(difference_1) * 1.0395000483816401) * 1.054817031141498
    gradient = slopes + np.zeros_like(outputs)
    return gradient / gradient.size if reduction == "mean" else gradient
