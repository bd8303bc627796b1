"""Someone who watches a search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from symloss.config import SearchConfig
from symloss.grammar import Grammar
from symloss.meta.calibration import Calibration
from symloss.records import Ledger
from symloss.tasks import Task


@dataclass(frozen=True)
class Progress:
    """Where a search stands, for whoever watches."""

    config: SearchConfig
    stage: str
    generation: int
    evaluations: int
    seconds: float
    candidates: Ledger


class Watcher(Protocol):
    """Someone who is shown the progress of a search. Watching never changes a result."""

    def started(self, config: SearchConfig, task: Task, grammar: Grammar) -> None:
        """Called before the first generation."""

    def stage(self, name: str) -> None:
        """Called at every step of work, with what is being done."""

    def calibrated(self, calibration: Calibration) -> None:
        """Called when known losses have been trained to find a learning rate."""

    def generation(self, progress: Progress) -> None:
        """Called after each generation, and after the finalists."""


class Unwatched:
    """A watcher that looks away."""

    def started(self, config: SearchConfig, task: Task, grammar: Grammar) -> None:
        pass

    def stage(self, name: str) -> None:
        pass

    def calibrated(self, calibration: Calibration) -> None:
        pass

    def generation(self, progress: Progress) -> None:
        pass
