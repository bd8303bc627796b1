"""The inputs of a training batch, augmented if the task says so."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from symloss.tasks.task import Task


def training_inputs(task: Task, indices: Tensor, seed: int, step: int) -> Tensor:
    """Inputs (batch, ...) of the training samples `indices` in a step.

    Their augmentation is decided by (seed, step) alone: it is the same for all networks, however they are
    grouped and whatever process trains them.
    """
    x = task.train.x[indices]
    if task.augment is None:
        return x
    mixed = np.random.SeedSequence([seed, step]).generate_state(1, np.uint64)
    return task.augment(x, torch.Generator().manual_seed(int(mixed[0] >> np.uint64(1))))
