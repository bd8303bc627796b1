"""Tapes: an expression unrolled once into a flat list of tensor operations.

Training evaluates a loss hundreds of times, so walking the expression each time would cost more than
the arithmetic. A tape is traced once from the operators' own definitions and then replayed: equal
subexpressions are computed once, and what the wanted output does not need is not computed at all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any

import torch
from torch import Tensor

from symloss.expr import Expr, constants_of, evaluate
from symloss.expr.primitives import WORDS
from symloss.expr.slope import slope_and_mixed, value_and_sensitivities, value_and_slope
from symloss.losses.vocabulary import TORCH_FUNCTIONS

Bound = tuple[Callable[..., Any], int, int]
"""An instruction with the function that carries it out."""

Argument = int | float
"""A register's number (int), or a literal (float)."""


@dataclass(frozen=True)
class Register:
    """The result of an instruction, before it has a value. Arithmetic on it records instructions."""

    number: int
    recorder: Recorder = field(compare=False, repr=False)

    def _binary(self, word: str, other: Any, swap: bool = False) -> Register:
        return self.recorder.record(word, *((other, self) if swap else (self, other)))

    def __add__(self, other: Any) -> Register:
        return self._binary("add", other)

    def __radd__(self, other: Any) -> Register:
        return self._binary("add", other, swap=True)

    def __sub__(self, other: Any) -> Register:
        return self._binary("sub", other)

    def __rsub__(self, other: Any) -> Register:
        return self._binary("sub", other, swap=True)

    def __mul__(self, other: Any) -> Register:
        if isinstance(other, One):
            return self
        return self._binary("mul", other)

    def __rmul__(self, other: Any) -> Register:
        return self._binary("mul", other, swap=True)

    def __truediv__(self, other: Any) -> Register:
        return self._binary("truediv", other)

    def __rtruediv__(self, other: Any) -> Register:
        return self._binary("truediv", other, swap=True)

    def __neg__(self) -> Register:
        return self.recorder.record("neg", self)


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
        self.instructions: list[tuple[str, tuple[Argument, ...]]] = []
        self._known: dict[Any, Register] = {}
        self._count = 0

    def new_register(self) -> Register:
        self._count += 1
        return Register(self._count - 1, self)

    def record(self, word: str, *arguments: Register | float) -> Register:
        numbers = tuple(a.number if isinstance(a, Register) else float(a) for a in arguments)
        key = (word, numbers, tuple(map(type, numbers)))  # register 1 is not the literal 1.0
        if key not in self._known:
            self._known[key] = self.new_register()
            self.instructions.append((word, numbers))
        return self._known[key]

    def __getattr__(self, name: str) -> Callable[..., Register]:
        if name not in WORDS:
            raise AttributeError(name)
        return lambda *arguments: self.record(_word(name, arguments), *arguments)


def _word(name: str, arguments: tuple[Register | float, ...]) -> str:
    """What is written down for a word: a limit that is a number is clamped to."""
    if name in ("maximum", "minimum") and not isinstance(arguments[1], Register):
        return "clamp_min" if name == "maximum" else "clamp_max"
    return name


Instruction = tuple[str, int, int]
"""Word, and registers of its one or two arguments (-1 for no second one)."""


@dataclass(frozen=True)
class Tape:
    """Instructions that compute outputs from prediction (register 0), target (1) and constants (2...).

    num_constants: how many constants the expression has, in prefix order.
    literals:      numbers of the operators' definitions, in the registers after the constants.
    instructions:  their results stand in the registers after these, in their order.
    outputs:       registers that hold the results.
    """

    num_constants: int
    literals: tuple[float, ...]
    instructions: tuple[Instruction, ...]
    outputs: tuple[int, ...]

    def __call__(self, prediction: Tensor, target: Tensor, constants: Sequence[Any]) -> Tensor:
        """The first output; see `replay`."""
        return self.replay(prediction, target, constants)[0]

    def replay(self, prediction: Tensor, target: Tensor, constants: Sequence[Any]) -> list[Tensor]:
        """All outputs. Shapes broadcast: prediction and target (..., outputs), constants scalars or (..., 1).

        Returns tensors of the shape of `prediction`.
        """
        literals = _tensors(self.literals, prediction.dtype, prediction.device)
        found = _run(self._functions, [prediction, target, *constants, *literals], self.outputs)
        return [
            (value if isinstance(value, Tensor) else prediction.new_tensor(value)).expand_as(prediction)
            for value in found
        ]

    @cached_property
    def _functions(self) -> list[Bound]:
        """Words are looked up once, and not at every replay."""
        return [(TORCH_FUNCTIONS[word], *places) for word, *places in self.instructions]  # type: ignore[misc]


def _run(program: list[Bound], registers: list[Any], outputs: tuple[int, ...]) -> list[Any]:
    for function, first, second in program:
        if second < 0:
            registers.append(function(registers[first]))
        else:
            registers.append(function(registers[first], registers[second]))
    return [registers[output] for output in outputs]


@lru_cache(maxsize=4096)
def _tensors(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> tuple[Tensor, ...]:
    """Numbers as tensors without dimensions: torch takes twice as long to wrap a Python number each time."""
    with torch.inference_mode(False):  # they are kept, and may be part of a training later
        return tuple(torch.tensor(value, dtype=dtype, device=device) for value in values)


def value_tape(expr: Expr, classes: int | None = None) -> Tape:
    """The tape that computes the elementwise loss; `classes` is needed if the formula contains it."""

    def value(inputs: Mapping[str, Any], recorder: Any, constants: Sequence[Any]) -> list[Any]:
        own = iter(constants)
        return [evaluate(expr, inputs, recorder, lambda _: next(own))]

    return _trace(expr, value, classes)


def slope_tape(expr: Expr) -> Tape:
    """The tape that computes the derivative of the elementwise loss with respect to the prediction."""

    def slope(inputs: Mapping[str, Any], recorder: Any, constants: Sequence[Any]) -> list[Any]:
        own = iter(constants)
        return [value_and_slope(expr, inputs, recorder, lambda _: next(own), One()).slope]

    return _trace(expr, slope)


def mixed_tape(expr: Expr) -> Tape:
    """The tape that computes that derivative, and then its own derivatives with respect to each constant."""

    def mixed(inputs: Mapping[str, Any], recorder: Any, constants: Sequence[Any]) -> list[Any]:
        slope, others = slope_and_mixed(expr, inputs, recorder, constants, One())
        return [slope, *others]

    return _trace(expr, mixed)


def sensitivity_tape(expr: Expr) -> Tape:
    """The tape that computes the elementwise loss, and then its derivatives with respect to each constant."""

    def sensitive(inputs: Mapping[str, Any], recorder: Any, constants: Sequence[Any]) -> list[Any]:
        value, others = value_and_sensitivities(expr, inputs, recorder, constants, One())
        return [value, *others]

    return _trace(expr, sensitive)


def _trace(
    expr: Expr,
    compute: Callable[[Mapping[str, Any], Any, Sequence[Any]], list[Any]],
    classes: int | None = None,
) -> Tape:
    recorder = Recorder()
    inputs: dict[str, Any] = {"prediction": recorder.new_register(), "target": recorder.new_register()}
    if classes is not None:
        inputs["classes"] = float(classes)
    count = len(constants_of(expr))
    constants = [recorder.new_register() for _ in range(count)]
    found = compute(inputs, recorder, constants)
    results = [r.number if isinstance(r, Register) else float(r or 0.0) for r in found]
    needed = _needed(list(enumerate(recorder.instructions, start=2 + count)), results)
    # Literals take the registers after the constants, so that all arguments are registers.
    arguments = [*results, *[a for _, (_, own) in needed for a in own]]
    literals = sorted({a for a in arguments if type(a) is float})
    places: dict[Any, int] = {number: number for number in range(2 + count)}
    # Keys of floats carry their type: register 1 is not the literal 1.0.
    places |= {(float, value): 2 + count + i for i, value in enumerate(literals)}
    places |= {number: 2 + count + len(literals) + i for i, (number, _) in enumerate(needed)}

    def place(argument: Argument) -> int:
        return places[argument if type(argument) is int else (float, argument)]

    instructions = []
    for _, (word, own) in needed:
        first, *second = [place(a) for a in own]
        instructions.append((word, first, second[0] if second else -1))
    return Tape(count, tuple(literals), tuple(instructions), tuple(place(r) for r in results))


Recorded = tuple[int, tuple[str, tuple[Argument, ...]]]
"""A recorded instruction with the register of its result."""


def _needed(instructions: Sequence[Recorded], outputs: Sequence[Argument]) -> list[Recorded]:
    """The instructions on which `outputs` depend, in order."""
    wanted = {output for output in outputs if type(output) is int}
    kept = []
    for number, (word, arguments) in reversed(instructions):
        if number in wanted:
            wanted.update(a for a in arguments if type(a) is int)
            kept.append((number, (word, arguments)))
    return kept[::-1]
