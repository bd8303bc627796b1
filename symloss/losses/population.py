"""Different losses applied to different models in one go.

A `Population` holds one loss per model. Losses of equal structure, which differ in their constants
alone, share one tape and are evaluated together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from symloss.expr import Constant, Expr, constants_of, map_leaves, with_constants
from symloss.losses.entry import predictions_of, pull_back
from symloss.losses.tape import Tape, slope_tape, value_tape
from symloss.records import Kind


def structure_of(expr: Expr) -> Expr:
    """`expr` with all constants set to 1: equal for expressions that differ in constants alone."""
    return map_leaves(expr, lambda leaf: Constant(1.0) if isinstance(leaf, Constant) else leaf)


@dataclass(frozen=True)
class Group:
    """Models whose losses have one structure: their rows in the population, and the tapes they share."""

    rows: tuple[int, ...]
    value: Tape
    slope: Tape
    where: slice | Tensor

    def pick(self, tensor: Tensor) -> Tensor:
        """The rows of this group of a tensor (models, ...); one row stands for all models."""
        if tensor.shape[0] == 1:
            return tensor.expand(len(self.rows), *tensor.shape[1:])
        return tensor[self.where]


class Population:
    """K elementwise losses, one for each of K models, with explicit exact gradients.

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
        self._back: Tensor | None = None  # from the groups' order to the population's, if they differ
        if order != sorted(order):
            self._back = torch.argsort(torch.tensor(order)).to(self._device)

    def _group(self, structure: Expr, rows: list[int]) -> Group:
        contiguous = rows == list(range(rows[0], rows[-1] + 1))
        where = slice(rows[0], rows[-1] + 1) if contiguous else torch.tensor(rows, device=self._device)
        return Group(tuple(rows), value_tape(structure), slope_tape(structure), where)

    def __len__(self) -> int:
        return len(self.expressions)

    def constants(self, dtype: torch.dtype = torch.float32) -> list[Tensor]:
        """The constants of each group: (constants, models of the group, 1, 1)."""
        return [
            torch.tensor([constants_of(self.expressions[row]) for row in group.rows], dtype=dtype)
            .t()
            .reshape(-1, len(group.rows), 1, 1)
            .to(self._device)
            for group in self.groups
        ]

    def with_constants(self, constants: Sequence[Tensor]) -> list[Expr]:
        """The expressions with their constants replaced by those of `constants`, one tensor per group."""
        renewed = list(self.expressions)
        for group, values in zip(self.groups, constants, strict=True):
            columns = values.detach().double().flatten(1).t().tolist()
            for row, column in zip(group.rows, columns, strict=True):
                renewed[row] = with_constants(self.expressions[row], column)
        return renewed

    def slopes(self, predictions: Tensor, targets: Tensor, constants: Sequence[Tensor]) -> Tensor:
        """Derivative of each loss at predictions (K or 1, batch, outputs); targets (batch, outputs)."""
        return self._apply([group.slope for group in self.groups], predictions, targets, constants)

    def values(self, predictions: Tensor, targets: Tensor, constants: Sequence[Tensor]) -> Tensor:
        """Each elementwise loss at predictions (K or 1, batch, outputs): (K, batch, outputs)."""
        return self._apply([group.value for group in self.groups], predictions, targets, constants)

    def _apply(
        self, tapes: Sequence[Tape], predictions: Tensor, targets: Tensor, constants: Sequence[Tensor]
    ) -> Tensor:
        pieces = [
            tape(group.pick(predictions), targets, own.unbind())
            for tape, group, own in zip(tapes, self.groups, constants, strict=True)
        ]
        joined = pieces[0] if len(pieces) == 1 else torch.cat(pieces)
        return joined if self._back is None else joined[self._back]

    def output_gradient(self, outputs: Tensor, targets: Tensor, constants: Sequence[Tensor]) -> Tensor:
        """Gradient of each model's batch-mean loss with respect to its outputs (K or 1, batch, outputs)."""
        predictions = predictions_of(outputs, self.kind)
        slopes = self.slopes(predictions, targets, constants)
        return pull_back(predictions, slopes, self.kind) / outputs.shape[-2]
