"""The inputs of a training batch, augmented if the task says so."""

from __future__ import annotations

import torch
from torch import Tensor

from symloss.networks.randomness import step_seed
from symloss.tasks.task import Task


def training_inputs(task: Task, indices: Tensor, seed: int, step: int) -> Tensor:
    """Inputs (batch, ...) of the training samples `indices` in a step.

    Their augmentation is decided by (seed, step) alone: it is the same for all networks, however they are
    grouped and whatever process trains them.
    """
    x = task.train.x.index_select(0, indices)  # takes half as long as x[indices]
    if task.augment is None:
        return x
    return task.augment(x, torch.Generator().manual_seed(step_seed(seed, step)))
