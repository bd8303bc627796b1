"""A loss function discovered by symloss: the mean of these values

    0.6634 * (min(pow(p - y, 1.535), 1.45) + 1.588 * pow(p - y, 0.7947))

where p = the predicted value, y = the true value.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

format: numpy
kind: regression
reduction: mean
expression: 0.6634028235441373 * (min(pow(prediction - target, 1.534775260915508), 1.4495834902974147) + 1.5879652954390033 * pow(prediction - target, 0.7946606444835644))
found by: symloss search --task diabetes --outliers 0.2 --device cpu --set training.steps=1000 --set
    training.network=chain --set training.models_at_once=16 --set finalists.count=12 --set
    finalists.seeds=10 --set finalists.steps=2.0 --seeds catalogue
candidate: 210
task: diabetes, outliers 0.2
metric: mse
fitness: 0.500862524864175
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
    log_1 = np.log(np.maximum(np.abs(outputs - target), 1e-07))
    minimum_1 = np.minimum(np.exp(np.minimum(1.534775260915508 * log_1, 80.0)), 1.4495834902974147)
    product_1 = 1.5879652954390033 * np.exp(np.minimum(0.7946606444835644 * log_1, 80.0))
    values = 0.6634028235441373 * (minimum_1 + product_1)
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
    log_1 = np.log(guard_1)
    product_1 = 1.534775260915508 * log_1
    exp_1 = np.exp(np.minimum(product_1, 80.0))
    product_2 = 0.7946606444835644 * log_1
    product_3 = 1.0 / guard_1 * _guard_slope(difference_1)
    product_4 = product_3 * 1.534775260915508 * (1.0 + np.minimum(np.sign(80.0 - product_1), 0.0))
    product_5 = product_3 * 0.7946606444835644 * (1.0 + np.minimum(np.sign(80.0 - product_2), 0.0))
    product_6 = exp_1 * product_4 * (0.5 + 0.5 * np.sign(1.4495834902974147 - exp_1))
    sum_1 = product_6 + np.exp(np.minimum(product_2, 80.0)) * product_5 * 1.5879652954390033
    slopes = sum_1 * 0.6634028235441373
    gradient = slopes + np.zeros_like(outputs)
    return gradient / gradient.size if reduction == "mean" else gradient
