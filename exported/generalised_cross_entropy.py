"""generalised-cross-entropy: the mean of the sum over classes of

    y * ((1 - pow(p, 0.7)) * 1.429)

where p = softmax(outputs), y = 1 for the true class and 0 for the others.
pow(a, b) means max(|a|, 1e-7)^b, its logarithm at most 80.

format: torch
kind: multiclass
reduction: mean
expression: target * ((1.0 - pow(prediction, 0.7)) * 1.4285714285714286)
reference: Zhang and Sabuncu 2018, arXiv 1805.07836, q 0.7
symloss: 0.1.0
verified: executed on its own at 274 points (ordinary, extreme, ties) and equal to symloss's
    evaluation of this formula, worst relative errors float64: value under 1e-11, gradient under
    1e-11; float32: value under 1e-5, gradient under 1e-5
"""

from typing import Any

import torch
from torch import Tensor, nn


def _by_powers(input: Tensor, index: Tensor, dim: int, others: bool) -> tuple[Tensor, Tensor, Tensor | None]:
    """The true class's output minus a log-sum-exp, exponentials, and their sum; None for a sum of 1."""
    if input.device.type == "cpu" and input.numel():  # looking at numbers would hold up a GPU
        powers, total = torch.softmax(input, dim), None
        found = powers.gather(dim, index)
        if others:
            total = powers.scatter_(dim, index, 0.0).sum(dim, keepdim=True)
            found /= total
        least, most = found.aminmax()
        if 1e-26 < least.item() <= most.item() < 1e26:  # nothing has come near underflow
            return found.log_(), powers, total
        near = (found > 1e-26) & (found < 1e26)
        if 4 * int(near.sum()) > 3 * near.numel() and input.dim() > 1:
            return _far(input, index, dim, found.log_(), powers, total, near)
        del powers
    powers = input.scatter(dim, index, -torch.inf) if others else input
    highest = powers.amax(dim, keepdim=True)
    powers = powers.sub_(highest).exp_() if others else (powers - highest).exp_()
    total = powers.sum(dim, keepdim=True)
    return input.gather(dim, index) - highest - total.log(), powers, total


def _far(
    input: Tensor, index: Tensor, dim: int, found: Tensor, powers: Tensor, total: Tensor | None, near: Tensor
) -> tuple[Tensor, Tensor, Tensor | None]:
    """What `_by_powers` returns, for samples that are not near done again by way of their largest outputs."""
    where = near.logical_not().squeeze(dim).nonzero(as_tuple=True)
    own, at = input.movedim(dim, -1)[where], index.movedim(dim, -1)[where]
    rest = own if total is None else own.scatter(-1, at, -torch.inf)
    highest = rest.amax(-1, keepdim=True)
    renewed = (rest - highest).exp_()
    sums = renewed.sum(-1, keepdim=True)
    found.movedim(dim, -1)[where] = own.gather(-1, at) - highest - sums.log()
    if total is not None:
        powers.movedim(dim, -1)[where] = renewed
        total.movedim(dim, -1)[where] = sums
    return found, powers, total


class _TrueClass(torch.autograd.Function):
    """The true class's output minus the log-sum-exp of all, or of the others; one buffer for both passes.

    formula: a function of those numbers and the count of classes, which makes of them the losses of samples,
             then returned, and their derivatives by the numbers. It is given them without the dimension.
    mean:    return the mean of the losses; the dimension is nothing to it, and stays.
    """

    @staticmethod
    def forward(
        ctx: Any, input: Tensor, index: Tensor, dim: int, others: bool, formula: Any, mean: bool
    ) -> Tensor:
        found, powers, total = _by_powers(input, index, dim, others)
        numbers = found if mean else found.squeeze(dim)
        values, slopes = (found, None) if formula is None else formula(numbers, input.shape[dim])
        ctx.dim, ctx.others, ctx.formula, ctx.mean = dim, others, formula, mean
        # A first pass uses this up: outputs may be written over before it, and nothing is kept after it.
        ctx.first = powers, total, slopes, index, None if index.is_inference() else index._version
        ctx.save_for_backward(input, index)
        if mean:
            return values.mean()
        own = formula is None or (values is not numbers and values is not slopes)
        return values if own else values.clone()  # the caller may write over what is returned

    @staticmethod
    def backward(ctx: Any, rise: Tensor) -> tuple[Tensor, None, None, None, None, None]:
        dim, others, formula, mean = ctx.dim, ctx.others, ctx.formula, ctx.mean
        twice = torch.is_grad_enabled()  # for second derivatives
        (powers, total, slopes, index, version), ctx.first = ctx.first or [None] * 5, None
        if powers is None or twice:
            input, index = ctx.saved_tensors
            if twice:
                numbers = _relative(input, index, dim, others)
            else:  # as in the first pass, bit for bit
                numbers, powers, total = _by_powers(input, index, dim, others)
            if formula is not None:
                slopes = formula(numbers if mean else numbers.squeeze(dim), input.shape[dim])[1]
        elif version is not None and version != index._version:
            raise RuntimeError("the class ids were written over before the backward pass")
        slope = rise
        if formula is not None:
            slope = rise / index.numel() * slopes if mean else (rise * slopes).unsqueeze(dim)
            if not slope.dim():  # the derivative was a number
                slope = slope.expand(index.shape)
        if twice:
            masked = input.scatter(dim, index, -torch.inf) if others else input
            gradient = torch.softmax(masked, dim) * -slope
        else:
            share = -slope if total is None else slope / -total
            try:
                gradient = powers.mul_(share)
            except RuntimeError:  # for several gradients at once
                gradient = powers * share
        return gradient.scatter_add_(dim, index, slope), None, None, None, None, None


def _relative(
    input: Tensor, index: Tensor, dim: int, others: bool, formula: Any = None, mean: bool = False
) -> Tensor:
    """What `_TrueClass` computes, also when transformed."""
    if not _traced():
        try:
            return _TrueClass.apply(input, index, dim, others, formula, mean)
        except RuntimeError:  # for torch.func and tracers; whatever else is wrong is so below, too
            pass
    rest = input.scatter(dim, index, -torch.inf) if others else input
    highest = rest.amax(dim, keepdim=True).detach()
    found = input.gather(dim, index) - highest - (rest - highest).logsumexp(dim, keepdim=True)
    if formula is None:
        return found
    values = formula(found.squeeze(dim), input.shape[dim])[0]
    return values.mean() if mean else values


def _log_p(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """The logarithm of the true class's probability."""
    if input.numel() < 2**17 or _traced():
        return torch.log_softmax(input, dim).gather(dim, index)
    return _relative(input, index, dim, False)


def _terms(input: Tensor, target: Tensor, dim: int) -> Tensor:
    """The term of each class, whose target is a probability."""
    log_p = torch.log_softmax(input, dim)
    difference_1 = 1.0 - torch.exp(0.7 * torch.clamp(log_p, min=-16.11809565095832))
    return target * (difference_1 * 1.4285714285714286)


def _of_log_p(log_p: Tensor, classes: int) -> tuple[Tensor, Any]:
    """The whole loss of a sample from the log-probability of its true class, and its derivative by that."""
    exp_1 = torch.exp(0.7 * torch.clamp(log_p, min=-16.11809565095832))
    product_1 = (1.0 + torch.clamp(torch.sign(log_p - (-16.11809565095832)), max=0.0)) * 0.7
    values = (1.0 - exp_1) * 1.4285714285714286
    slopes = exp_1 * product_1 * (-1.4285714285714286)
    return values, slopes


def _of_true_class(input: Tensor, index: Tensor, dim: int, mean: bool = False) -> Tensor:
    """The whole losses of samples, or their mean; index has one entry along dim."""
    return _relative(input, index, dim, False, _of_log_p, mean)


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
    if reduction == "mean" and ignored is None and weights is None:
        return _of_true_class(input, index, dim, mean=True)
    values = _of_true_class(input, index, dim)
    values = values if weights is None else values * weights
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
