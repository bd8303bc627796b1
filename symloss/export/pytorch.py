"""A loss as a PyTorch file: a function and a module with torch's own conventions, which need torch alone."""

from __future__ import annotations

import re

from symloss.export.forms import Form
from symloss.export.graph import EXTRA_WORDS, Node, inputs_needed, needed, slope_of
from symloss.export.header import Header, described, python_docstring
from symloss.export.sparse import OUTPUTS
from symloss.export.statements import Language, lines_for
from symloss.export.torch_pieces import (
    COMPLEMENT,
    CONSTANTS_AT,
    CONVENTIONS,
    COUNTED,
    ENTRANCE,
    LOG,
    LOG_P,
    MARGIN,
    MODULE,
    MODULE_OVER_TIME,
    MODULE_TUNABLE,
    REDUCED,
    RELATIVE,
    SAMPLES,
    TRACED,
    TRUE_CLASS,
)
from symloss.expr.primitives import EXP_LIMIT, GUARD, WORDS, CodeVocabulary
from symloss.records import Kind

TEMPLATES = {
    **{word: f"torch.{word}({{0}})" for word in (*WORDS, *EXTRA_WORDS)},
    "maximum": "torch.maximum({0}, {1})",
    "minimum": "torch.minimum({0}, {1})",
    "maximum_literal": "torch.clamp({0}, min={1})",  # torch.maximum refuses numbers
    "minimum_literal": "torch.clamp({0}, max={1})",
    "guard_slope": f"torch.sign(functional.hardshrink({{0}}, {GUARD!r}))",
    "guard": f"torch.clamp(torch.abs({{0}}), min={GUARD!r})",
    "logsigmoid": "functional.logsigmoid({0})",
}


def _beside(name: str) -> Language:
    """How formulas are written where `name` is a tensor of the right type and device."""
    return Language(
        CodeVocabulary(TEMPLATES),
        # torch.maximum shares the gradient of a tie with a constant, as the search did; clamp does not.
        array=f"{name}.new_full((), {{0}})",
        counted=f"{name}.new_zeros(()) + {{0}}",
        scalars={"log": f"_log({{0}}, {name})"},
    )


LANGUAGE = _beside("input")


def emit_torch(form: Form, header: Header) -> str:
    """The file's text. Raises ExportError if a part made of constants alone is not finite."""
    definitions = _definitions(form)
    if form.schedule is not None:
        definitions[:0] = [f"COEFFICIENTS = {form.schedule!r}\n", CONSTANTS_AT]
        definitions.append(MODULE_OVER_TIME[form.loss.kind])
    elif form.tunable:
        definitions.insert(0, f"CONSTANTS = {form.constants!r}\n")
        definitions.append(MODULE_TUNABLE[form.loss.kind])
    else:
        definitions.append(MODULE[form.loss.kind])
    default = f'reduction: str = "{form.loss.reduction}"'
    code = "\n\n".join(definitions).replace('reduction: str = "mean"', default)
    imports = ["import math"] if "math." in code else []
    imports += ["from typing import Any"] if ": Any" in code else []
    imports += [""] if imports else []
    imports += ["import torch", "from torch import Tensor, nn"]
    imports += ["from torch.nn import functional"] if re.search(r"(?<!nn\.)functional\.", code) else []
    top = python_docstring(described(form, header, "torch"))
    return f"{top}\n\n{chr(10).join(imports)}\n\n\n{code}"


def emit_for_onnx(form: Form, header: Header) -> str:
    """The PyTorch file of which an ONNX model is made.

    torch translates logsigmoid into the logarithm of a sigmoid, which is -inf where that rounds to 0.
    """
    text = emit_torch(form, header)
    used = "functional.logsigmoid(" in text
    helper = "\n\ndef _log_sigmoid(x):\n    return -functional.softplus(-x)\n" if used else ""
    return text.replace("functional.logsigmoid(", "_log_sigmoid(") + helper


def _definitions(form: Form) -> list[str]:
    """The functions of the file, in their order."""
    if form.loss.kind is not Kind.MULTICLASS:
        whole = _elementwise(form)
        return [LOG, TRACED, whole] if "_log(" in whole else [whole]
    if form.scale is not None:
        return [_cross_entropy(form.scale)]
    extra = "constants" if form.tunable else ""
    parts = [_terms(form)]
    if form.sample is not None:
        parts.append(_of_true_class(form, form.sample))
    if form.split is not None:
        parts.append(_of_classes(form, *form.split))
    if any("_log_complement(" in part for part in parts):
        parts.insert(0, COMPLEMENT)
    needed_first = {"_log_p(": LOG_P, "_margin(": MARGIN}
    helpers = [text for use, text in needed_first.items() if any(use in part for part in parts)]
    if helpers or any("_relative(" in part for part in parts):
        helpers = [TRUE_CLASS, RELATIVE, *helpers]
    helpers += [LOG] if any("_log(" in part for part in parts) else []
    return [*helpers, *parts, _with_conventions(form, extra), SAMPLES, REDUCED]


def _body(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


def _unpacked(form: Form, *results: Node) -> list[str]:
    """The statement that names tunable constants, if there are any."""
    if not form.tunable or not form.constants:
        return []
    names = ", ".join(f"c{i + 1}" for i in range(len(form.constants)))
    return [f"{names}{',' * (len(form.constants) == 1)} = constants.to(input.dtype)"]


def _parameters(form: Form) -> str:
    return ", constants: Tensor" if form.tunable else ""


_DENSE = {
    "classes": "classes = input.shape[dim]",
    "p": "p = torch.softmax(input, dim)",
    "log_p": "log_p = torch.log_softmax(input, dim)",
    "log_rest": "log_rest = _log_complement(input, dim)",
}


def _terms(form: Form) -> str:
    names = inputs_needed(form.terms)
    lines = [*_unpacked(form), *(text for name, text in _DENSE.items() if name in names)]
    lines += lines_for({"terms": form.terms}, LANGUAGE)
    lines[-1] = lines[-1].replace("terms = ", "return ", 1)
    return f'''\
def _terms(input: Tensor, target: Tensor, dim: int{_parameters(form)}) -> Tensor:
    """The term of each class, whose target is a probability."""
{_body(lines)}'''


_SUMS = {
    "sum_log_p": "sum_log_p = all_log_p.sum(dim, keepdim=True)",
    "others_log_p": "others_log_p = all_log_p.scatter(dim, index, 0.0).sum(dim, keepdim=True)",
}


def _of_true_class(form: Form, sample: Node) -> str:
    if _has_formula(form, sample):
        return _by_formula(sample)
    names, ties = inputs_needed(sample), _has_ties(sample)
    lines = _unpacked(form)
    if "classes" in names:
        lines.append("classes = input.shape[dim]")
    if "margin" in names:
        lines.append("margin = _margin(input, index, dim)")
    sums = [text for name, text in _SUMS.items() if name in names]
    if sums:
        lines += ["all_log_p = torch.log_softmax(input, dim)", *sums, "log_p = all_log_p.gather(dim, index)"]
    elif "log_p" in names or ("p" in names and not ties):
        lines.append("log_p = _log_p(input, index, dim)")
    if "p" in names:
        lines.append("p = torch.softmax(input, dim).gather(dim, index)" if ties else "p = torch.exp(log_p)")
    lines += [*lines_for({"values": sample}, LANGUAGE), "return values.squeeze(dim)"]
    return f'''\
def _of_true_class(input: Tensor, index: Tensor, dim: int{_parameters(form)}) -> Tensor:
    """The whole loss of a sample from its true class alone; index has one entry along dim."""
{_body(lines)}'''


def _has_formula(form: Form, sample: Node) -> bool:
    """Whether a sample's loss is a function of one number, without ties at which the search rounds it."""
    return not (form.tunable or inputs_needed(sample) & {*_SUMS} or _has_ties(sample))


def _by_formula(sample: Node) -> str:
    """The loss of a sample with its derivative, which saves autograd half of its work on a few numbers."""
    names, graph = inputs_needed(sample), sample.graph
    by, meaning = ("margin", "log-odds") if "margin" in names else ("log_p", "log-probability")
    seeds = {by: graph.constant(1.0), "p": graph.input("p")}
    slope = slope_of(sample, seeds) or graph.constant(0.0)
    lines = ["p = torch.exp(log_p)"] if "p" in inputs_needed(sample, slope) else []
    lines += lines_for({"values": sample, "slopes": slope}, _beside(by))
    return f'''\
def _of_{by}({by}: Tensor, classes: int) -> tuple[Tensor, Any]:
    """The whole loss of a sample from the {meaning} of its true class, and its derivative by that."""
{_body([*lines, "return values, slopes"])}

def _of_true_class(input: Tensor, index: Tensor, dim: int, mean: bool = False) -> Tensor:
    """The whole losses of samples, or their mean; index has one entry along dim."""
    return _relative(input, index, dim, {by == "margin"}, _of_{by}, mean)
'''


def _of_classes(form: Form, true: Node, other: Node) -> str:
    dense, own = inputs_needed(other), inputs_needed(true)
    lines = [*_unpacked(form), *(text for name, text in _DENSE.items() if name in dense)]
    lines += lines_for({"others": other}, LANGUAGE)
    lines += [_DENSE["classes"]] if "classes" in own - dense else []
    for name in ("p", "log_p", "log_rest"):
        if name in own:
            source = name if name in dense else _DENSE[name].partition(" = ")[2]
            lines.append(f"{name} = {source}.gather(dim, index)")
    lines += lines_for({"true": true}, LANGUAGE)
    if not own & OUTPUTS and own:  # made of tunable constants and the number of classes
        lines.append("true = input.new_zeros(index.shape) + true")
    return f'''\
def _of_classes(input: Tensor, index: Tensor, dim: int{_parameters(form)}) -> Tensor:
    """The loss of a sample: the term of its true class, and those of the others."""
{_body(lines)}    return others.scatter(dim, index, true).sum(dim)
'''


def _has_ties(result: Node) -> bool:
    """True if p is compared with something: then it must be rounded as in the search, for ties to be ties."""
    compared = {"abs", "sign", "maximum", "minimum", "guard"}
    limits = (GUARD, EXP_LIMIT)  # of definitions; nothing is at them exactly
    return any(
        node.word in compared and node.arguments[-1] not in limits and "p" in inputs_needed(node)
        for node in needed(result)
    )


def _with_conventions(form: Form, extra: str) -> str:
    more = ", constants" if extra else ""
    dense = f"_terms(input, hot, dim{more})"
    sparse = f"_of_true_class(input, index, dim{more})"
    hot = "hot = torch.zeros_like(input).scatter(dim, index, 1.0)"
    if form.split is not None:
        sparse = f"_of_classes(input, index, dim{more})"
    if form.sample is None and form.split is None:
        lines = [hot, f"values = _weighted({dense}, weight, dim).sum(dim)"]
    elif form.sample is not None and not form.others:
        lines = [f"values = {sparse}", "values = values if weights is None else values * weights"]
    else:
        lines = ["if weight is None:", f"    values = {sparse}", "else:  # every class has a term of its own"]
        lines += [f"    {hot}", f"    values = _weighted({dense}, weight, dim).sum(dim)"]
    if form.sample is not None and _has_formula(form, form.sample):
        plain = 'if reduction == "mean" and ignored is None and weights is None:'
        lines = [plain, "    return _of_true_class(input, index, dim, mean=True)", *lines]
    return CONVENTIONS.format(
        signature="constants: Tensor,\n    " if extra else "",
        check=COUNTED if "classes" in form.loss.expression.inputs else "",
        more=more,
        values="\n".join(f"    {line}" for line in lines),
    )


def _cross_entropy(scale: float) -> str:
    factor = "" if scale == 1.0 else f"{scale!r} * "
    return ENTRANCE[Kind.MULTICLASS].format(factor=factor)


def _elementwise(form: Form) -> str:
    lines = [
        *_unpacked(form),
        *(["classes = input.shape[-1]"] if "classes" in inputs_needed(form.terms) else []),
    ]
    lines += lines_for({"values": form.terms}, LANGUAGE)
    signature = "constants: Tensor,\n    " if form.tunable else ""
    return ENTRANCE[form.loss.kind].format(signature=signature, body=_body(lines))
