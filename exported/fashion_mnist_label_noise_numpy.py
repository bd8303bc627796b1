"""A loss function discovered by symloss: the mean of the sum over classes of

    2.237 * (4 * ((1 - y) * (p + 0.04626)) - 0.1 * (y * aq(log(p), p)))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
log(a) means ln(max(|a|, 1e-7)).

format: numpy
kind: multiclass
reduction: mean
expression: 2.236892638057623 * (4.0 * ((1.0 - target) * (prediction + 0.046260757947536243)) - 0.1 * (target * aq(log(prediction), prediction)))
found by: symloss search --task fashion-mnist --model mlp --label-noise 0.4 --train-size 5000
    --device cpu --set training.steps=500 --set training.network=chain --set
    training.models_at_once=2 --set finalists.count=12 --set finalists.seeds=10 --set
    finalists.steps=2.0 --set 'finalists.factors=[0.3, 1.0, 3.0, 10.0]' --seeds catalogue
candidate: 61
task: fashion-mnist, label noise 0.4, train size 5000
metric: error
fitness: 0.18066666666666667
confirmed: 0.18368333333333337
learning_rate: 0.003
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
    p, log_p = _probabilities(outputs)
    product_1 = 0.1 * (target * (np.maximum(log_p, -16.11809565095832) / np.sqrt(1.0 + p * p)))
    difference_1 = 4.0 * ((1.0 - target) * (p + 0.046260757947536243)) - product_1
    values = 2.236892638057623 * difference_1
    values = values.sum(axis=-1)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, log_p = _probabilities(outputs)
    product_1 = p * p
    sqrt_1 = np.sqrt(1.0 + product_1)
    quotient_1 = np.maximum(log_p, -16.11809565095832) / sqrt_1
    sum_1 = 1.0 + np.minimum(np.sign(log_p - (-16.11809565095832)), 0.0)
    product_2 = (sum_1 - quotient_1 * (0.5 / sqrt_1 * (product_1 + product_1))) / sqrt_1 * target
    slopes = (p * (1.0 - target) * 4.0 - product_2 * 0.1) * 2.236892638057623
    gradient = slopes - p * (slopes + 0.0 * p).sum(axis=-1, keepdims=True)
    return gradient / (gradient.size / gradient.shape[-1]) if reduction == "mean" else gradient
