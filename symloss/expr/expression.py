"""Expressions: small immutable formulas. They hash, compare, print, and can be pasted back.

An expression is a `Variable`, a `Constant`, or a `Call` of an operator from the table. An invalid
one cannot be built. Everything that a search finds, stores or exports is one of these values; the
constants are part of the expression, so tuning is "expression in, expression out".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeAlias

from symloss.errors import ExpressionError, did_you_mean
from symloss.expr.operators import INPUTS, operator_named
from symloss.expr.primitives import Vocabulary

MAX_HEIGHT = 100
"""No expression is higher than this, so that walks over it may be recursive."""

MAX_SIZE = 10_000
"""No expression has more nodes than this."""


_NO_INPUTS: frozenset[str] = frozenset()
_INPUT_SETS = {name: frozenset({name}) for name in INPUTS}
_UNIONS: dict[frozenset[str], frozenset[str]] = {}
"""Each set of inputs once: all expressions share them."""

_set = object.__setattr__


# Searches and archives hold millions of nodes: they have slots, and what is asked for often is kept.


@dataclass(frozen=True, slots=True)
class Variable:
    """An input of the loss: `prediction` or `target`."""

    name: str
    size: ClassVar[int] = 1
    height: ClassVar[int] = 0

    def __post_init__(self) -> None:
        if self.name not in INPUTS:
            raise ExpressionError(f"unknown input '{self.name}': {did_you_mean(self.name, INPUTS)}")

    @property
    def inputs(self) -> frozenset[str]:
        return _INPUT_SETS[self.name]

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, init=False)
class Constant:
    """A finite number. All constants of an expression can be tuned."""

    value: float
    size: ClassVar[int] = 1
    height: ClassVar[int] = 0
    inputs: ClassVar[frozenset[str]] = _NO_INPUTS

    def __init__(self, value: float) -> None:
        if not math.isfinite(value):
            raise ExpressionError(f"a constant must be finite, found {value}")
        _set(self, "value", float(value))

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True, slots=True, init=False)
class Call:
    """An operator applied to expressions.

    size: number of nodes. height: of the tree; a leaf has 0. inputs: names of the inputs that occur.
    """

    operator: str
    arguments: tuple[Expr, ...]
    size: int = field(init=False, compare=False, repr=False)
    height: int = field(init=False, compare=False, repr=False)
    inputs: frozenset[str] = field(init=False, compare=False, repr=False)
    _hash: int = field(init=False, compare=False, repr=False)

    def __init__(self, operator: str, arguments: tuple[Expr, ...]) -> None:
        row = operator_named(operator)
        if len(arguments) != row.arity:
            raise ExpressionError(
                f"operator '{row.name}' takes {row.arity} argument{'s' * (row.arity != 1)}, "
                f"found {len(arguments)}"
            )
        size, height, inputs = 1, 0, _NO_INPUTS
        for argument in arguments:
            size += argument.size
            if argument.height >= height:
                height = argument.height + 1
            if not argument.inputs <= inputs:
                union = inputs | argument.inputs
                inputs = _UNIONS.setdefault(union, union)
        _set(self, "operator", row.name)  # the table's own text, not a copy for every node
        _set(self, "arguments", arguments)
        _set(self, "size", size)
        _set(self, "height", height)
        _set(self, "inputs", inputs)
        _set(self, "_hash", hash((operator, arguments)))
        if height > MAX_HEIGHT or size > MAX_SIZE:
            raise ExpressionError(
                f"an expression may be at most {MAX_HEIGHT} levels high and have at most {MAX_SIZE} nodes"
            )

    def __hash__(self) -> int:
        return self._hash

    def __reduce__(self) -> tuple[type[Call], tuple[str, tuple[Expr, ...]]]:
        return Call, (self.operator, self.arguments)  # built anew: hashes of strings differ between processes

    def __str__(self) -> str:
        return render(self, str, repr)


Expr: TypeAlias = Variable | Constant | Call

PREDICTION = Variable("prediction")
TARGET = Variable("target")


def call(operator: str, *arguments: Expr | float) -> Call:
    """`call("mul", 2.0, PREDICTION)`: numbers become constants."""
    return Call(
        operator, tuple(a if isinstance(a, Variable | Constant | Call) else Constant(a) for a in arguments)
    )


def walk(expr: Expr) -> Iterator[Expr]:
    """All nodes in prefix order, the expression itself first."""
    yield expr
    if isinstance(expr, Call):
        for argument in expr.arguments:
            yield from walk(argument)


def constants_of(expr: Expr) -> tuple[float, ...]:
    """Values of all constants, in prefix order."""
    return tuple(node.value for node in walk(expr) if isinstance(node, Constant))


def with_constants(expr: Expr, values: Sequence[float]) -> Expr:
    """`expr` with its constants, in prefix order, replaced by `values`.

    Raises ValueError unless there are exactly as many values as constants.
    """
    remaining = list(reversed(list(values)))
    if len(remaining) != len(constants_of(expr)):
        raise ValueError(f"expected {len(constants_of(expr))} constants, found {len(remaining)}")
    return map_leaves(expr, lambda leaf: Constant(remaining.pop()) if isinstance(leaf, Constant) else leaf)


def map_leaves(expr: Expr, replace: Callable[[Variable | Constant], Expr]) -> Expr:
    """`expr` with every leaf, in prefix order, replaced by `replace(leaf)`."""
    if isinstance(expr, Call):
        return Call(expr.operator, tuple(map_leaves(a, replace) for a in expr.arguments))
    return replace(expr)


_OPPOSITE = {"add": "sub", "sub": "add"}


def with_minus_signs(expr: Expr) -> Expr:
    """`expr` with a - 2 for a + (-2), and the other way round: other words for the same values."""
    if not isinstance(expr, Call):
        return expr
    arguments = tuple(with_minus_signs(a) for a in expr.arguments)
    last = arguments[-1]
    if expr.operator in _OPPOSITE and isinstance(last, Constant) and last.value < 0.0:
        return Call(_OPPOSITE[expr.operator], (arguments[0], Constant(-last.value)))
    return Call(expr.operator, arguments)


def evaluate(
    expr: Expr, inputs: Mapping[str, Any], vocabulary: Vocabulary, constant: Callable[[float], Any]
) -> Any:
    """The value of `expr` in any target: numbers, tensors, code or algebra.

    inputs:     the target's object for each input name.
    vocabulary: the target's functions.
    constant:   makes the target's object for a constant.
    """
    if isinstance(expr, Variable):
        return inputs[expr.name]
    if isinstance(expr, Constant):
        return constant(expr.value)
    arguments = [evaluate(a, inputs, vocabulary, constant) for a in expr.arguments]
    return operator_named(expr.operator).define(vocabulary, *arguments)


_BINDING = {"add": 0, "sub": 0, "mul": 1, "neg": 2}
"""How tightly infix operators bind; everything else binds tighter."""


def render(expr: Expr, name: Callable[[str], str], number: Callable[[float], str]) -> str:
    """`expr` in the language of formulas, its inputs written by `name` and its constants by `number`."""
    if isinstance(expr, Variable):
        return name(expr.name)
    if isinstance(expr, Constant):
        return number(expr.value)
    texts = [render(a, name, number) for a in expr.arguments]
    binding = _BINDING.get(expr.operator)
    if expr.operator == "neg" and not isinstance(expr.arguments[0], Constant):
        return f"-{_within(expr.arguments[0], texts[0], 2, False)}"
    if binding is None or expr.operator == "neg":
        return f"{expr.operator}({', '.join(texts)})"
    left = _within(expr.arguments[0], texts[0], binding, False)
    right = _within(expr.arguments[1], texts[1], binding + 1, True)
    return f"{left} {operator_named(expr.operator).symbol} {right}"


def _within(expr: Expr, text: str, binding: int, on_the_right: bool) -> str:
    """`text` of `expr`, in parentheses if reading it back would group it differently."""
    own = _BINDING.get(expr.operator, 9) if isinstance(expr, Call) else 9
    if own < binding or (text.startswith("-") and on_the_right):
        return f"({text})"
    return text
