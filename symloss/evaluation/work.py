"""The trainings of an evaluation on one task: first to choose, then from fresh seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from symloss.errors import StoppedError
from symloss.evaluation.choosing import Choice, Setting, choose
from symloss.evaluation.contestants import Contestant, Version
from symloss.evaluation.folder import EvaluationFolder
from symloss.evaluation.results import Row
from symloss.evaluation.settings import Budget
from symloss.evaluation.subject import Subject
from symloss.evaluation.timing import step_seconds
from symloss.evaluation.training import Looks, Trained, train_networks
from symloss.meta.training import Job

FRESH_SEEDS = 100_000
"""Seeds of the comparison start here, so that none is one of those a learning rate was chosen with."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Work:
    """The trainings on one task."""

    number: int
    subject: Subject
    budget: Budget
    folder: EvaluationFolder
    say: Say
    tick: Callable[[], None]
    stop: Callable[[], bool] = lambda: False

    def rows(self) -> list[Row]:
        """Every contestant's result."""
        chosen = [(own, self._announced(own)) for own in self.subject.contestants]
        tested = self._tested([choice.setting for _, choice in chosen])
        seconds = self.folder.timing(self.number, lambda: self._step_seconds(chosen))
        return [
            self._row(own, choice, networks, seconds.get(own.name, math.nan))
            for (own, choice), networks in zip(chosen, tested, strict=True)
        ]

    def _step_seconds(self, chosen: Sequence[tuple[Contestant, Choice]]) -> dict[str, float]:
        losses = {own.name: choice.setting.version.loss for own, choice in chosen}
        return step_seconds(self.subject.task, losses, self.subject.training, self.budget.seed)

    def _announced(self, own: Contestant) -> Choice:
        choice = self.choice(own)
        self.say(
            f"{self.subject.task.name}: {own.name}: learning rate {choice.setting.learning_rate:g} of "
            f"{choice.tried} settings, validation {choice.cost:.4g}"
        )
        return choice

    def choice(self, own: Contestant) -> Choice:
        """The setting of a loss that is best on validation data."""

        def costs(version: Version, decay: float, rates: Sequence[float]) -> list[list[Trained]]:
            by_seed = [self._chosen_with(own, version, decay, rates, seed) for seed in self._choosing_seeds]
            return [list(networks) for networks in zip(*by_seed, strict=True)]

        return choose(own, self.budget, costs)

    @property
    def _choosing_seeds(self) -> list[int]:
        return [self.budget.seed + index for index in range(self.budget.choosing_seeds)]

    def _chosen_with(
        self, own: Contestant, version: Version, decay: float, rates: Sequence[float], seed: int
    ) -> tuple[Trained, ...]:
        jobs = [Job(version.loss, seed, rate) for rate in rates]
        what = f"{own.name}|{version.label}|{decay!r}|{'|'.join(map(repr, rates))}"
        return self._trained(f"choose|{self.number}|{seed}|{what}", jobs, decay, seed, self._looks())

    def _looks(self, points: int = 1, test: bool = False) -> Looks:
        return Looks(self.subject.metrics, points, test)

    def _tested(self, settings: Sequence[Setting]) -> list[list[Trained]]:
        """Networks of every loss from every fresh seed; those of one seed see the same batches."""
        found: list[list[Trained]] = [[] for _ in settings]
        for index in range(self.budget.seeds):
            seed = self.budget.seed + FRESH_SEEDS + index
            for decay in sorted({setting.weight_decay for setting in settings}):
                rows = [row for row, setting in enumerate(settings) if setting.weight_decay == decay]
                jobs = [Job(settings[row].version.loss, seed, settings[row].learning_rate) for row in rows]
                key = f"test|{self.number}|{seed}|{decay!r}"
                looks = self._looks(self.budget.curve_points, test=True)
                for row, network in zip(rows, self._trained(key, jobs, decay, seed, looks), strict=True):
                    found[row].append(network)
            self.say(f"{self.subject.task.name}: seed {index + 1} of {self.budget.seeds} tested")
        return found

    def _trained(
        self, key: str, jobs: Sequence[Job], decay: float, seed: int, looks: Looks
    ) -> tuple[Trained, ...]:
        known = self.folder.known(key)
        if known is None:
            if self.stop():
                raise StoppedError
            training = msgspec.structs.replace(self.subject.training, weight_decay=decay)
            known = tuple(train_networks(self.subject.task, jobs, training, seed, looks, self.tick))
            self.folder.add(key, known)
        return known

    def _row(self, own: Contestant, choice: Choice, networks: Sequence[Trained], step_seconds: float) -> Row:
        columns = zip(*(network.test for network in networks), strict=True)
        test = {
            metric.name: tuple(math.nan if cost is None else cost for cost in column)
            for metric, column in zip(self.subject.metrics, columns, strict=True)
        }
        setting = choice.setting
        return Row(
            own.name,
            own.judged,
            own.formula,
            setting.version.label,
            setting.learning_rate,
            setting.weight_decay,
            choice.tried,
            choice.cost,
            test,
            tuple(_mean(points) for points in zip(*(n.curve for n in networks), strict=True)),
            step_seconds,
        )


def _mean(costs: Sequence[float | None]) -> float:
    return math.nan if None in costs else sum(c for c in costs if c is not None) / len(costs)
