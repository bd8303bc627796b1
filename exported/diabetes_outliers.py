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
verified: executed on its own at 256 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value 0, gradient 0; float32: value
    0, gradient 0
"""

import torch
from torch import Tensor, nn


def loss(outputs: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The loss of a batch.

    outputs: (batch, outputs) or (batch,), predicted values.
    target:  the true value of each output.
    reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
    """
    prediction = outputs if outputs.dim() > 1 else outputs.unsqueeze(-1)
    target = target.reshape(prediction.shape).to(prediction.dtype)
    difference_1 = prediction - target
    product_1 = 1.898795284575758 * torch.log(torch.clamp(torch.abs(difference_1), min=1e-07))
    exp_1 = torch.exp(torch.clamp(product_1, max=80.0))
    minimum_1 = torch.minimum(exp_1, prediction.new_full((), 1.6471394229157938))
    values = 1.054817031141498 * (minimum_1 + 1.0395000483816401 * torch.abs(difference_1))
    per_sample = values.sum(dim=-1)
    if reduction == "none":
        return per_sample
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
    return per_sample.mean() if reduction == "mean" else per_sample.sum()


class Loss(nn.Module):
    """`loss` as a module: `Loss()(outputs, target)`."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        return loss(outputs, target, self.reduction)
