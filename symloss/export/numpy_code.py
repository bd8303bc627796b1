"""A loss as a NumPy file: value and gradient, for programs that take both (XGBoost, LightGBM, SciPy)."""

from __future__ import annotations

from symloss.export.header import Header, described, python_docstring
from symloss.export.pytorch import SHAPES
from symloss.export.statements import slope_lines, value_lines
from symloss.expr.primitives import GUARD, WORDS, CodeVocabulary
from symloss.records import Kind, SymbolicLoss

TEMPLATES = {
    **{word: f"np.{word}({{0}})" for word in WORDS},
    "maximum": "np.maximum({0}, {1})",
    "minimum": "np.minimum({0}, {1})",
    "atan": "np.arctan({0})",
    "sigmoid": "_sigmoid({0})",
    "erf": "_erf({0})",
    "guard": f"np.maximum(np.abs({{0}}), {GUARD!r})",
    "guard_slope": "_guard_slope({0})",
}

VOCABULARY = CodeVocabulary(TEMPLATES)

_HELPERS = {
    "_sigmoid(": '''\
def _sigmoid(x):
    """1 / (1 + exp(-x)), which never overflows since its exponent is never positive."""
    small = np.exp(-np.abs(x))
    return np.where(x >= 0.0, 1.0, small) / (1.0 + small)
''',
    "_erf(": """\
_erf = np.vectorize(math.erf, otypes=[float])  # NumPy has no error function of its own
""",
    "_guard_slope(": f'''\
def _guard_slope(x):
    """The derivative of max(|x|, {GUARD!r})."""
    return np.sign(x) * (np.abs(x) > {GUARD!r})
''',
}

_ENTRANCES = {
    Kind.MULTICLASS: '''\
def _prepared(outputs, target):
    """Probabilities of the classes, and the target as probabilities, both (batch, classes)."""
    outputs, target = np.asarray(outputs, dtype=float), np.asarray(target)
    powers = np.exp(outputs - outputs.max(axis=-1, keepdims=True))
    if not np.issubdtype(target.dtype, np.floating):
        if target.size and not 0 <= target.min() <= target.max() < outputs.shape[-1]:
            raise ValueError(f"class ids must lie between 0 and {outputs.shape[-1] - 1}")
        target = target[..., None] == np.arange(outputs.shape[-1])
    return powers / powers.sum(axis=-1, keepdims=True), target.astype(float)
''',
    Kind.BINARY: '''\
def _prepared(outputs, target):
    """Probabilities and targets, both (batch, 1)."""
    outputs = np.asarray(outputs, dtype=float)
    prediction = _sigmoid(outputs if outputs.ndim > 1 else outputs[:, None])
    return prediction, np.asarray(target, dtype=float).reshape(prediction.shape)
''',
    Kind.REGRESSION: '''\
def _prepared(outputs, target):
    """Predicted and true values, both (batch, outputs)."""
    outputs = np.asarray(outputs, dtype=float)
    prediction = outputs if outputs.ndim > 1 else outputs[:, None]
    return prediction, np.asarray(target, dtype=float).reshape(prediction.shape)
''',
}

_EXITS = {  # the derivative of softmax or sigmoid, which turns slopes into the gradient
    Kind.MULTICLASS: """\
    weighted = prediction * slopes
    gradient = weighted - prediction * weighted.sum(axis=-1, keepdims=True)
""",
    Kind.BINARY: "    gradient = prediction * (1.0 - prediction) * slopes\n",
    Kind.REGRESSION: "    gradient = slopes + np.zeros_like(prediction)\n",
}


def emit_numpy(loss: SymbolicLoss, header: Header) -> str:
    """The file's text. Raises ExportError if a part made of constants alone is not finite."""
    values = _indented(value_lines(loss.expression, VOCABULARY))
    slopes = _indented(slope_lines(loss.expression, VOCABULARY))
    shapes = _indented(SHAPES[loss.kind])
    code = _ENTRANCES[loss.kind] + values + slopes
    helpers = [text for use, text in _HELPERS.items() if use in code]
    imports = "import math\n\n" if "_erf(" in code else ""
    return f'''\
{python_docstring(described(loss, header))}

{imports}import numpy as np

REDUCTIONS = ("mean", "sum", "none")

{_joined([*helpers, _ENTRANCES[loss.kind]])}

def loss(outputs, target, reduction="{loss.reduction}"):
    """The loss of a batch, computed in float64.

{shapes}    reduction: "mean" or "sum" over the batch, or "none" for one value per sample.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be mean, sum or none, found {{reduction!r}}")
    prediction, target = _prepared(outputs, target)
{values}    per_sample = values.sum(axis=-1)
    return per_sample if reduction == "none" else getattr(per_sample, reduction)()


def gradient(outputs, target, reduction="{loss.reduction}"):
    """The derivative of `loss` by each element of `outputs`, in their shape.

    For reduction "none" it is the derivative of each sample's own value.
    """
    if reduction not in REDUCTIONS:
        raise ValueError(f"reduction must be mean, sum or none, found {{reduction!r}}")
    prediction, target = _prepared(outputs, target)
{slopes}{_EXITS[loss.kind]}    gradient = gradient.reshape(np.shape(outputs))
    return gradient / len(gradient) if reduction == "mean" else gradient
'''


def _indented(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)


def _joined(definitions: list[str]) -> str:
    return "\n" + "\n\n".join(definitions)
