"""log-cosh: the mean of these values

    abs(p - y) + softplus(-2 * abs(p - y)) - 0.6931

where p = the predicted value, y = the true value.

format: numpy
kind: regression
reduction: mean
expression: abs(prediction - target) + softplus(-2.0 * abs(prediction - target)) - 0.6931471805599453
reference: log(cosh(r)) in a form that does not overflow
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
    product_1 = -2.0 * abs_1
    abs_2 = np.abs(product_1)
    values = abs_1 + (0.5 * (product_1 + abs_2) + np.log1p(np.exp(-abs_2))) - 0.6931471805599453
    values = values + np.zeros_like(outputs)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    difference_1 = outputs - target
    product_1 = -2.0 * np.abs(difference_1)
    exp_1 = np.exp(-np.abs(product_1))
    sign_1 = np.sign(difference_1)
    product_2 = sign_1 * (-2.0)
    product_3 = np.sign(product_1) * product_2
    slopes = sign_1 + ((product_2 + product_3) * 0.5 - 1.0 / (1.0 + exp_1) * (exp_1 * product_3))
    gradient = slopes + np.zeros_like(outputs)
    return gradient / gradient.size if reduction == "mean" else gradient
