"""A loss as a PyTorch file: a function and a module that need torch alone."""

from __future__ import annotations

from symloss.export.header import Header, described, python_docstring
from symloss.export.statements import value_lines
from symloss.expr.primitives import GUARD, WORDS, CodeVocabulary
from symloss.records import Kind, SymbolicLoss

TEMPLATES = {
    **{word: f"torch.{word}({{0}})" for word in WORDS},
    "maximum": "torch.maximum({0}, {1})",
    "minimum": "torch.minimum({0}, {1})",
    "maximum_literal": "torch.clamp({0}, min={1})",  # torch.maximum refuses numbers
    "minimum_literal": "torch.clamp({0}, max={1})",
    "guard": f"torch.clamp(torch.abs({{0}}), min={GUARD!r})",
}

VOCABULARY = CodeVocabulary(TEMPLATES)

ARRAY = "prediction.new_full((), {0})"
"""A constant as a tensor: torch.maximum shares the gradient at ties, as the search did; clamp does not."""

SHAPES = {
    Kind.MULTICLASS: [
        "outputs: (batch, classes), raw outputs of the network.",
        "target:  (batch,) class ids, or (batch, classes) probabilities.",
    ],
    Kind.BINARY: [
        "outputs: (batch, 1) or (batch,), raw outputs of the network.",
        "target:  0 or 1 (or a probability) for each output.",
    ],
    Kind.REGRESSION: [
        "outputs: (batch, outputs) or (batch,), predicted values.",
        "target:  the true value of each output.",
    ],
}

_ENTRANCES = {
    Kind.MULTICLASS: """\
    prediction = torch.softmax(outputs, dim=-1)
    if not target.is_floating_point():
        target = functional.one_hot(target.long(), outputs.shape[-1])
    target = target.to(outputs.dtype)
""",
    Kind.BINARY: """\
    prediction = torch.sigmoid(outputs if outputs.dim() > 1 else outputs.unsqueeze(-1))
    target = target.reshape(prediction.shape).to(prediction.dtype)
""",
    Kind.REGRESSION: """\
    prediction = outputs if outputs.dim() > 1 else outputs.unsqueeze(-1)
    target = target.reshape(prediction.shape).to(prediction.dtype)
""",
}


def emit_torch(loss: SymbolicLoss, header: Header) -> str:
    """The file's text. Raises ExportError if a part made of constants alone is not finite."""
    lines = value_lines(loss.expression, VOCABULARY, ARRAY)
    body = "".join(f"    {line}\n" for line in lines)
    shapes = "\n".join(f"    {line}" for line in SHAPES[loss.kind])
    functional = "from torch.nn import functional\n" if loss.kind is Kind.MULTICLASS else ""
    return f'''\
{python_docstring(described(loss, header))}

import torch
from torch import Tensor, nn
{functional}

def loss(outputs: Tensor, target: Tensor, reduction: str = "{loss.reduction}") -> Tensor:
    """The loss of a batch.

{shapes}
    reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
    """
{_ENTRANCES[loss.kind]}{body}    per_sample = values.sum(dim=-1)
    if reduction == "none":
        return per_sample
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be mean, sum or none, found {{reduction!r}}")
    return per_sample.mean() if reduction == "mean" else per_sample.sum()


class Loss(nn.Module):
    """`loss` as a module: `Loss()(outputs, target)`."""

    def __init__(self, reduction: str = "{loss.reduction}") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        return loss(outputs, target, self.reduction)
'''
