"""The parts of an exported PyTorch file that do not depend on the formula."""

from __future__ import annotations

from symloss.records import Kind

TRUE_CLASS = '''\
class _TrueClass(torch.autograd.Function):
    """The true class's output minus the log-sum-exp of all, or of the others; one buffer for both passes."""

    @staticmethod
    def forward(input: Tensor, index: Tensor, dim: int, others: bool) -> tuple[Tensor, Tensor, Tensor]:
        powers = input.scatter(dim, index, -torch.inf) if others else input
        highest = powers.amax(dim, keepdim=True)
        powers = powers.sub_(highest).exp_() if others else (powers - highest).exp_()
        total = powers.sum(dim, keepdim=True)
        return input.gather(dim, index) - highest - total.log(), powers, total

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        input, index, ctx.dim, ctx.others = inputs
        ctx.powers, total = output[1:]
        ctx.save_for_backward(input, index, total)
        ctx.mark_non_differentiable(ctx.powers, total)
        ctx.set_materialize_grads(False)

    @staticmethod
    def backward(ctx, slope: Tensor, *_: None) -> tuple[Tensor, None, None, None]:
        input, index, total = ctx.saved_tensors
        powers, ctx.powers = ctx.powers, None
        if powers is None or torch.is_grad_enabled():  # a second pass, or second derivatives
            masked = input.scatter(ctx.dim, index, -torch.inf) if ctx.others else input
            gradient = torch.softmax(masked, ctx.dim) * -slope
        else:
            gradient = powers.mul_(-slope / total)
        return gradient.scatter_add_(ctx.dim, index, slope), None, None, None

    @staticmethod
    def vmap(info, in_dims, input, index, dim, others):
        input, index = (
            own.expand(info.batch_size, *own.shape) if at is None else own.movedim(at, 0)
            for own, at in zip((input, index), in_dims)
        )
        return _TrueClass.apply(input, index, dim + 1, others), (0, 0, 0)
'''

LOG_P = '''\
def _log_p(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """The logarithm of the true class's probability."""
    if input.numel() < 2**17 or torch.compiler.is_compiling():
        return torch.log_softmax(input, dim).gather(dim, index)
    return _TrueClass.apply(input, index, dim, False)[0]
'''

MARGIN = '''\
def _margin(input: Tensor, index: Tensor, dim: int) -> Tensor:
    """log p - log(1 - p) of the true class, exact also where p rounds to 0 or 1."""
    if not torch.compiler.is_compiling():
        return _TrueClass.apply(input, index, dim, True)[0]
    others = input.scatter(dim, index, -torch.inf)
    highest = others.amax(dim, keepdim=True).detach()
    return input.gather(dim, index) - highest - (others - highest).logsumexp(dim, keepdim=True)
'''

COMPLEMENT = '''\
def _log_complement(input: Tensor, dim: int) -> Tensor:
    """log(1 - p) for every class, exact also where p rounds to 1."""
    top = input.argmax(dim, keepdim=True)
    p = torch.softmax(input, dim).scatter(dim, top, 0.0)
    others = input.scatter(dim, top, -torch.inf)
    highest = others.amax(dim, keepdim=True).detach()
    total = (others - highest).logsumexp(dim, keepdim=True) + highest
    rest = functional.logsigmoid(total - input.gather(dim, top))
    return torch.log1p(-p).scatter(dim, top, rest)
'''

CONVENTIONS = '''\
def loss(
    input: Tensor,
    target: Tensor,
    {signature}weight: Tensor | None = None,
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
            raise ValueError(f"probabilities {{tuple(target.shape)}} do not fit input {{tuple(input.shape)}}")
        values = _weighted(_terms(input, target.to(input.dtype), dim{more}), weight, dim).sum(dim)
        return _reduced(values, values.numel(), reduction)
    if target.shape != input.shape[:dim] + input.shape[dim + 1 :]:
        raise ValueError(f"class ids {{tuple(target.shape)}} do not fit input {{tuple(input.shape)}}")
    ignored = target == ignore_index
    index = target.masked_fill(ignored, 0).long().unsqueeze(dim)
    share = ignored.numel() - ignored.sum()
    if weight is not None:
        weights = weight.to(input.dtype)[index.squeeze(dim)].masked_fill(ignored, 0.0)
        share = weights.sum()
{values}
    return _reduced(values.masked_fill(ignored, 0.0), share, reduction)
'''

_WIDE = '''\
def _wide(input: Tensor) -> Tensor:
    """Half precision in single precision, in which losses are computed under autocast."""
    return input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
'''

REDUCED = f'''\
{_WIDE}

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
        raise ValueError(f"reduction must be mean, sum or none, found {{reduction!r}}")
    return values.sum() / share if reduction == "mean" else values.sum()
'''

_SUMMARY = """\
    if reduction == "none":
        return values
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean, sum or none, found {{reduction!r}}")
"""

ENTRANCE = {
    Kind.MULTICLASS: '''\
def loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    *,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The loss of a batch, which is cross-entropy: see torch.nn.functional.cross_entropy.

    input:  (batch, classes, ...) raw outputs of the network, or (classes,) for one sample.
    target: (batch, ...) class ids, or probabilities of the shape of input.
    """
    options = {{"ignore_index": ignore_index, "reduction": reduction}}
    return {factor}functional.cross_entropy(input, target, weight, **options)
''',
    Kind.BINARY: f'''\
def loss(
    input: Tensor,
    target: Tensor,
    {{signature}}weight: Tensor | None = None,
    *,
    reduction: str = "mean",
) -> Tensor:
    """The loss of a batch, with the conventions of torch.nn.functional.binary_cross_entropy_with_logits.

    input:  raw outputs of the network, of any shape.
    target: 0 or 1 (or a probability) for each of them.
    weight: a factor for each of them; "mean" divides by their number.
    """
    input = _wide(input)
    target = target.reshape(input.shape).to(input.dtype)
{{body}}\
    if weight is not None:
        values = values * weight
{_SUMMARY}\
    return values.mean() if reduction == "mean" else values.sum()


{_WIDE}''',
    Kind.REGRESSION: f'''\
def loss(
    input: Tensor,
    target: Tensor,
    {{signature}}weight: Tensor | None = None,
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
{{body}}\
    if weight is not None:
        weight = weight.expand_as(values)
        values = values * weight
{_SUMMARY}\
    if reduction == "sum":
        return values.sum()
    return values.mean() if weight is None else values.sum() / weight.sum()


{_WIDE}''',
}

_MODULE = '''\
class Loss(nn.Module):
    """`loss` as a module: `Loss()(input, target)`{doc}"""

    weight: Tensor | None{declared}

    def __init__(
        self, weight: Tensor | None = None, *, {options}reduction: str = "mean"{flag}
    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
{setup}        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        return loss(input, target, {constants}self.weight, {passed}reduction=self.reduction)
'''


def _module(kind: Kind, tunable: bool) -> str:
    classes = kind is Kind.MULTICLASS
    setup = "        self.ignore_index = ignore_index\n" if classes else ""
    if tunable:
        setup += "        constants = torch.tensor(CONSTANTS, dtype=torch.float64)\n"
        setup += "        self.constants = nn.Parameter(constants, requires_grad=learnable)\n"
    return _MODULE.format(
        doc=". Its constants can be trained.\n\n    learnable: whether they are.\n    " if tunable else ".",
        declared="",
        options="ignore_index: int = -100, " if classes else "",
        flag=", learnable: bool = True" if tunable else "",
        setup=setup,
        constants="self.constants, " if tunable else "",
        passed="ignore_index=self.ignore_index, " if classes else "",
    )


MODULE = {kind: _module(kind, tunable=False) for kind in Kind}
MODULE_TUNABLE = {kind: _module(kind, tunable=True) for kind in Kind}
