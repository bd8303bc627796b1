"""A learned loss over its training, from its run folder."""

from __future__ import annotations

from collections.abc import Sequence

from symloss.learning.loading import LearnedLoss, network_at
from symloss.report.learned import Moment, elementwise, moment


def moments_of(found: LearnedLoss) -> list[Moment]:
    """What the loss did at each of its snapshots. Raises RunError for a learned learning rate."""
    outputs = found.record.task.num_outputs
    return [
        moment(elementwise(network_at(found.record, own), outputs), outputs, own.step, own.progress)
        for own in found.snapshots
    ]


def factors_of(found: LearnedLoss) -> list[tuple[int, float]]:
    """Step and factor of a learned learning rate."""
    return [(own.step, own.weights[0]) for own in found.snapshots]


def as_lines(found: LearnedLoss, moments: Sequence[Moment]) -> list[str]:
    """What to print: where the loss was, and what it implied, at a dozen steps."""
    record = found.record
    lines = [f"{found.path}: {record.method}, {record.task.kind.value}, on {record.task.name}"]
    picked = sorted({round(i * (len(found.snapshots) - 1) / 11) for i in range(12)})
    rate = "learning rate, times that of the usual loss"
    if record.network is None:
        lines.append(f"{'step':>8}  {rate}")
        return lines + [f"{s.step:>8}  {s.weights[0]:.4g}" for s in (found.snapshots[i] for i in picked)]
    lines.append(f"{'step':>8}  {rate:<44} label smoothing")
    for own in (moments[i] for i in picked):
        smoothing = "-" if own.smoothing is None else f"{own.smoothing:.4g}"
        lines.append(f"{own.step:>8}  {own.learning_rate:<44.4g} {smoothing}")
    return lines
