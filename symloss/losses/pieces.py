"""What losses of several classes are made of, numerically. Exported PyTorch files contain this very source.

All functions take outputs with the classes along `dim`, and `index` with one entry there: the true class.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class _TrueClass(torch.autograd.Function):
    """The true class's output minus the log-sum-exp of all, or of the others; one buffer for both passes."""

    @staticmethod
    def forward(input: Tensor, index: Tensor, dim: int, others: bool) -> tuple[Tensor, Tensor, Tensor]:
        if input.device.type == "cpu" and input.numel():  # looking at numbers would hold up a GPU
            powers = torch.softmax(input, dim)
            own = powers.gather(dim, index)
            total = torch.ones_like(own)
            if others:
                total = powers.scatter_(dim, index, 0.0).sum(dim, keepdim=True)
            if not torch.minimum(own, total).amin() < torch.finfo(input.dtype).tiny * 2**30:
                return (own / total).log_(), powers, total
        powers = input.scatter(dim, index, -torch.inf) if others else input
        highest = powers.amax(dim, keepdim=True)
        powers = powers.sub_(highest).exp_() if others else (powers - highest).exp_()
        total = powers.sum(dim, keepdim=True)
        return input.gather(dim, index) - highest - total.log(), powers, total

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> None:
        input, index, ctx.dim, ctx.others = inputs
        ctx.powers, total = output[1:]
        ctx.save_for_backward(input, index, total)
        ctx.mark_non_differentiable(ctx.powers, total)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx: Any, slope: Tensor, *_: None) -> tuple[Tensor, None, None, None]:
        input, index, total = ctx.saved_tensors
        powers, ctx.powers = ctx.powers, None
        if powers is None or torch.is_grad_enabled():  # a second pass, or second derivatives
            masked = input.scatter(ctx.dim, index, -torch.inf) if ctx.others else input
            gradient = torch.softmax(masked, ctx.dim) * -slope
        else:
            gradient = powers.mul_(-slope / total)
        return gradient.scatter_add_(ctx.dim, index, slope), None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, input: Tensor, index: Tensor, dim: int, others: bool) -> Any:
        input, index = (
            own.expand(info.batch_size, *own.shape) if at is None else own.movedim(at, 0)
            for own, at in zip((input, index), in_dims[:2], strict=True)
        )
        return _TrueClass.apply(input, index, dim + 1, others), (0, 0, 0)


def _log_p(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """The logarithm of the true class's probability."""
    if input.numel() < 2**17 or torch.compiler.is_compiling():
        return torch.log_softmax(input, dim).gather(dim, index)
    return _TrueClass.apply(input, index, dim, False)[0]


def _margin(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """Log-odds of the true class, log p - log(1 - p), exact also where p rounds to 0 or 1."""
    if not torch.compiler.is_compiling():
        return _TrueClass.apply(input, index, dim, True)[0]
    others = input.scatter(dim, index, -torch.inf)
    highest = others.amax(dim, keepdim=True).detach()
    return input.gather(dim, index) - highest - (others - highest).logsumexp(dim, keepdim=True)


def _log_complement(input: Tensor, dim: int) -> Tensor:
    """The logarithm of 1 - p for every class, exact also where p rounds to 1."""
    top = input.argmax(dim, keepdim=True)
    p = torch.softmax(input, dim).scatter(dim, top, 0.0)
    others = input.scatter(dim, top, -torch.inf)
    highest = others.amax(dim, keepdim=True).detach()
    total = (others - highest).logsumexp(dim, keepdim=True) + highest
    rest = functional.logsigmoid(total - input.gather(dim, top))
    return torch.log1p(-p).scatter(dim, top, rest)


def _wide(input: Tensor) -> Tensor:
    """Half precision in single precision, in which losses are computed under autocast."""
    return input.float() if input.dtype in (torch.float16, torch.bfloat16) else input


def _weighted(terms: Tensor, weight: Tensor | None, dim: int) -> Tensor:
    """The classes' terms times their weights."""
    if weight is None:
        return terms
    return terms * weight.to(terms.dtype).reshape(-1, *[1] * (terms.dim() - dim - 1))


def _reduced(values: Tensor, share: Tensor | int, reduction: str) -> Tensor:
    """All values, their sum, or their sum divided by `share`."""
    if reduction == "none":
        return values
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
    return values.sum() / share if reduction == "mean" else values.sum()
