"""Numbers over training for TensorBoard, where that is installed."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = "tensorboard"
"""Its folder in a run folder."""


def log_scalars(run: Path, points: Iterable[tuple[str, int, float]]) -> None:
    """Add points (name, step, value) to the record in a run folder; nothing happens without TensorBoard."""
    points = list(points)
    if not points or importlib.util.find_spec("tensorboard") is None:
        return
    from torch.utils.tensorboard import SummaryWriter

    make: Any = SummaryWriter
    with contextlib.closing(make(str(run / FOLDER))) as writer:
        for name, step, value in points:
            writer.add_scalar(name, value, step)
