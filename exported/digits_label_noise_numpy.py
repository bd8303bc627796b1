"""A loss function discovered by symloss: the mean of the sum over classes of

    2.534 * (y * (1 - pow(p, 0.5701)) + 2.555 * ((1.226 - y) * tanh(tanh(tanh(-log(1.148 -
        p))))))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.
log(a) means ln(max(|a|, 1e-7)).

format: numpy
kind: multiclass
reduction: mean
expression: 2.534437253621721 * (target * (1.0 - pow(prediction, 0.5701074004173279)) + 2.554785966873169 * ((1.2260820865631104 - target) * tanh(tanh(tanh(-log(1.1483577489852905 - prediction))))))
found by: symloss search --task digits --label-noise 0.4 --device cpu --set training.steps=1000
    --set training.network=chain --set training.models_at_once=16 --set finalists.count=12 --set
    finalists.steps=2.0
candidate: 202
task: digits, label noise 0.4
metric: error
fitness: 0.04456824512534819
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
    tanh_1 = np.tanh(np.tanh(np.tanh(-np.log(1.1483577489852905 - p))))
    product_1 = target * (1.0 - np.exp(0.5701074004173279 * np.maximum(log_p, -16.11809565095832)))
    sum_1 = product_1 + 2.554785966873169 * ((1.2260820865631104 - target) * tanh_1)
    values = 2.534437253621721 * sum_1
    values = values.sum(axis=-1)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, log_p = _probabilities(outputs)
    difference_1 = 1.1483577489852905 - p
    tanh_1 = np.tanh(-np.log(difference_1))
    tanh_2 = np.tanh(tanh_1)
    tanh_3 = np.tanh(tanh_2)
    product_1 = (1.0 + np.minimum(np.sign(log_p - (-16.11809565095832)), 0.0)) * 0.5701074004173279
    negative_1 = -(np.exp(0.5701074004173279 * np.maximum(log_p, -16.11809565095832)) * product_1)
    product_2 = (1.0 - tanh_2 * tanh_2) * ((1.0 - tanh_1 * tanh_1) * (-(1.0 / difference_1 * (-p))))
    product_3 = (1.0 - tanh_3 * tanh_3) * product_2 * (1.2260820865631104 - target)
    slopes = (negative_1 * target + product_3 * 2.554785966873169) * 2.534437253621721
    gradient = slopes - p * (slopes + 0.0 * p).sum(axis=-1, keepdims=True)
    return gradient / (gradient.size / gradient.shape[-1]) if reduction == "mean" else gradient
