"""A loss as a JAX file: a function for optax loops, differentiable, jit- and vmap-able."""

from __future__ import annotations

from symloss.export.forms import Form
from symloss.export.graph import EXTRA_WORDS, inputs_needed
from symloss.export.header import Header, described, python_docstring
from symloss.export.statements import Language, lines_for
from symloss.expr.primitives import GUARD, WORDS, CodeVocabulary
from symloss.records import Kind

TEMPLATES = {
    **{word: f"jnp.{word}({{0}})" for word in (*WORDS, *EXTRA_WORDS)},
    "maximum": "jnp.maximum({0}, {1})",
    "minimum": "jnp.minimum({0}, {1})",
    # A limit of a definition leaves the gradient whole at a tie, which jnp.maximum shares.
    "maximum_literal": "_at_least({0}, {1})",
    "minimum_literal": "_at_most({0}, {1})",
    "atan": "jnp.arctan({0})",
    "sigmoid": "jax.nn.sigmoid({0})",
    "logsigmoid": "jax.nn.log_sigmoid({0})",
    "erf": "jax.scipy.special.erf({0})",
    "abs": "_abs({0})",
    "guard": f"_at_least(_abs({{0}}), {GUARD!r})",
}

LANGUAGE = Language(
    CodeVocabulary(TEMPLATES), array="jnp.asarray({0})", counted="jnp.asarray({0})", names={"input": "logits"}
)

_HELPERS = {
    "_abs(": '''\
def _abs(x):
    """|x|, whose gradient at 0 is 0."""
    return x * jnp.sign(x)
''',
    "_at_least(": '''\
def _at_least(x, limit):
    """max(x, limit), whose gradient at a tie is that of x."""
    return jnp.where(x < limit, limit, x)
''',
    "_at_most(": '''\
def _at_most(x, limit):
    """min(x, limit), whose gradient at a tie is that of x."""
    return jnp.where(x > limit, limit, x)
''',
    "_log_complement(": '''\
def _log_complement(logits):
    """log(1 - p) for every class, exact also where p rounds to 1."""
    at_top = jnp.arange(logits.shape[-1]) == logits.argmax(axis=-1, keepdims=True)
    others = jnp.where(at_top, -jnp.inf, logits)
    highest = jax.lax.stop_gradient(others.max(axis=-1, keepdims=True))
    total = jax.nn.logsumexp(others - highest, axis=-1, keepdims=True) + highest
    p = jnp.where(at_top, 0.0, jax.nn.softmax(logits, axis=-1))
    return jnp.where(at_top, jax.nn.log_sigmoid(total - logits), jnp.log1p(-p))
''',
}

_SEVERAL = '''\
def loss(logits, labels, reduction="{reduction}"):
    """The loss of a batch.

    logits: (..., classes), raw outputs of the network.
    labels: (...) class ids, or (..., classes) probabilities.
    reduction: "mean" or "sum" over samples, or "none".
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, found {{reduction!r}}")
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    if logits.dtype in (jnp.float16, jnp.bfloat16):
        logits = logits.astype(jnp.float32)
    if not jnp.issubdtype(labels.dtype, jnp.floating):
        labels = jax.nn.one_hot(labels, logits.shape[-1])
    if labels.shape != logits.shape:
        raise ValueError(f"labels {{labels.shape}} do not fit logits {{logits.shape}}")
    target = labels.astype(logits.dtype)
{body}    values = jnp.broadcast_to(values, logits.shape).sum(axis=-1)
    return values if reduction == "none" else getattr(values, reduction)()
'''

_ALONE = '''\
def loss(logits, labels, reduction="{reduction}"):
    """The loss of a batch.

    logits: {outputs}, of any shape.
    labels: {labels} of each of them.
    reduction: "mean" or "sum" of all values, or "none".
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction must be mean, sum or none, found {{reduction!r}}")
    logits, labels = jnp.asarray(logits), jnp.asarray(labels)
    if logits.dtype in (jnp.float16, jnp.bfloat16):
        logits = logits.astype(jnp.float32)
    if [n for n in labels.shape if n != 1] != [n for n in logits.shape if n != 1]:
        raise ValueError(f"labels {{labels.shape}} do not fit logits {{logits.shape}}")
    target = labels.reshape(logits.shape).astype(logits.dtype)
{body}    values = jnp.broadcast_to(values, logits.shape)
    return values if reduction == "none" else getattr(values, reduction)()
'''

_WORDS = {
    Kind.BINARY: {"outputs": "raw outputs of the network", "labels": "0 or 1 (or a probability)"},
    Kind.REGRESSION: {"outputs": "predicted values", "labels": "the true value"},
}

_GIVEN = {
    "classes": "classes = logits.shape[-1]",
    "p": "p = jax.nn.softmax(logits, axis=-1)",
    "log_p": "log_p = jax.nn.log_softmax(logits, axis=-1)",
    "log_rest": "log_rest = _log_complement(logits)",
}


def emit_jax(form: Form, header: Header) -> str:
    """The file's text. Raises ExportError if a part made of constants alone is not finite."""
    kind, reduction = form.loss.kind, form.loss.reduction
    names = inputs_needed(form.terms)
    lines = [text for name, text in _GIVEN.items() if name in names]
    lines += lines_for({"values": form.terms}, LANGUAGE)
    body = "".join(f"    {line}\n" for line in lines)
    if kind is Kind.MULTICLASS:
        entrance = _SEVERAL.format(reduction=reduction, body=body)
    else:
        entrance = _ALONE.format(reduction=reduction, body=body, **_WORDS[kind])
    helpers = [text for use, text in _HELPERS.items() if use in entrance]
    imports = ["import jax"] if "jax." in entrance + "".join(helpers) else []
    definitions = "\n\n".join([*helpers, entrance])
    top = "\n".join([*imports, "import jax.numpy as jnp"])
    return f"{python_docstring(described(form, header, 'jax'))}\n\n{top}\n\n\n{definitions}"
