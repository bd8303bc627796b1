"""Samples weighted by class: for losses that are to be balanced, beside others that are not."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from symloss.losses.function import Balanced, Loss
from symloss.tasks.metrics import class_ids
from symloss.tasks.task import Task


class Balance:
    """The weights of a batch's samples in the gradients of those networks whose loss is `Balanced`."""

    def __init__(self, task: Task, losses: Sequence[Loss]) -> None:
        device = task.train.x.device
        rows = [row for row, loss in enumerate(losses) if isinstance(loss, Balanced)]
        self._rows = torch.tensor(rows, dtype=torch.int64, device=device)
        self._weights: Tensor | None = None
        if rows:
            counts = torch.bincount(class_ids(task.train.y), minlength=max(task.num_outputs, 2))
            self._weights = (len(task.train) / (len(counts) * counts)).to(task.train.x.dtype)

    def __call__(self, gradient: Tensor, labels: Tensor) -> Tensor:
        """From gradients of plain means (networks, batch, outputs) those of weighted ones, where wanted."""
        if self._weights is None:
            return gradient
        weights = self._weights[class_ids(labels)]
        shares = weights / weights.mean()
        return gradient.index_copy(0, self._rows, gradient[self._rows] * shares[:, None])
