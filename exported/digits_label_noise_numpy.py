"""A loss function discovered by symloss: the mean of the sum over classes of

    3.963 * (y * (1 - pow(p, 0.4222)) + (1.256 - y) * tanh(tanh(tanh(tanh(-log(1.157 - p))))))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.
log(a) means ln(max(|a|, 1e-7)).

format: numpy
kind: multiclass
reduction: mean
expression: 3.963089844302397 * (target * (1.0 - pow(prediction, 0.42224597930908203)) + (1.2555135488510132 - target) * tanh(tanh(tanh(tanh(-log(1.1573868989944458 - prediction))))))
found by: symloss search --task digits --label-noise 0.4
candidate: 193
task: digits, 40 % symmetric label noise
metric: error
fitness: 0.04596100278551532
learning_rate: 0.003
seed: 0
symloss: 0.1.0
verified: executed on its own at 137 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-11, gradient under
    1e-11
"""

import numpy as np


def _prepared(outputs, target):
    """Outputs and the target as probabilities, both (batch, classes)."""
    outputs, target = np.asarray(outputs, dtype=float), np.asarray(target)
    if not np.issubdtype(target.dtype, np.floating):
        if target.size and not 0 <= target.min() <= target.max() < outputs.shape[-1]:
            raise ValueError(f"class ids must lie between 0 and {outputs.shape[-1] - 1}")
        target = target[..., None] == np.arange(outputs.shape[-1])
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

    outputs: (batch, classes), raw outputs of the network.
    target:  (batch,) class ids, or (batch, classes) probabilities.
    reduction: "mean" or "sum" of all values, or "none".
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, log_p = _probabilities(outputs)
    tanh_1 = np.tanh(np.tanh(np.tanh(np.tanh(-np.log(1.1573868989944458 - p)))))
    product_1 = target * (1.0 - np.exp(0.42224597930908203 * np.maximum(log_p, -16.11809565095832)))
    values = 3.963089844302397 * (product_1 + (1.2555135488510132 - target) * tanh_1)
    values = values.sum(axis=-1)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, log_p = _probabilities(outputs)
    difference_1 = 1.1573868989944458 - p
    tanh_1 = np.tanh(-np.log(difference_1))
    tanh_2 = np.tanh(tanh_1)
    tanh_3 = np.tanh(tanh_2)
    tanh_4 = np.tanh(tanh_3)
    product_1 = (1.0 + np.minimum(np.sign(log_p - (-16.11809565095832)), 0.0)) * 0.42224597930908203
    negative_1 = -(np.exp(0.42224597930908203 * np.maximum(log_p, -16.11809565095832)) * product_1)
    product_2 = (1.0 - tanh_2 * tanh_2) * ((1.0 - tanh_1 * tanh_1) * (-(1.0 / difference_1 * (-p))))
    product_3 = (1.0 - tanh_4 * tanh_4) * ((1.0 - tanh_3 * tanh_3) * product_2)
    sum_1 = negative_1 * target + product_3 * (1.2555135488510132 - target)
    slopes = sum_1 * 3.963089844302397
    gradient = slopes - p * (slopes + 0.0 * p).sum(axis=-1, keepdims=True)
    return gradient / len(gradient) if reduction == "mean" else gradient
