"""A loss function discovered by symloss: the mean of these values

    1.627 * min(pow(p - y, 1.078), 1.764)

where p = the predicted value, y = the true value.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

format: numpy
kind: regression
reduction: mean
expression: 1.6272678381361032 * min(pow(prediction - target, 1.077669953934417), 1.7636981293199643)
found by: symloss search --task diabetes --outliers 0.2 --device cpu --set training.steps=1000 --set
    training.network=chain --set training.models_at_once=16 --set tuning.weights=none --set
    finalists.count=12 --set finalists.seeds=10 --set finalists.steps=2.0 --set
    'finalists.factors=[0.3, 1.0, 3.0, 10.0]' --seeds catalogue
candidate: 226
task: diabetes, outliers 0.2
metric: mse
fitness: 0.5022183328765769
learning_rate: 0.0001
seed: 0
symloss: 0.1.0
verified: executed on its own at 128 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-11, gradient under
    1e-11
"""

import numpy as np


def _guard_slope(x):
    """The derivative of max(|x|, 1e-07)."""
    return np.sign(x) * (np.abs(x) > 1e-07)


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
    product_1 = 1.077669953934417 * np.log(np.maximum(np.abs(outputs - target), 1e-07))
    minimum_1 = np.minimum(np.exp(np.minimum(product_1, 80.0)), 1.7636981293199643)
    values = 1.6272678381361032 * minimum_1
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
    product_1 = 1.077669953934417 * np.log(guard_1)
    exp_1 = np.exp(np.minimum(product_1, 80.0))
    product_2 = 1.0 / guard_1 * _guard_slope(difference_1) * 1.077669953934417
    product_3 = exp_1 * (product_2 * (1.0 + np.minimum(np.sign(80.0 - product_1), 0.0)))
    slopes = product_3 * (0.5 + 0.5 * np.sign(1.7636981293199643 - exp_1)) * 1.6272678381361032
    gradient = slopes + np.zeros_like(outputs)
    return gradient / gradient.size if reduction == "mean" else gradient
