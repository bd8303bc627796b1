"""A loss function discovered by symloss: the mean of the sum over classes of

    6.048 * (y * tanh(0.7592 - pow(p, 0.3268)) + (1.229 - y) * (pow(1.22 - p, 2.219) * pow(p +
        0.1647, 2.944)))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

format: numpy
kind: multiclass
reduction: mean
expression: 6.048395438398833 * (target * tanh(0.7592135667800903 - pow(prediction, 0.32678350806236267)) + (1.2286760807037354 - target) * (pow(1.220223307609558 - prediction, 2.2193031311035156) * pow(prediction + 0.1646507829427719, 2.943851947784424)))
found by: symloss search --task digits --label-noise 0.4 --device cpu --set training.steps=1000
    --set training.network=chain --set training.models_at_once=16 --set finalists.count=12 --set
    finalists.seeds=10 --set finalists.steps=2.0 --seeds catalogue
candidate: 233
task: digits, label noise 0.4
metric: error
fitness: 0.04317548746518106
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
    exp_1 = np.exp(0.32678350806236267 * np.maximum(log_p, -16.11809565095832))
    exp_2 = np.exp(2.2193031311035156 * np.log(1.220223307609558 - p))
    product_1 = exp_2 * np.exp(2.943851947784424 * np.log(p + 0.1646507829427719))
    product_2 = target * np.tanh(0.7592135667800903 - exp_1)
    values = 6.048395438398833 * (product_2 + (1.2286760807037354 - target) * product_1)
    values = values.sum(axis=-1)
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
    p, log_p = _probabilities(outputs)
    exp_1 = np.exp(0.32678350806236267 * np.maximum(log_p, -16.11809565095832))
    tanh_1 = np.tanh(0.7592135667800903 - exp_1)
    difference_1 = 1.220223307609558 - p
    exp_2 = np.exp(2.2193031311035156 * np.log(difference_1))
    sum_1 = p + 0.1646507829427719
    exp_3 = np.exp(2.943851947784424 * np.log(sum_1))
    product_1 = (1.0 + np.minimum(np.sign(log_p - (-16.11809565095832)), 0.0)) * 0.32678350806236267
    product_2 = exp_2 * (1.0 / difference_1 * (-p) * 2.2193031311035156) * exp_3
    sum_2 = product_2 + exp_3 * (1.0 / sum_1 * p * 2.943851947784424) * exp_2
    product_3 = (1.0 - tanh_1 * tanh_1) * (-(exp_1 * product_1)) * target
    slopes = (product_3 + sum_2 * (1.2286760807037354 - target)) * 6.048395438398833
    gradient = slopes - p * (slopes + 0.0 * p).sum(axis=-1, keepdims=True)
    return gradient / (gradient.size / gradient.shape[-1]) if reduction == "mean" else gradient
