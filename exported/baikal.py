"""baikal: the mean of the sum over classes of

    y * pow(p, -1) - ln(p)

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

format: torch
kind: multiclass
reduction: mean
expression: target * pow(prediction, -1.0) - ln(prediction)
reference: Gonzalez and Miikkulainen 2020, arXiv 1905.11528; 1/p is limited to 1e7
symloss: 0.1.0
verified: executed on its own at 274 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-11, gradient under
    1e-11; float32: value under 1e-5, gradient under 1e-5
"""

import torch
from torch import Tensor, nn


def _terms(input: Tensor, target: Tensor, dim: int) -> Tensor:
    """The term of each class, whose target is a probability."""
    log_p = torch.log_softmax(input, dim)
    return target * torch.exp(-torch.clamp(log_p, min=-16.11809565095832)) - log_p


def _of_true_class(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """The whole loss of a sample from its true class alone; index has one entry along dim."""
    all_log_p = torch.log_softmax(input, dim)
    others_log_p = all_log_p.scatter(dim, index, 0.0).sum(dim, keepdim=True)
    log_p = all_log_p.gather(dim, index)
    values = torch.exp(-torch.clamp(log_p, min=-16.11809565095832)) - log_p - others_log_p
    return values.squeeze(dim)


def loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The loss of a batch, with the conventions of torch.nn.functional.cross_entropy.

    input:  (batch, classes, ...) raw outputs of the network, or (classes,) for one sample.
    target: (batch, ...) class ids, or probabilities of the shape of input.
    weight: (classes,) factors of the classes' terms. "mean" divides by those of the true classes.
    ignore_index: the class id of samples that are left out.
    """
    dim = 1 if input.dim() > 1 else 0
    input = _wide(input)
    if target.is_floating_point():
        if target.shape != input.shape:
            raise ValueError(f"probabilities {tuple(target.shape)} do not fit input {tuple(input.shape)}")
        if ignore_index >= 0:
            raise ValueError("ignore_index is a class id, and target has probabilities")
        values = _weighted(_terms(input, target.to(input.dtype), dim), weight, dim).sum(dim)
        return _reduced(values, None, values.numel(), reduction)
    if target.shape != input.shape[:dim] + input.shape[dim + 1 :]:
        raise ValueError(f"class ids {tuple(target.shape)} do not fit input {tuple(input.shape)}")
    index, ignored, weights, share = _samples(input, target, weight, ignore_index, dim)
    if weight is None:
        values = _of_true_class(input, index, dim)
    else:  # every class has a term of its own
        hot = torch.zeros_like(input).scatter(dim, index, 1.0)
        values = _weighted(_terms(input, hot, dim), weight, dim).sum(dim)
    return _reduced(values, ignored, share, reduction)


def _traced() -> bool:
    """Whether operations are being written down, for a compiler or an export."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()


def _left_out(target: Tensor, ignore_index: int) -> bool:
    """Whether any sample may be; taken for granted where looking would hold up a GPU, or is not possible."""
    if _traced() or target.device.type != "cpu":
        return True
    try:
        if ignore_index < 0 and target.numel():  # one operation on ids, where there is only one such
            return bool(target.min().item() < 0)
        return bool((target == ignore_index).any())
    except RuntimeError:  # in torch.func and tracers
        return True


def _samples(
    input: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, dim: int
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | int]:
    """Class ids, along `dim` and 0 where samples are left out; which are; weights.

    None where none is left out, or there are no weights. Last, what the mean divides by.
    """
    target, ignored, weights = target.long(), None, None  # in bytes -100 is 156
    index = target.unsqueeze(dim)
    share: Tensor | int = target.numel()
    if _left_out(target, ignore_index):
        ignored = target == ignore_index
        index, share = index.masked_fill(ignored.unsqueeze(dim), 0), share - ignored.sum()
    if weight is not None:
        weights = weight.to(input.dtype)[index.squeeze(dim)]
        weights = weights if ignored is None else weights.masked_fill(ignored, 0.0)
        share = weights.sum()
    return index, ignored, weights, share


def _wide(input: Tensor) -> Tensor:
    """Half precision in single precision, in which losses are computed under autocast."""
    return input.float() if input.dtype in (torch.float16, torch.bfloat16) else input


def _weighted(terms: Tensor, weight: Tensor | None, dim: int) -> Tensor:
    """The classes' terms times their weights."""
    if weight is None:
        return terms
    return terms * weight.to(terms.dtype).reshape(-1, *[1] * (terms.dim() - dim - 1))


def _reduced(values: Tensor, ignored: Tensor | None, share: Tensor | int, reduction: str) -> Tensor:
    """All values, their sum, or their sum divided by `share`; a number is how many values there are."""
    if ignored is not None:
        values = values.masked_fill(ignored, 0.0)
    if reduction == "none":
        return values
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
    if reduction == "sum":
        return values.sum()
    return values.mean() if isinstance(share, int) else values.sum() / share


class Loss(nn.Module):
    """`loss` as a module: `Loss()(input, target)`."""

    weight: Tensor | None

    def __init__(
        self,
        weight: Tensor | None = None,
        *,
        ignore_index: int = -100,
        reduction: str = "mean",
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
        self.ignore_index = ignore_index
        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        options = {"ignore_index": self.ignore_index, "reduction": self.reduction}
        return loss(input, target, self.weight, **options)
