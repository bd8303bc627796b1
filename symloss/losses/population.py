"""Different losses applied to different models in one go.

A `Population` holds one loss per model. Losses of equal structure, which differ in their constants
alone, share one tape and are evaluated together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from symloss.expr import Constant, Expr, constants_of, map_leaves, with_constants
from symloss.losses.calls import Array
from symloss.losses.entry import averaged, predictions_of, pull_back
from symloss.losses.program import Program
from symloss.losses.tape import Tape, mixed_tape, slope_tape, value_tape
from symloss.losses.tunable import Transpose
from symloss.records import Kind


def structure_of(expr: Expr) -> Expr:
    """`expr` with all constants set to 1: equal for expressions that differ in constants alone."""
    return map_leaves(expr, lambda leaf: Constant(1.0) if isinstance(leaf, Constant) else leaf)


@dataclass(frozen=True)
class Group:
    """Models whose losses have one structure: that structure, and their rows in the population."""

    structure: Expr
    rows: tuple[int, ...]
    where: slice | Tensor

    def pick(self, tensor: Tensor) -> Tensor:
        """The rows of this group of a tensor (models, ...); one row stands for all models."""
        if tensor.shape[0] == 1:
            return tensor.expand(len(self.rows), *tensor.shape[1:])
        return tensor[self.where]


def _needs_graph(predictions: Tensor, constants: Tensor) -> bool:
    return predictions.requires_grad or constants.requires_grad


FEW = 8192
"""Numbers of one network's outputs up to which formulas are computed on the CPU though the networks are not.

Every operation of every formula is a kernel of its own, and launching one takes longer than it does here.
"""


def _in_numpy(predictions: Tensor, constants: Tensor) -> bool:
    """Whether tapes are replayed in NumPy, which is faster for ten classes and for thousands."""
    device, known = predictions.device.type, predictions.dtype in (torch.float32, torch.float64)
    here = device == "cpu" or (device == "cuda" and predictions.shape[-2:].numel() <= FEW)
    return here and known and not _needs_graph(predictions, constants)


class Population:
    """K elementwise losses, one for each of K models, with explicit exact gradients. Implements `Tunable`.

    expressions: one formula per model.
    device:      where the models are.
    """

    def __init__(self, expressions: Sequence[Expr], kind: Kind, device: torch.device | str = "cpu") -> None:
        self.kind = kind
        self.expressions = tuple(expressions)
        self._device = torch.device(device)
        members: dict[Expr, list[int]] = {}
        for row, expr in enumerate(self.expressions):
            members.setdefault(structure_of(expr), []).append(row)
        self.groups = [self._group(structure, rows) for structure, rows in members.items()]
        order = [row for group in self.groups for row in group.rows]
        # From the population's order to the groups' and back, if they differ.
        self._order: Array | None = None
        self._back: Tensor | None = None
        if order != sorted(order):
            self._order = np.array(order)
            self._back = torch.argsort(torch.tensor(order)).to(self._device)
        self._programs: dict[int, tuple[Any, Program]] = {}

    def _group(self, structure: Expr, rows: list[int]) -> Group:
        contiguous = rows == list(range(rows[0], rows[-1] + 1))
        where = slice(rows[0], rows[-1] + 1) if contiguous else torch.tensor(rows, device=self._device)
        return Group(structure, tuple(rows), where)

    # Traced when first needed: tuning needs other tapes than training.
    @cached_property
    def _value_tapes(self) -> list[Tape]:
        return [value_tape(group.structure) for group in self.groups]

    @cached_property
    def _slope_tapes(self) -> list[Tape]:
        return [slope_tape(group.structure) for group in self.groups]

    @cached_property
    def _mixed_tapes(self) -> list[Tape]:
        return [mixed_tape(group.structure) for group in self.groups]

    @cached_property
    def _sizes(self) -> list[int]:
        """How many constants each group has, those of all its models."""
        return [len(constants_of(group.structure)) * len(group.rows) for group in self.groups]

    @cached_property
    def _rows_of_constants(self) -> Tensor:
        """The model to which each constant belongs, in the order of `constants`."""
        rows = [row for group in self.groups for _ in constants_of(group.structure) for row in group.rows]
        return torch.tensor(rows, dtype=torch.int64, device=self._device)

    def __len__(self) -> int:
        return len(self.expressions)

    def constants(self, dtype: torch.dtype = torch.float32) -> Tensor:
        """All constants in one tensor, group by group; in a group the first constants of its models first."""
        columns = [
            column
            for group in self.groups
            for column in zip(*(constants_of(self.expressions[row]) for row in group.rows), strict=True)
        ]
        values = [value for column in columns for value in column]
        return torch.tensor(values, dtype=dtype, device=self._device)

    def by_group(self, constants: Tensor) -> list[Tensor]:
        """Views of `constants`, one per group: (constants, models of the group, 1, 1)."""
        return [
            piece.view(-1, len(group.rows), 1, 1)
            for piece, group in zip(torch.split(constants, self._sizes), self.groups, strict=True)
        ]

    def with_constants(self, constants: Tensor) -> list[Expr]:
        """The expressions with their constants replaced."""
        renewed = list(self.expressions)
        for group, values in zip(self.groups, self.by_group(constants), strict=True):
            columns = values.detach().double().flatten(1).t().tolist()
            for row, column in zip(group.rows, columns, strict=True):
                renewed[row] = with_constants(self.expressions[row], column)
        return renewed

    def slopes(self, predictions: Tensor, targets: Tensor, constants: Tensor) -> Tensor:
        """Derivative of each loss at predictions (K or 1, batch, outputs); targets (batch, outputs).

        constants: of all losses, as `constants` has them. The next call may overwrite what this one returns.
        """
        return self._apply(self._slope_tapes, predictions, targets, constants)[0]

    def values(self, predictions: Tensor, targets: Tensor, constants: Tensor) -> Tensor:
        """Each elementwise loss at predictions: (K, batch, outputs). See `slopes`."""
        return self._apply(self._value_tapes, predictions, targets, constants)[0]

    def slopes_and_mixed(
        self, predictions: Tensor, targets: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor]:
        """`slopes`, and the derivative of each model's slope with respect to each of its constants.

        The second has a row for each of `constants`: (constants, batch, outputs). It may be on the CPU though
        the predictions are not; see `contracted`.
        """
        return self._apply(self._mixed_tapes, predictions, targets, constants)

    def contracted(self, mixed: Tensor, direction: Tensor) -> Tensor:
        """Sum of each constant's row of `mixed` times its model's row of `direction` (K, batch, outputs)."""
        if mixed.device.type != "cpu":
            return (mixed * direction[self._rows_of_constants]).sum(dim=(1, 2))
        return self._contracted_here(mixed, direction.cpu()).to(direction.device)

    def _contracted_here(self, mixed: Tensor, direction: Tensor) -> Tensor:
        if mixed.stride(-1) > mixed.stride(-2):  # in the order of the numbers in memory
            mixed, direction = mixed.mT, direction.mT
        blocks = torch.split(mixed.flatten(1), self._sizes)
        direction = direction.flatten(1)
        found = []
        for block, group in zip(blocks, self.groups, strict=True):
            # One product for each model, whatever is beside it: results must not depend on that.
            each = block.view(len(block) // len(group.rows), len(group.rows), block.shape[1])
            columns = [each[:, place] @ direction[row] for place, row in enumerate(group.rows)]
            found.append(torch.stack(columns, 1).flatten() if len(columns) > 1 else columns[0])
        return torch.cat(found) if found else mixed.new_zeros(0)

    def linearised(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> tuple[Tensor, Transpose]:
        """See `Tunable`; constants are those of `constants`."""
        predictions = predictions_of(outputs, self.kind, plain=True)
        slopes, mixed = self.slopes_and_mixed(predictions, targets, constants)
        share = averaged(outputs, self.kind)

        def transpose(direction: Tensor, factor: float) -> Tensor:
            push = pull_back(predictions, direction, self.kind)  # the Jacobian of softmax is symmetric
            return self.contracted(mixed, push) * (factor / share)

        return pull_back(predictions, slopes, self.kind) / share, transpose

    def differentiable(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> Tensor:
        """See `Tunable`."""
        return self.output_gradient(outputs, targets, constants)

    def _apply(
        self, tapes: list[Tape], predictions: Tensor, targets: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor]:
        """First outputs of the tapes in the order of the models, and all others in that of the constants."""
        inputs = (predictions, targets, constants)
        if not _in_numpy(predictions, constants):
            first, rows = self._apply_tensors(tapes, *inputs)
        elif predictions.device.type == "cpu":
            first, rows = self._apply_arrays(tapes, *inputs)
        else:
            first, rows = self._apply_there_and_back(tapes, *inputs)
        return first if self._back is None else first[self._back], rows

    def _apply_tensors(
        self, tapes: list[Tape], predictions: Tensor, targets: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor]:
        first, others = [], []
        for tape, group, own in zip(tapes, self.groups, self.by_group(constants), strict=True):
            found = tape.replay(group.pick(predictions), targets, own.unbind())
            first.append(found[0])
            others += found[1:]
        joined = first[0] if len(first) == 1 else torch.cat(first)
        return joined, torch.cat(others) if others else predictions.new_zeros(0, *predictions.shape[1:])

    def _apply_arrays(
        self, tapes: list[Tape], predictions: Tensor, targets: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same in NumPy. The results stay in the program, whose next run overwrites them."""
        if predictions.stride(-1) > predictions.stride(-2):  # class by class in memory, as are the results
            first, rows = self._apply_arrays(tapes, predictions.mT, targets.mT, constants)
            return first.mT, rows.mT
        shared = len(predictions) == 1
        inputs = predictions.numpy()
        program = self._program(tapes, inputs.shape[1:], inputs.dtype, shared)
        if self._order is not None and not shared:
            inputs = inputs[self._order]
        program.run(inputs, targets.numpy(), constants.numpy())
        return torch.from_numpy(program.first), torch.from_numpy(program.others)

    def _apply_there_and_back(
        self, tapes: list[Tape], predictions: Tensor, targets: Tensor, constants: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The same for tensors of another device. Rows of constants stay here, where they are contracted."""
        first, rows = self._apply_arrays(tapes, predictions.cpu(), targets.cpu(), constants.cpu())
        return first.to(predictions.device), rows

    def _program(
        self, tapes: list[Tape], shape: tuple[int, ...], dtype: np.dtype[Any], shared: bool
    ) -> Program:
        """The tapes laid out for predictions of this form. Any other form is forgotten."""
        form = (shape, dtype, shared)
        known = self._programs.get(id(tapes))
        if known is None or known[0] != form:
            counts = [len(group.rows) for group in self.groups]
            known = self._programs[id(tapes)] = form, Program(tapes, counts, *form)
        return known[1]

    def output_gradient(self, outputs: Tensor, targets: Tensor, constants: Tensor) -> Tensor:
        """Gradient of each model's batch-mean loss with respect to its outputs (K or 1, batch, outputs)."""
        predictions = predictions_of(outputs, self.kind, plain=not _needs_graph(outputs, constants))
        slopes = self.slopes(predictions, targets, constants)
        return pull_back(predictions, slopes, self.kind) / averaged(outputs, self.kind)
