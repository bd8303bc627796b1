"""Learned losses out of their run folders."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from symloss.archive.learned import LearnedFolder, LearnedRecord, Snapshot
from symloss.errors import RunError
from symloss.losses.neural.network import LossNetwork


@dataclass(frozen=True)
class LearnedLoss:
    """A learned loss with its history. snapshots: in the order of training, at least one."""

    path: Path
    record: LearnedRecord
    snapshots: tuple[Snapshot, ...]

    @property
    def network(self) -> LossNetwork:
        """The loss at the end of the run."""
        return network_at(self.record, self.snapshots[-1])


def load_learned(path: Path) -> LearnedLoss:
    """The learned loss of a run folder. Raises RunError if there is none yet."""
    folder = LearnedFolder.open(path)
    snapshots = folder.snapshots()
    if not snapshots:
        raise RunError(f"the run in '{path}' has learned nothing yet; go on with it: symloss resume {path}")
    return LearnedLoss(path, folder.record(), tuple(snapshots))


def network_at(record: LearnedRecord, snapshot: Snapshot) -> LossNetwork:
    """The loss network of a snapshot. Raises RunError for a run that learned a learning rate."""
    if record.network is None:
        raise RunError(f"a run of '{record.method}' learned a learning rate and no loss network")
    return LossNetwork.of(snapshot.weights, record.task.kind, record.network)
