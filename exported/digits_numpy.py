"""A loss function discovered by symloss: the mean of the sum over classes of

    3.169 * (2.489 * square(p + 0.2007) - y * log(p + 0.26))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
log(a) means ln(max(|a|, 1e-7)).

format: numpy
kind: multiclass
reduction: mean
expression: 3.169287022759843 * (2.488538826925315 * square(prediction + 0.20066584316597705) - target * log(prediction + 0.259984338852605))
found by: symloss search --task digits --device cpu --seed 1 --set training.steps=1000 --set
    training.network=chain --set training.models_at_once=16 --set finalists.count=12 --set
    finalists.steps=2.0
candidate: 201
task: digits
metric: error
fitness: 0.016713091922005572
learning_rate: 0.03
seed: 1
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
    sum_1 = p + 0.20066584316597705
    difference_1 = 2.488538826925315 * (sum_1 * sum_1) - target * np.log(p + 0.259984338852605)
    values = 3.169287022759843 * difference_1
    values = values.sum(axis=-1)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, _ = _probabilities(outputs)
    product_1 = p * (p + 0.20066584316597705)
    product_2 = (product_1 + product_1) * 2.488538826925315
    slopes = (product_2 - 1.0 / (p + 0.259984338852605) * p * target) * 3.169287022759843
    gradient = slopes - p * (slopes + 0.0 * p).sum(axis=-1, keepdims=True)
    return gradient / (gradient.size / gradient.shape[-1]) if reduction == "mean" else gradient
