"""Programs: tapes laid out in memory once, for replaying them in NumPy again and again.

On the few hundred numbers of a small network's outputs, calling and allocating are nearly all of the work. A
program knows the arrays that each of its calls reads and writes, so that to run it is to make the calls. All
tapes share the few arrays that are in use at a time, which stay in the processor's caches.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from symloss.losses.calls import Array, Call, Spare, calls_of
from symloss.losses.tape import Tape


class Program:
    """Tapes for models that are evaluated together, and the arrays that they read and write.

    counts: how many models each tape is for; they follow one another.
    shape:  of a model's predictions. shared: all models have the same.

    A run overwrites what the one before has found, so a program is for one thread at a time.
    """

    def __init__(
        self,
        tapes: Sequence[Tape],
        counts: Sequence[int],
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        shared: bool = False,
    ) -> None:
        both = list(zip(tapes, counts, strict=True))
        num_constants = sum(count * tape.num_constants for tape, count in both)
        num_others = sum(count * (len(tape.outputs) - 1) for tape, count in both)
        self._predictions = np.empty((1 if shared else sum(counts), *shape), dtype)
        self._targets = np.empty(shape, dtype)
        self._constants = np.empty(num_constants, dtype)
        self._known: bytes | None = None  # the constants that the arrays of numbers are made of
        self.first = np.empty((sum(counts), *shape), dtype)
        self.others = np.empty((num_others, *shape), dtype)
        self._of_numbers: list[Call] = []
        self._calls: list[Call] = []

        spare, begun = Spare(dtype), 0
        constants, others = _Cut(self._constants), _Cut(self.others)
        for tape, count in both:
            own = slice(begun, begun + count)
            layout = _Layout(spare, count)
            layout.begin(
                self._predictions if shared else self._predictions[own],
                self._targets,
                [constants.next(count) for _ in range(tape.num_constants)],
                tape.literals,
            )
            layout.go_on(tape, [self.first[own], *(others.next(count) for _ in tape.outputs[1:])])
            self._of_numbers += layout.of_numbers
            self._calls += layout.calls
            begun += count

    def run(self, predictions: Array, targets: Array, constants: Array) -> None:
        """Compute `first`, the first output of each model, and `others`, all others tape by tape.

        predictions: (models or 1, *shape). targets: what broadcasts to `shape`.
        constants:   all of them tape by tape; of a tape, the first constants of its models first.
        `first` has the shape (models, *shape), `others` (outputs, *shape) in the order of the constants.
        """
        np.copyto(self._predictions, predictions)
        np.copyto(self._targets, targets)
        with np.errstate(all="ignore"):
            if (own := constants.tobytes()) != self._known:
                np.copyto(self._constants, constants)
                self._known = own
                for function, arguments in self._of_numbers:
                    function(*arguments)
            for function, arguments in self._calls:
                function(*arguments)


class _Cut:
    """Consecutive pieces of an array."""

    def __init__(self, array: Array) -> None:
        self._array, self._begun = array, 0

    def next(self, count: int) -> Array:
        self._begun += count
        return self._array[self._begun - count : self._begun]


class _Layout:
    """The calls of one tape, for `count` models, and the arrays of its registers.

    of_numbers: calls that depend on nothing but constants.
    """

    def __init__(self, spare: Spare, count: int) -> None:
        self.of_numbers: list[Call] = []
        self.calls: list[Call] = []
        self._spare, self._count = spare, count
        self._places: list[Array] = []
        self._numbers: set[int] = set()

    def begin(
        self, predictions: Array, targets: Array, constants: Sequence[Array], literals: Sequence[float]
    ) -> None:
        """The registers before the first instruction. Constants: (count,) each."""
        column = () if self._count == 1 else (self._count, *[1] * targets.ndim)
        self._places = [self._unstacked(predictions), targets]
        self._places += [constant.reshape(column) for constant in constants]
        self._places += [self._spare.literal(value) for value in literals]
        self._numbers = set(range(2, len(self._places)))

    def _unstacked(self, stacked: Array) -> Array:
        """One model's arrays lose their first dimension: NumPy is twice as fast if all have the same."""
        return stacked[0] if self._count == 1 else stacked

    def go_on(self, tape: Tape, outputs: Sequence[Array]) -> None:
        """All instructions. outputs: (count, *shape) each, where the tape's outputs are wanted."""
        begun = len(self._places)
        wanted = [(own, self._unstacked(home)) for own, home in zip(tape.outputs, outputs, strict=True)]
        homes = dict(wanted)
        ends = _last_uses(tape, begun)
        borrowed: set[int] = set()
        for register, (word, *arguments) in enumerate(tape.instructions, begun):
            own = [argument for argument in arguments if argument >= 0]
            for argument in borrowed.intersection(a for a in own if ends.get(a) == register):
                self._spare.give(self._places[argument])
                borrowed.remove(argument)
            if self._instruct(register, word, own, homes.get(register)):
                borrowed.add(register)
        for register, home in wanted:  # a register may be wanted in two places, or be too small for one
            if self._places[register] is not home:
                self.calls.append((np.copyto, (home, self._places[register])))
        for register in borrowed:
            self._spare.give(self._places[register])

    def _instruct(self, register: int, word: str, own: Sequence[int], home: Array | None) -> bool:
        """One instruction. Returns whether its result stands in a spare array, to be given back."""
        arguments = [self._places[argument] for argument in own]
        shape = np.broadcast_shapes(*(argument.shape for argument in arguments))
        of_numbers = self._numbers.issuperset(own)
        if of_numbers:
            self._numbers.add(register)
            out = np.empty(shape, self._spare.dtype)  # not to be shared: it is not computed every time
        elif home is not None and home.shape == shape:
            out = home
        else:
            out = self._spare.take(shape)
        self._places.append(out)
        calls = self.of_numbers if of_numbers else self.calls
        calls += calls_of(word, arguments, out, self._spare)
        return not of_numbers and out is not home


def _last_uses(tape: Tape, begun: int) -> dict[int, int]:
    """The register of the last instruction that needs a register's result; outputs are always needed."""
    last: dict[int, int] = {}
    for register, (_, *arguments) in enumerate(tape.instructions, begun):
        last.update(dict.fromkeys(arguments, register))
    return {register: end for register, end in last.items() if register not in tape.outputs}
