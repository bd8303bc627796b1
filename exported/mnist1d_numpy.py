"""A loss function discovered by symloss: the mean of the sum over classes of

    6.576 * (y * (1 - p + tanh(1 - p)) + 2.755 * (p * p))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.

format: numpy
kind: multiclass
reduction: mean
expression: 6.57574316748527 * (target * (1.0 - prediction + tanh(1.0 - prediction)) + 2.7548178538684773 * (prediction * prediction))
found by: symloss search --task mnist1d --device cpu --set training.steps=1000 --set
    training.network=chain --set training.models_at_once=16 --set tuning.weights=none --set
    finalists.count=12 --set finalists.seeds=10 --set finalists.steps=2.0 --set
    'finalists.factors=[0.3, 1.0, 3.0, 10.0]' --seeds catalogue
candidate: 151
task: mnist1d
metric: error
fitness: 0.28125
learning_rate: 0.1
seed: 0
symloss: 0.1.0
verified: executed on its own at 137 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-11, gradient under
    1e-11
"""

import numpy as np


def _prepared(outputs, target):
    """Outputs and the target as probabilities, both (..., classes)."""
    outputs, target = np.asarray(outputs, dtype=float), np.asarray(target)
    if not np.issubdtype(target.dtype, np.floating):
        if target.size and not 0 <= target.min() <= target.max() < outputs.shape[-1]:
            raise ValueError(f"class ids must lie between 0 and {outputs.shape[-1] - 1}")
        target = target[..., None] == np.arange(outputs.shape[-1])
    if target.shape != outputs.shape:
        raise ValueError(f"target {target.shape} does not fit outputs {outputs.shape}")
    return outputs, target.astype(float)


def _probabilities(outputs):
    """The softmax of outputs, and its logarithm."""
    shifted = outputs - outputs.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(axis=-1, keepdims=True)
    return powers / total, shifted - np.log(total)


def _check(reduction):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")


def loss(outputs, target, reduction="mean"):
    """The loss of a batch, computed in float64.

    outputs: (..., classes), raw outputs of the network.
    target:  (...) class ids, or (..., classes) probabilities.
    reduction: "mean" or "sum" of all values, or "none".
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, _ = _probabilities(outputs)
    difference_1 = 1.0 - p
    sum_1 = target * (difference_1 + np.tanh(difference_1)) + 2.7548178538684773 * (p * p)
    values = 6.57574316748527 * sum_1
    values = values.sum(axis=-1)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, _ = _probabilities(outputs)
    tanh_1 = np.tanh(1.0 - p)
    product_1 = p * p
    product_2 = (-p + (1.0 - tanh_1 * tanh_1) * (-p)) * target
    slopes = (product_2 + (product_1 + product_1) * 2.7548178538684773) * 6.57574316748527
    gradient = slopes - p * (slopes + 0.0 * p).sum(axis=-1, keepdims=True)
    return gradient / (gradient.size / gradient.shape[-1]) if reduction == "mean" else gradient
