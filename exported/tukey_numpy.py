"""tukey: the mean of these values

    3.658 * (1 - (1 - min(square(0.2134 * (p - y)), 1)) * square(1 - min(square(0.2134 * (p -
        y)), 1)))

where p = the predicted value, y = the true value.

format: numpy
kind: regression
reduction: mean
expression: 3.6582041666666667 * (1.0 - (1.0 - min(square(0.21344717182497333 * (prediction - target)), 1.0)) * square(1.0 - min(square(0.21344717182497333 * (prediction - target)), 1.0)))
reference: Tukey's biweight, Beaton and Tukey 1974, c 4.685 for residuals of unit scale
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
    product_1 = 0.21344717182497333 * (outputs - target)
    difference_1 = 1.0 - np.minimum(product_1 * product_1, 1.0)
    values = 3.6582041666666667 * (1.0 - difference_1 * (difference_1 * difference_1))
    values = values + np.zeros_like(outputs)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    product_1 = 0.21344717182497333 * (outputs - target)
    product_2 = product_1 * product_1
    difference_1 = 1.0 - np.minimum(product_2, 1.0)
    product_3 = 0.21344717182497333 * product_1
    product_4 = (product_3 + product_3) * (0.5 + 0.5 * np.sign(1.0 - product_2))
    product_5 = product_4 * difference_1
    sum_1 = product_4 * (difference_1 * difference_1) + (product_5 + product_5) * difference_1
    slopes = sum_1 * 3.6582041666666667
    gradient = slopes + np.zeros_like(outputs)
    return gradient / gradient.size if reduction == "mean" else gradient
