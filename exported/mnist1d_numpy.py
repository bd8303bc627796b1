"""A loss function discovered by symloss: the mean of the sum over classes of

    9.631 * (y * (1 - p) + 3.231 * (p * p))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.

format: numpy
kind: multiclass
reduction: mean
expression: 9.631129618518742 * (target * (1.0 - prediction) + 3.2306010273982633 * (prediction * prediction))
found by: symloss search --task mnist1d --device cpu --set training.steps=1000 --set
    training.network=chain --set training.models_at_once=16 --set finalists.count=12 --set
    finalists.seeds=10 --set finalists.steps=2.0 --set 'finalists.factors=[0.3, 1.0, 3.0, 10.0]'
    --seeds catalogue
candidate: 73
task: mnist1d
metric: error
fitness: 0.28312499999999996
confirmed: 0.294
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
    values = 9.631129618518742 * (target * (1.0 - p) + 3.2306010273982633 * (p * p))
    values = values.sum(axis=-1)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, _ = _probabilities(outputs)
    product_1 = p * p
    slopes = ((product_1 + product_1) * 3.2306010273982633 - p * target) * 9.631129618518742
    gradient = slopes - p * (slopes + 0.0 * p).sum(axis=-1, keepdims=True)
    return gradient / (gradient.size / gradient.shape[-1]) if reduction == "mean" else gradient
