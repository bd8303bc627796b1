"""Tapes: an expression unrolled once into a flat list of tensor operations.

Training evaluates a loss hundreds of times, so walking the expression each time would cost more than
the arithmetic. A tape is traced once from the operators' own definitions and then replayed: equal
subexpressions are computed once, and what the wanted output does not need is not computed at all.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from symloss.expr import Expr, constants_of, evaluate
from symloss.expr.primitives import WORDS
from symloss.expr.slope import value_and_slope
from symloss.losses.vocabulary import TORCH

Argument = int | float
"""A register's number (int), or a literal (float)."""


@dataclass(frozen=True)
class Register:
    """The result of an instruction, before it has a value. Arithmetic on it records instructions."""

    number: int
    recorder: Recorder = field(compare=False, repr=False)

    def _binary(self, function: Callable[..., Any], other: Any, swap: bool = False) -> Register:
        return self.recorder.record(function, *((other, self) if swap else (self, other)))

    def __add__(self, other: Any) -> Register:
        return self._binary(operator.add, other)

    def __radd__(self, other: Any) -> Register:
        return self._binary(operator.add, other, swap=True)

    def __sub__(self, other: Any) -> Register:
        return self._binary(operator.sub, other)

    def __rsub__(self, other: Any) -> Register:
        return self._binary(operator.sub, other, swap=True)

    def __mul__(self, other: Any) -> Register:
        if isinstance(other, One):
            return self
        return self._binary(operator.mul, other)

    def __rmul__(self, other: Any) -> Register:
        return self._binary(operator.mul, other, swap=True)

    def __truediv__(self, other: Any) -> Register:
        return self._binary(operator.truediv, other)

    def __rtruediv__(self, other: Any) -> Register:
        return self._binary(operator.truediv, other, swap=True)

    def __neg__(self) -> Register:
        return self.recorder.record(operator.neg, self)


class One(float):
    """The slope of the prediction itself: multiplying by it records nothing."""

    def __new__(cls) -> One:
        return super().__new__(cls, 1.0)

    def __mul__(self, other: Any) -> Any:
        return other

    __rmul__ = __mul__


class Recorder:
    """A vocabulary that writes instructions down. Recording the same one twice gives one register."""

    def __init__(self) -> None:
        self.instructions: list[tuple[Callable[..., Any], tuple[Argument, ...]]] = []
        self._known: dict[Any, Register] = {}
        self._count = 0

    def new_register(self) -> Register:
        self._count += 1
        return Register(self._count - 1, self)

    def record(self, function: Callable[..., Any], *arguments: Register | float) -> Register:
        numbers = tuple(a.number if isinstance(a, Register) else float(a) for a in arguments)
        key = (function, numbers, tuple(map(type, numbers)))  # register 1 is not the literal 1.0
        if key not in self._known:
            self._known[key] = self.new_register()
            self.instructions.append((function, numbers))
        return self._known[key]

    def __getattr__(self, name: str) -> Callable[..., Register]:
        if name not in WORDS:
            raise AttributeError(name)
        return lambda *arguments: self.record(getattr(TORCH, name), *arguments)


@dataclass(frozen=True)
class Tape:
    """Instructions that compute one output from prediction (register 0), target (1) and constants (2...).

    num_constants: how many constants the expression has, in prefix order.
    output:        register (int) or literal (float) that holds the result.
    """

    num_constants: int
    num_registers: int
    instructions: tuple[tuple[Callable[..., Any], tuple[Argument, ...], int], ...]
    output: Argument

    def __call__(self, prediction: Tensor, target: Tensor, constants: Sequence[Any]) -> Tensor:
        """Replay. Shapes broadcast: prediction and target (..., outputs), constants scalars or (..., 1).

        Returns a tensor of the shape of `prediction`.
        """
        registers: list[Any] = [None] * self.num_registers
        registers[0], registers[1] = prediction, target
        registers[2 : 2 + self.num_constants] = constants
        for function, arguments, result in self.instructions:
            registers[result] = function(*[registers[a] if type(a) is int else a for a in arguments])
        out = registers[self.output] if type(self.output) is int else self.output
        if not isinstance(out, Tensor):
            return torch.full_like(prediction, float(out))
        return out.expand_as(prediction) if out.shape != prediction.shape else out


def value_tape(expr: Expr) -> Tape:
    """The tape that computes the elementwise loss."""
    return _trace(expr, lambda inputs, recorder, constant: evaluate(expr, inputs, recorder, constant))


def slope_tape(expr: Expr) -> Tape:
    """The tape that computes the derivative of the elementwise loss with respect to the prediction."""

    def slope(inputs: Mapping[str, Any], recorder: Any, constant: Callable[[float], Any]) -> Any:
        return value_and_slope(expr, inputs, recorder, constant, One()).slope

    return _trace(expr, slope)


def _trace(expr: Expr, compute: Callable[[Mapping[str, Any], Any, Callable[[float], Any]], Any]) -> Tape:
    recorder = Recorder()
    inputs = {"prediction": recorder.new_register(), "target": recorder.new_register()}
    count = len(constants_of(expr))
    pool = [recorder.new_register() for _ in range(count)]
    remaining = iter(pool)
    output = compute(inputs, recorder, lambda _: next(remaining))
    result: Argument = output.number if isinstance(output, Register) else float(output or 0.0)
    first = 2 + count
    numbered = [(f, args, first + i) for i, (f, args) in enumerate(recorder.instructions)]
    return Tape(count, first + len(numbered), tuple(_needed(numbered, result)), result)


def _needed(
    instructions: list[tuple[Callable[..., Any], tuple[Argument, ...], int]], output: Argument
) -> list[tuple[Callable[..., Any], tuple[Argument, ...], int]]:
    """The instructions on which `output` depends, in order."""
    wanted = {output} if type(output) is int else set()
    kept = []
    for instruction in reversed(instructions):
        if instruction[2] in wanted:
            wanted.update(a for a in instruction[1] if type(a) is int)
            kept.append(instruction)
    return kept[::-1]
