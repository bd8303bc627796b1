"""A loss function discovered by symloss: the mean over the batch of the sum over classes of

    3.24 * (y * (1 - pow(p, 0.3713)) + (1.203 - y) * tanh(pow(p, 1.419) - log(1.143 - p)))

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.
log(a) means ln(max(|a|, 1e-7)).

kind: multiclass
expression: 3.2398429480617885 * (target * (1.0 - pow(prediction, 0.37130898237228394)) + (1.2031774520874023 - target) * tanh(pow(prediction, 1.4186053276062012) - log(1.1433920860290527 - prediction)))
candidate: 219
task: digits, 40 % symmetric label noise
metric: error
fitness: 0.04317548746518106
learning_rate: 0.003
seed: 0
symloss: 0.1.0
verified: executed on its own at 137 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-15, gradient under
    1e-14
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
    log_1 = np.log(np.maximum(np.abs(prediction), 1e-07))
    log_2 = np.log(np.maximum(np.abs(1.1433920860290527 - prediction), 1e-07))
    tanh_1 = np.tanh(np.exp(np.minimum(1.4186053276062012 * log_1, 80.0)) - log_2)
    product_1 = target * (1.0 - np.exp(np.minimum(0.37130898237228394 * log_1, 80.0)))
    values = 3.2398429480617885 * (product_1 + (1.2031774520874023 - target) * tanh_1)
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
    log_1 = np.log(guard_1)
    product_1 = 1.0 / guard_1 * _guard_slope(prediction)
    product_2 = 0.37130898237228394 * log_1
    product_3 = product_1 * 0.37130898237228394 * (1.0 + np.minimum(np.sign(80.0 - product_2), 0.0))
    product_4 = 1.4186053276062012 * log_1
    exp_1 = np.exp(np.minimum(product_4, 80.0))
    product_5 = product_1 * 1.4186053276062012 * (1.0 + np.minimum(np.sign(80.0 - product_4), 0.0))
    difference_1 = 1.1433920860290527 - prediction
    guard_2 = np.maximum(np.abs(difference_1), 1e-07)
    tanh_1 = np.tanh(exp_1 - np.log(guard_2))
    difference_2 = exp_1 * product_5 - 1.0 / guard_2 * (_guard_slope(difference_1) * (-1.0))
    product_6 = (1.0 - tanh_1 * tanh_1) * difference_2 * (1.2031774520874023 - target)
    sum_1 = -(np.exp(np.minimum(product_2, 80.0)) * product_3) * target + product_6
    slopes = sum_1 * 3.2398429480617885
    weighted = prediction * slopes
    gradient = weighted - prediction * weighted.sum(axis=-1, keepdims=True)
    gradient = gradient.reshape(np.shape(outputs))
    return gradient / len(gradient) if reduction == "mean" else gradient
