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
verified: executed on its own at 274 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-15, gradient under
    1e-15; float32: value under 1e-6, gradient under 1e-6
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def loss(outputs: Tensor, target: Tensor, reduction: str = "mean") -> Tensor:
    """The loss of a batch.

    outputs: (batch, classes), raw outputs of the network.
    target:  (batch,) class ids, or (batch, classes) probabilities.
    reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
    """
    prediction = torch.softmax(outputs, dim=-1)
    if not target.is_floating_point():
        target = functional.one_hot(target.long(), outputs.shape[-1])
    target = target.to(outputs.dtype)
    log_1 = torch.log(torch.clamp(torch.abs(prediction), min=1e-07))
    log_2 = torch.log(torch.clamp(torch.abs(1.1433920860290527 - prediction), min=1e-07))
    tanh_1 = torch.tanh(torch.exp(torch.clamp(1.4186053276062012 * log_1, max=80.0)) - log_2)
    product_1 = target * (1.0 - torch.exp(torch.clamp(0.37130898237228394 * log_1, max=80.0)))
    values = 3.2398429480617885 * (product_1 + (1.2031774520874023 - target) * tanh_1)
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
