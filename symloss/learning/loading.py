"""Learned losses out of their run folders."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec
from torch import Tensor

from symloss.archive.learned import LearnedFolder, LearnedRecord, Snapshot
from symloss.errors import ConfigError, RunError
from symloss.escaping import pasted
from symloss.learning.settings import LearnConfig
from symloss.losses.function import FunctionLoss, Loss, OnlineLoss
from symloss.losses.neural.network import LossNetwork
from symloss.meta.meta_gradient import task_loss
from symloss.records import Kind


@dataclass(frozen=True)
class LearnedLoss:
    """A learned loss with its history. snapshots: in the order of training, at least one."""

    path: Path
    record: LearnedRecord
    snapshots: tuple[Snapshot, ...]

    @property
    def config(self) -> LearnConfig:
        """The settings of the run."""
        try:
            return msgspec.convert(self.record.config, LearnConfig)
        except msgspec.ValidationError as error:
            raise RunError(f"'{self.path / 'run.json'}' is damaged: {error}") from None

    @property
    def network(self) -> LossNetwork:
        """The loss at the end of the run. Raises RunError for a run that learned a learning rate."""
        return network_at(self.record, self.snapshots[-1])

    def at(self, step: int) -> Snapshot:
        """The snapshot of a step. Raises ConfigError if there is none."""
        for snapshot in self.snapshots:
            if snapshot.step == step:
                return snapshot
        known = ", ".join(str(own.step) for own in self.snapshots)
        raise ConfigError(f"'{self.path}' has no snapshot of step {step}; it has those of {known}")

    def loss(self) -> Loss:
        """What networks are trained under: a frozen function, or a loss that learns with each anew."""
        config, kind = self.config, self.record.task.kind
        if config.online:
            weights = self.snapshots[0].weights  # after meta-training, before any network was trained
            return OnlineLoss(
                config.method,
                self.record.network,
                weights,
                config.adaptation.rate,
                config.adaptation.batch,
            )
        if self.record.network is None:
            return FunctionLoss(config.method, _Scaled(self.snapshots[-1].weights[0], kind))
        return FunctionLoss(config.method, self.network.per_sample, stacks=True)

    def identity(self) -> str:
        """A text that changes when the loss does."""
        parts = (self.config.method, self.record.network, self.snapshots[0].weights, self.config.adaptation)
        text = repr((*parts, None if self.config.online else self.snapshots[-1].weights))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class _Scaled:
    """The usual loss times a factor."""

    factor: float
    kind: Kind

    def __call__(self, outputs: Tensor, labels: Tensor) -> Tensor:
        return task_loss(outputs, labels, self.kind) * self.factor


def load_learned(path: Path | str) -> LearnedLoss:
    """The learned loss of a run folder. Raises RunError if there is none yet."""
    path = Path(path)
    folder = LearnedFolder.open(path)
    snapshots = folder.snapshots()
    if not snapshots:
        raise RunError(f"the run in '{path}' has learned nothing yet; go on: symloss resume {pasted(path)}")
    return LearnedLoss(path, folder.record(), tuple(snapshots))


def network_at(record: LearnedRecord, snapshot: Snapshot) -> LossNetwork:
    """The loss network of a snapshot. Raises RunError for a run that learned a learning rate."""
    if record.network is None:
        raise RunError(f"a run of '{record.method}' learned a learning rate and no loss network")
    return LossNetwork.of(snapshot.weights, record.task.kind, record.network)
