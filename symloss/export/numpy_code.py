"""A loss as a NumPy file: value and gradient, for programs that take both (XGBoost, LightGBM, SciPy)."""

from __future__ import annotations

from symloss.export.forms import Form
from symloss.export.graph import EXTRA_WORDS, Node, inputs_needed, slope_of
from symloss.export.header import Header, described, python_docstring
from symloss.export.statements import Language, lines_for
from symloss.expr.primitives import GUARD, WORDS, CodeVocabulary
from symloss.records import Kind

TEMPLATES = {
    **{word: f"np.{word}({{0}})" for word in (*WORDS, *EXTRA_WORDS)},
    "maximum": "np.maximum({0}, {1})",
    "minimum": "np.minimum({0}, {1})",
    "atan": "np.arctan({0})",
    "sigmoid": "_sigmoid({0})",
    "logsigmoid": "_log_sigmoid({0})",
    "erf": "_erf({0})",
    "guard": f"np.maximum(np.abs({{0}}), {GUARD!r})",
    "guard_slope": "_guard_slope({0})",
}

LANGUAGE = Language(CodeVocabulary(TEMPLATES), names={"input": "outputs"})

SHAPES = {
    Kind.MULTICLASS: """\
    outputs: (..., classes), raw outputs of the network.
    target:  (...) class ids, or (..., classes) probabilities.
""",
    Kind.BINARY: """\
    outputs: raw outputs of the network, of any shape.
    target:  0 or 1 (or a probability) for each of them.
""",
    Kind.REGRESSION: """\
    outputs: predicted values, of any shape.
    target:  the true value of each of them.
""",
}

_HELPERS = {
    "_sigmoid(": '''\
def _sigmoid(x):
    """1 / (1 + exp(-x)), which never overflows since its exponent is never positive."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0.0, 1.0, small) / (1.0 + small)
''',
    "_log_sigmoid(": '''\
def _log_sigmoid(x):
    """log(1 / (1 + exp(-x)))."""
    return -np.logaddexp(0.0, -x)
''',
    "_erf(": """\
_erf = np.vectorize(math.erf, otypes=[float])  # NumPy has no error function of its own
""",
    "_guard_slope(": f'''\
def _guard_slope(x):
    """The derivative of max(|x|, {GUARD!r})."""
    return np.sign(x) * (np.abs(x) > {GUARD!r})
''',
    "_log_complement(": '''\
def _log_complement(outputs, p):
    """log(1 - p) for every class, exact also where p rounds to 1."""
    top = outputs.argmax(axis=-1)[..., None]
    others, small = outputs.copy(), p.copy()
    np.put_along_axis(others, top, -np.inf, axis=-1)
    np.put_along_axis(small, top, 0.0, axis=-1)
    margin = np.take_along_axis(outputs, top, axis=-1) - np.logaddexp.reduce(others, axis=-1, keepdims=True)
    rest = np.log1p(-small)
    np.put_along_axis(rest, top, -np.logaddexp(0.0, margin), axis=-1)
    return rest
''',
    "_through_complement(": '''\
def _through_complement(rises, outputs, p):
    """The gradient by outputs from that by log(1 - p); the most likely class apart, its 1 - p may be 0."""
    top = outputs.argmax(axis=-1)[..., None]
    others, rest = outputs.copy(), 1.0 - p
    np.put_along_axis(others, top, -np.inf, axis=-1)
    np.put_along_axis(rest, top, np.inf, axis=-1)
    odds = rises * p / rest
    shares = np.exp(others - others.max(axis=-1, keepdims=True))
    shares = shares / shares.sum(axis=-1, keepdims=True)
    pushed = np.take_along_axis(rises * p, top, axis=-1)
    return p * (odds.sum(axis=-1, keepdims=True) - odds) + pushed * shares - rises * p
''',
}

_ENTRANCES = {
    Kind.MULTICLASS: '''\
def _prepared(outputs, target):
    """Outputs and the target as probabilities, both (..., classes)."""
    outputs, target = np.asarray(outputs, dtype=float), np.asarray(target)
    if not np.issubdtype(target.dtype, np.floating):
        if target.size and not 0 <= target.min() <= target.max() < outputs.shape[-1]:
            raise ValueError(f"class ids must lie between 0 and {outputs.shape[-1] - 1}")
        target = target[..., None] == np.arange(outputs.shape[-1])
    if target.shape != outputs.shape:
        raise ValueError(f"target {target.shape} does not fit outputs {outputs.shape}")
    return outputs, target.astype(float)


def _probabilities(outputs):
    """The softmax of outputs, and its logarithm."""
    shifted = outputs - outputs.max(axis=-1, keepdims=True)
    powers = np.exp(shifted)
    total = powers.sum(axis=-1, keepdims=True)
    return powers / total, shifted - np.log(total)
''',
    Kind.BINARY: '''\
def _prepared(outputs, target):
    """Outputs and target of one shape, but for dimensions of one."""
    outputs, target = np.asarray(outputs, dtype=float), np.asarray(target, dtype=float)
    if [n for n in target.shape if n != 1] != [n for n in outputs.shape if n != 1]:
        raise ValueError(f"target {target.shape} does not fit outputs {outputs.shape}")
    return outputs, target.reshape(outputs.shape)
''',
}
_ENTRANCES[Kind.REGRESSION] = _ENTRANCES[Kind.BINARY]

_REDUCED = """\
def _check(reduction):
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, found {reduction!r}")
"""


_CONSTANTS_AT = '''\
COEFFICIENTS = {table}


def constants_at(progress):
    """The constants when this share of training is done: polynomials in it."""
    if not 0.0 <= progress <= 1.0:
        raise ValueError(f"progress must lie between 0 and 1, found {{progress}}")
    return np.polynomial.polynomial.polyval(progress, np.array(COEFFICIENTS).T)
'''


def emit_numpy(form: Form, header: Header) -> str:
    """The file's text. Raises ExportError if a part made of constants alone is not finite."""
    kind = form.loss.kind
    several = kind is Kind.MULTICLASS
    slope, rise = _slopes(form)
    values = _indented([*_given(form, form.terms), *lines_for({"values": form.terms}, LANGUAGE)])
    results = {"slopes": slope} if rise is None else {"slopes": slope, "rises": rise}
    slopes = _indented([*_given(form, *results.values()), *lines_for(results, LANGUAGE)])
    if several:  # the derivative of log p by the outputs is the identity minus p
        exit_ = "    gradient = slopes - p * (slopes + 0.0 * p).sum(axis=-1, keepdims=True)\n"
        if rise is not None:
            exit_ += "    gradient = gradient + _through_complement(rises + 0.0 * p, outputs, p)\n"
        mean = "(gradient.size / gradient.shape[-1])"
    else:
        exit_ = "    gradient = slopes + np.zeros_like(outputs)\n"
        mean = "gradient.size"
    code = _ENTRANCES[kind] + values + slopes + exit_
    helpers = [text for use, text in _HELPERS.items() if use in code]
    imports = "import math\n\n" if "_erf(" in code else ""
    progress = "" if form.schedule is None else "progress, "
    if form.schedule is not None:
        helpers.insert(0, _CONSTANTS_AT.format(table=repr(form.schedule)))
    definitions = "\n\n".join([*helpers, _ENTRANCES[kind], _REDUCED])
    return f'''\
{python_docstring(described(form, header, "numpy"))}

{imports}import numpy as np


{definitions}

def loss(outputs, target, {progress}reduction="{form.loss.reduction}"):
    """The loss of a batch, computed in float64.

{SHAPES[kind]}    reduction: "mean" or "sum" of all values, or "none".
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
{values}    values = values{".sum(axis=-1)" if several else " + np.zeros_like(outputs)"}
    return values if reduction == "none" else getattr(values, reduction)()


def gradient(outputs, target, {progress}reduction="{form.loss.reduction}"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each value on its own.
    """
    _check(reduction)
    outputs, target = _prepared(outputs, target)
{slopes}{exit_}    return gradient / {mean} if reduction == "mean" else gradient
'''


def _slopes(form: Form) -> tuple[Node, Node | None]:
    """The derivative of the terms by log p, or by the outputs; and that by log(1 - p), if it is used."""
    graph = form.terms.graph
    one, zero = graph.constant(1.0), graph.constant(0.0)
    if form.loss.kind is not Kind.MULTICLASS:
        return slope_of(form.terms, {"input": one}) or zero, None
    slope = slope_of(form.terms, {"p": graph.input("p"), "log_p": one}) or zero
    return slope, slope_of(form.terms, {"log_rest": one})


def _given(form: Form, *results: Node) -> list[str]:
    """Statements for the inputs of the graph that are not there yet."""
    names = inputs_needed(*results)
    lines = ["classes = outputs.shape[-1]"] if "classes" in names else []
    if form.schedule is not None:
        own = "".join(f"c{i + 1}, " for i in range(len(form.schedule)))
        lines.append(f"{own.rstrip()} = constants_at(progress)")
    if form.loss.kind is Kind.MULTICLASS:
        lines.append(
            "p, log_p = _probabilities(outputs)" if "log_p" in names else "p, _ = _probabilities(outputs)"
        )
        if "log_rest" in names:
            lines.append("log_rest = _log_complement(outputs, p)")
    return lines


def _indented(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)
