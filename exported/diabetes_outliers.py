"""A loss function discovered by symloss: the mean of these values

    1.055 * (min(pow(p - y, 1.899), 1.647) + 1.04 * abs(p - y))

where p = the predicted value, y = the true value.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

format: torch
kind: regression
reduction: mean
expression: 1.054817031141498 * (min(pow(prediction - target, 1.898795284575758), 1.6471394229157938) + 1.0395000483816401 * abs(prediction - target))
found by: symloss search --task diabetes --outliers 0.2
candidate: 177
task: diabetes, 20 % gross outliers in the training targets
metric: mse
fitness: 0.5029436824712945
learning_rate: 9e-05
seed: 0
symloss: 0.1.0
verified: executed on its own at 256 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-11, gradient under
    1e-11; float32: value under 1e-5, gradient under 1e-5
"""

import torch
from torch import Tensor, nn


def loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The loss of a batch, with the conventions of torch.nn.functional.mse_loss.

    input:  predicted values, of any shape.
    target: the true value of each of them.
    weight: a factor for each of them; "mean" divides by their sum.
    """
    input = _wide(input)
    target = target.reshape(input.shape).to(input.dtype)
    difference_1 = input - target
    product_1 = 1.898795284575758 * torch.log(torch.clamp(torch.abs(difference_1), min=1e-07))
    exp_1 = torch.exp(torch.clamp(product_1, max=80.0))
    minimum_1 = torch.minimum(exp_1, input.new_full((), 1.6471394229157938))
    values = 1.054817031141498 * (minimum_1 + 1.0395000483816401 * torch.abs(difference_1))
    if weight is not None:
        weight = weight.expand_as(values)
        values = values * weight
    if reduction == "none":
        return values
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
    if reduction == "sum":
        return values.sum()
    return values.mean() if weight is None else values.sum() / weight.sum()


def _wide(input: Tensor) -> Tensor:
    """Half precision in single precision, in which losses are computed under autocast."""
    return input.float() if input.dtype in (torch.float16, torch.bfloat16) else input


class Loss(nn.Module):
    """`loss` as a module: `Loss()(input, target)`."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        options = {"reduction": self.reduction}
        return loss(input, target, self.weight, **options)
