"""The small vocabulary in which every operator is defined, and how each target says its words.

An operator (see `operators`) is defined once, as a Python function over a `Vocabulary` and ordinary
arithmetic. Running that one definition with different vocabularies gives everything else: PyTorch
tensors evaluate it, `Code` objects write it down as text, SymPy objects make it algebra, floats
compute it. So what the search evaluates and what the export writes cannot drift apart.

This module imports neither torch nor SymPy: vocabularies that need them live where those are used.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

GUARD = 1e-7
"""Smallest magnitude that a guarded argument (of `log`, `sqrt`, `pow`) can take."""

EXP_LIMIT = 80.0
"""Largest argument of `exp`: e**80 is still finite, and so is its square root's reciprocal, in float32."""


class Vocabulary(Protocol):
    """Elementwise functions of one target. Arithmetic (+ - * /, unary minus) is Python's own.

    `guard(a)` is max(abs(a), GUARD): the protection of functions that are undefined at or below zero.
    A vocabulary for reading may leave the lower bound out and return abs(a).
    `guard_slope(a)` is its derivative: sign(a) where abs(a) > GUARD and 0 elsewhere.
    """

    def abs(self, a: Any, /) -> Any: ...
    def sign(self, a: Any, /) -> Any: ...
    def log(self, a: Any, /) -> Any: ...
    def exp(self, a: Any, /) -> Any: ...
    def sqrt(self, a: Any, /) -> Any: ...
    def tanh(self, a: Any, /) -> Any: ...
    def sigmoid(self, a: Any, /) -> Any: ...
    def sin(self, a: Any, /) -> Any: ...
    def cos(self, a: Any, /) -> Any: ...
    def atan(self, a: Any, /) -> Any: ...
    def erf(self, a: Any, /) -> Any: ...
    def log1p(self, a: Any, /) -> Any: ...
    def maximum(self, a: Any, b: Any, /) -> Any: ...
    def minimum(self, a: Any, b: Any, /) -> Any: ...
    def guard(self, a: Any, /) -> Any: ...
    def guard_slope(self, a: Any, /) -> Any: ...


def _sigmoid(a: float) -> float:
    return 1.0 / (1.0 + math.exp(-a)) if a >= 0 else math.exp(a) / (1.0 + math.exp(a))


def _sign(a: float) -> float:
    return float((a > 0) - (a < 0))


class FloatVocabulary:
    """Python floats through `math`: the slow, obvious reference, also used to fold constants."""

    abs = staticmethod(abs)
    sign = staticmethod(_sign)
    log = staticmethod(math.log)
    exp = staticmethod(math.exp)
    sqrt = staticmethod(math.sqrt)
    tanh = staticmethod(math.tanh)
    sigmoid = staticmethod(_sigmoid)
    sin = staticmethod(math.sin)
    cos = staticmethod(math.cos)
    atan = staticmethod(math.atan)
    erf = staticmethod(math.erf)
    log1p = staticmethod(math.log1p)
    expm1 = staticmethod(math.expm1)
    logsigmoid = staticmethod(lambda a: min(a, 0.0) - math.log1p(math.exp(-abs(a))))
    maximum = staticmethod(lambda a, b: a if a >= b else b)
    minimum = staticmethod(lambda a, b: a if a <= b else b)
    guard = staticmethod(lambda a: max(abs(a), GUARD))
    guard_slope = staticmethod(lambda a: _sign(a) if abs(a) > GUARD else 0.0)


FLOATS: Vocabulary = FloatVocabulary()

UNARY = tuple("abs sign log exp sqrt tanh sigmoid sin cos atan erf log1p guard guard_slope".split())
BINARY = ("maximum", "minimum")
WORDS = (*UNARY, *BINARY)
"""Every word of the vocabulary."""


# --- code as a value ------------------------------------------------------------------------------

_SUM, _PRODUCT, _NEGATION, _ATOM = range(4)  # how tightly a piece of text binds


@dataclass(frozen=True)
class Code:
    """A piece of source text that behaves like a number, with parentheses only where needed.

    A piece whose `value` is known is a literal: arithmetic and functions of literals are computed,
    not written, so that generated code never asks a tensor library for the logarithm of a float.
    a + (b + c) keeps its parentheses: sums and products of rounded numbers depend on their order.
    """

    text: str
    binding: int = _ATOM
    value: float | None = None

    @staticmethod
    def literal(value: float) -> Code:
        # Python has no literal for infinity, which a constant part may overflow to; 1e999 does so too.
        text = repr(float(value)).replace("inf", "1e999").replace("nan", "(1e999 - 1e999)")
        return Code(text, _NEGATION if text.startswith("-") else _ATOM, float(value))

    def within(self, binding: int) -> str:
        """The text, in parentheses unless it binds at least as tightly as `binding`."""
        return self.text if self.binding >= binding else f"({self.text})"

    def __add__(self, other: Code | float) -> Code:
        return _infix(self, "+", other, _SUM, _PRODUCT, lambda a, b: a + b)

    def __sub__(self, other: Code | float) -> Code:
        return _infix(self, "-", other, _SUM, _PRODUCT, lambda a, b: a - b)

    def __mul__(self, other: Code | float) -> Code:
        return _infix(self, "*", other, _PRODUCT, _NEGATION, lambda a, b: a * b)

    def __truediv__(self, other: Code | float) -> Code:
        return _infix(self, "/", other, _PRODUCT, _NEGATION, lambda a, b: a / b)

    def __radd__(self, other: float) -> Code:
        return as_code(other) + self

    def __rsub__(self, other: float) -> Code:
        return as_code(other) - self

    def __rmul__(self, other: float) -> Code:
        return as_code(other) * self

    def __rtruediv__(self, other: float) -> Code:
        return as_code(other) / self

    def __neg__(self) -> Code:
        if self.value is not None:
            return Code.literal(-self.value)
        return Code(f"-{self.within(_NEGATION)}", _NEGATION)


def as_code(value: Code | float) -> Code:
    """`value` itself if it is code already, otherwise the literal that writes it exactly."""
    return value if isinstance(value, Code) else Code.literal(value)


def _infix(
    left: Code | float,
    symbol: str,
    right: Code | float,
    binding: int,
    right_binding: int,
    compute: Callable[[float, float], float],
) -> Code:
    a, b = as_code(left), as_code(right)
    if a.value is not None and b.value is not None:
        return Code.literal(compute(a.value, b.value))
    # A leading minus is legal Python after any operator, but reads badly: "a - -b".
    right_text = b.within(right_binding)
    if right_text.startswith("-"):
        right_text = f"({right_text})"
    return Code(f"{a.within(binding)} {symbol} {right_text}", binding)


class CodeVocabulary:
    """Writes calls from templates: `{0}` and `{1}` stand for the arguments.

    Templates named `maximum_literal` and `minimum_literal` are used where one argument is a literal,
    for targets whose two-argument functions want two arrays (PyTorch).
    """

    def __init__(self, templates: Mapping[str, str]) -> None:
        missing = set(WORDS) - set(templates)
        if missing:
            raise ValueError(f"templates are missing for: {', '.join(sorted(missing))}")
        self._templates = dict(templates)

    def __getattr__(self, name: str) -> Callable[..., Code]:
        templates = self.__dict__["_templates"]
        if name not in templates:
            raise AttributeError(name)

        def call(*arguments: Code | float) -> Code:
            return self._call(name, [as_code(a) for a in arguments])

        return call

    def _call(self, name: str, arguments: list[Code]) -> Code:
        values = [a.value for a in arguments if a.value is not None]
        if len(values) == len(arguments):
            return Code.literal(getattr(FLOATS, name)(*values))
        template = self._templates[name]
        if values and f"{name}_literal" in self._templates:
            arguments = sorted(arguments, key=lambda a: a.value is not None)  # literal last
            template = self._templates[f"{name}_literal"]
        return Code(template.format(*(a.text for a in arguments)))
