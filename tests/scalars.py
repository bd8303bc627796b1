"""What TensorBoard reads in a run folder."""

from __future__ import annotations

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def logged(run: Path) -> dict[str, dict[int, float]]:
    """Values by name and step."""
    found = EventAccumulator(str(run / "tensorboard"))
    found.Reload()
    return {name: {own.step: own.value for own in found.Scalars(name)} for name in found.Tags()["scalars"]}
