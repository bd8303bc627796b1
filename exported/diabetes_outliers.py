"""A loss function discovered by symloss: the mean of these values

    1.627 * min(pow(p - y, 1.078), 1.764)

where p = the predicted value, y = the true value.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

format: torch
kind: regression
reduction: mean
expression: 1.6272678381361032 * min(pow(prediction - target, 1.077669953934417), 1.7636981293199643)
found by: symloss search --task diabetes --outliers 0.2 --device cpu --set training.steps=1000 --set
    training.network=chain --set training.models_at_once=16 --set tuning.weights=none --set
    finalists.count=12 --set finalists.seeds=10 --set finalists.steps=2.0 --set
    'finalists.factors=[0.3, 1.0, 3.0, 10.0]' --seeds catalogue
candidate: 226
task: diabetes, outliers 0.2
metric: mse
fitness: 0.5022183328765769
learning_rate: 0.0001
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
    if [n for n in target.shape if n != 1] != [n for n in input.shape if n != 1]:
        raise ValueError(f"target {tuple(target.shape)} does not fit input {tuple(input.shape)}")
    input = _wide(input)
    target = target.reshape(input.shape).to(input.dtype)
    product_1 = 1.077669953934417 * torch.log(torch.clamp(torch.abs(input - target), min=1e-07))
    exp_1 = torch.exp(torch.clamp(product_1, max=80.0))
    values = 1.6272678381361032 * torch.minimum(exp_1, input.new_full((), 1.7636981293199643))
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
