"""A loss function discovered by symloss: the mean over the batch of the sum over classes of

    3.963 * (y * (1 - pow(p, 0.4222)) + (1.256 - y) * tanh(tanh(tanh(tanh(-log(1.157 - p))))))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.
log(a) means ln(max(|a|, 1e-7)).

kind: multiclass
expression: 3.963089844302397 * (target * (1.0 - pow(prediction, 0.42224597930908203)) + (1.2555135488510132 - target) * tanh(tanh(tanh(tanh(-log(1.1573868989944458 - prediction))))))
candidate: 193
task: digits, 40 % symmetric label noise
metric: error
fitness: 0.04596100278551532
learning_rate: 0.003
seed: 0
symloss: 0.1.0
verified: executed on its own at 137 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-15, gradient under
    1e-15
"""

import numpy as np

REDUCTIONS = ("mean", "sum", "none")


def _guard_slope(x):
    """The derivative of max(|x|, 1e-07)."""
    return np.sign(x) * (np.abs(x) > 1e-07)


def _prepared(outputs, target):
    """Probabilities of the classes, and the target as probabilities, both (batch, classes)."""
    outputs, target = np.asarray(outputs, dtype=float), np.asarray(target)
    powers = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    if not np.issubdtype(target.dtype, np.floating):
        if target.size and not 0 <= target.min() <= target.max() < outputs.shape[-1]:
            raise ValueError(f"class ids must lie between 0 and {outputs.shape[-1] - 1}")
        target = target[..., None] == np.arange(outputs.shape[-1])
    return powers / powers.sum(axis=-1, keepdims=True), target.astype(float)


def loss(outputs, target, reduction="mean"):
    """The loss of a batch, computed in float64.

    outputs: (batch, classes), raw outputs of the network.
    target:  (batch,) class ids, or (batch, classes) probabilities.
    reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
    prediction, target = _prepared(outputs, target)
    product_1 = 0.42224597930908203 * np.log(np.maximum(np.abs(prediction), 1e-07))
    tanh_1 = np.tanh(-np.log(np.maximum(np.abs(1.1573868989944458 - prediction), 1e-07)))
    product_2 = (1.2555135488510132 - target) * np.tanh(np.tanh(np.tanh(tanh_1)))
    sum_1 = target * (1.0 - np.exp(np.minimum(product_1, 80.0))) + product_2
    values = 3.963089844302397 * sum_1
    per_sample = values.sum(axis=-1)
    return per_sample if reduction == "none" else getattr(per_sample, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each sample's own value.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
    prediction, target = _prepared(outputs, target)
    guard_1 = np.maximum(np.abs(prediction), 1e-07)
    product_1 = 0.42224597930908203 * np.log(guard_1)
    product_2 = 1.0 / guard_1 * _guard_slope(prediction) * 0.42224597930908203
    product_3 = product_2 * (1.0 + np.minimum(np.sign(80.0 - product_1), 0.0))
    difference_1 = 1.1573868989944458 - prediction
    guard_2 = np.maximum(np.abs(difference_1), 1e-07)
    tanh_1 = np.tanh(-np.log(guard_2))
    tanh_2 = np.tanh(tanh_1)
    product_4 = (1.0 - tanh_1 * tanh_1) * (-(1.0 / guard_2 * (_guard_slope(difference_1) * (-1.0))))
    tanh_3 = np.tanh(tanh_2)
    tanh_4 = np.tanh(tanh_3)
    product_5 = (1.0 - tanh_3 * tanh_3) * ((1.0 - tanh_2 * tanh_2) * product_4)
    product_6 = (1.0 - tanh_4 * tanh_4) * product_5 * (1.2555135488510132 - target)
    sum_1 = -(np.exp(np.minimum(product_1, 80.0)) * product_3) * target + product_6
    slopes = sum_1 * 3.963089844302397
    weighted = prediction * slopes
    gradient = weighted - prediction * weighted.sum(axis=-1, keepdims=True)
    gradient = gradient.reshape(np.shape(outputs))
    return gradient / len(gradient) if reduction == "mean" else gradient
