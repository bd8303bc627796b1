"""The parts of an exported PyTorch file that do not depend on the formula."""

from __future__ import annotations

import inspect

from symloss.losses import pieces
from symloss.records import Kind

(
    _BY_POWERS,
    _FAR,
    _TRUE_CLASS,
    RELATIVE,
    LOG_P,
    MARGIN,
    COMPLEMENT,
    LOG,
    TRACED,
    _LEFT_OUT,
    _SAMPLES,
    _WIDE,
) = (
    inspect.getsource(own).replace("  # type: ignore[attr-defined]", "")
    for own in (
        pieces._by_powers,
        pieces._far,
        pieces._TrueClass,
        pieces._relative,
        pieces._log_p,
        pieces._margin,
        pieces._log_complement,
        pieces._log,
        pieces._traced,
        pieces._left_out,
        pieces._samples,
        pieces._wide,
    )
)

TRUE_CLASS = "\n\n".join((_BY_POWERS, _FAR, _TRUE_CLASS))
SAMPLES = "\n\n".join((TRACED, _LEFT_OUT, _SAMPLES))

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
{check}    input = _wide(input)
    if target.is_floating_point():
        if target.shape != input.shape:
            raise ValueError(f"probabilities {{tuple(target.shape)}} do not fit input {{tuple(input.shape)}}")
        if ignore_index >= 0:
            raise ValueError("ignore_index is a class id, and target has probabilities")
        values = _weighted(_terms(input, target.to(input.dtype), dim{more}), weight, dim).sum(dim)
        return _reduced(values, None, values.numel(), reduction)
    if target.shape != input.shape[:dim] + input.shape[dim + 1 :]:
        raise ValueError(f"class ids {{tuple(target.shape)}} do not fit input {{tuple(input.shape)}}")
    index, ignored, weights, share = _samples(input, target, weight, ignore_index, dim)
{values}
    return _reduced(values, ignored, share, reduction)
'''

COUNTED = """\
    if not _traced() and input.shape[dim] < 2:
        raise ValueError(f"there must be at least two classes, found {input.shape[dim]}")
"""

REDUCED = "\n\n".join(inspect.getsource(own) for own in (pieces._wide, pieces._weighted, pieces._reduced))

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
    if [n for n in target.shape if n != 1] != [n for n in input.shape if n != 1]:
        raise ValueError(f"target {{{{tuple(target.shape)}}}} does not fit input {{{{tuple(input.shape)}}}}")
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
    if [n for n in target.shape if n != 1] != [n for n in input.shape if n != 1]:
        raise ValueError(f"target {{{{tuple(target.shape)}}}} does not fit input {{{{tuple(input.shape)}}}}")
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
        self,
        weight: Tensor | None = None,
        *,
{options}        reduction: str = "mean",
{flag}    ) -> None:
        super().__init__()
        self.register_buffer("weight", weight)
{setup}        self.reduction = reduction

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        options = {{{passed}"reduction": self.reduction}}
        return loss(input, target, {constants}self.weight, **options)
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
        options="        ignore_index: int = -100,\n" if classes else "",
        flag="        learnable: bool = True,\n" if tunable else "",
        setup=setup,
        constants="self.constants, " if tunable else "",
        passed='"ignore_index": self.ignore_index, ' if classes else "",
    )


CONSTANTS_AT = '''\
def constants_at(progress: float) -> Tensor:
    """The constants when this share of training is done: polynomials in it, by Horner's rule."""
    if not 0.0 <= progress <= 1.0:
        raise ValueError(f"progress must lie between 0 and 1, found {progress}")
    columns = torch.tensor(COEFFICIENTS, dtype=torch.float64).unbind(1)
    constants = columns[-1]
    for column in reversed(columns[:-1]):
        constants = constants * progress + column
    return constants
'''


def _over_time(kind: Kind) -> str:
    """The module whose `forward` is told how far training has come."""
    text = _module(kind, tunable=False)
    return (
        text.replace("def forward(self, input: Tensor, target: Tensor)", _FORWARD)
        .replace("self.weight, **options)", "constants_at(progress), self.weight, **options)")
        .replace("`Loss()(input, target)`", "`Loss()(input, target, progress)`")
    )


_FORWARD = "def forward(self, input: Tensor, target: Tensor, progress: float)"

MODULE_OVER_TIME = {kind: _over_time(kind) for kind in Kind}
MODULE = {kind: _module(kind, tunable=False) for kind in Kind}
MODULE_TUNABLE = {kind: _module(kind, tunable=True) for kind in Kind}
