"""A loss function discovered by symloss: the mean over the batch of the sum over outputs of

    1.055 * (min(pow(p - y, 1.899), 1.647) + 1.04 * abs(p - y))

where p = the predicted value, y = the true value.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

kind: regression
expression: 1.054817031141498 * (min(pow(prediction - target, 1.898795284575758), 1.6471394229157938) + 1.0395000483816401 * abs(prediction - target))
candidate: 177
task: diabetes, 20 % gross outliers in the training targets
metric: mse
fitness: 0.5029436824712945
learning_rate: 9e-05
seed: 0
symloss: 0.1.0
verified: executed on its own at 128 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-15, gradient under
    1e-15
"""

import numpy as np

REDUCTIONS = ("mean", "sum", "none")


def _guard_slope(x):
    """The derivative of max(|x|, 1e-07)."""
    return np.sign(x) * (np.abs(x) > 1e-07)


def _prepared(outputs, target):
    """Predicted and true values, both (batch, outputs)."""
    outputs = np.asarray(outputs, dtype=float)
    prediction = outputs if outputs.ndim > 1 else outputs[:, None]
    return prediction, np.asarray(target, dtype=float).reshape(prediction.shape)


def loss(outputs, target, reduction="mean"):
    """The loss of a batch, computed in float64.

    outputs: (batch, outputs) or (batch,), predicted values.
    target:  the true value of each output.
    reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
    prediction, target = _prepared(outputs, target)
    difference_1 = prediction - target
    product_1 = 1.898795284575758 * np.log(np.maximum(np.abs(difference_1), 1e-07))
    minimum_1 = np.minimum(np.exp(np.minimum(product_1, 80.0)), 1.6471394229157938)
    values = 1.054817031141498 * (minimum_1 + 1.0395000483816401 * np.abs(difference_1))
    per_sample = values.sum(axis=-1)
    return per_sample if reduction == "none" else getattr(per_sample, reduction)()


def gradient(outputs, target, reduction="mean"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each sample's own value.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
    prediction, target = _prepared(outputs, target)
    difference_1 = prediction - target
    guard_1 = np.maximum(np.abs(difference_1), 1e-07)
    product_1 = 1.898795284575758 * np.log(guard_1)
    product_2 = 1.0 / guard_1 * _guard_slope(difference_1) * 1.898795284575758
    exp_1 = np.exp(np.minimum(product_1, 80.0))
    product_3 = exp_1 * (product_2 * (1.0 + np.minimum(np.sign(80.0 - product_1), 0.0)))
    product_4 = product_3 * (0.5 + 0.5 * np.sign(1.6471394229157938 - exp_1))
    slopes = (product_4 + np.sign(difference_1) * 1.0395000483816401) * 1.054817031141498
    gradient = slopes + np.zeros_like(prediction)
    gradient = gradient.reshape(np.shape(outputs))
    return gradient / len(gradient) if reduction == "mean" else gradient
