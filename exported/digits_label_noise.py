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
    product_1 = 0.42224597930908203 * torch.log(torch.clamp(torch.abs(prediction), min=1e-07))
    negative_1 = -torch.log(torch.clamp(torch.abs(1.1573868989944458 - prediction), min=1e-07))
    tanh_1 = torch.tanh(torch.tanh(torch.tanh(torch.tanh(negative_1))))
    product_2 = target * (1.0 - torch.exp(torch.clamp(product_1, max=80.0)))
    values = 3.963089844302397 * (product_2 + (1.2555135488510132 - target) * tanh_1)
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
