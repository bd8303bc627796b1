"""A search from start to end. The only place where proposing, training and remembering meet."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, Protocol

import msgspec
import torch

from symloss import __version__
from symloss.archive import RunFolder, SavedState
from symloss.archive.holding import held
from symloss.config import SearchConfig, TaskSettings, to_settings
from symloss.errors import ConfigError, RunError, SymlossError, TaskError
from symloss.grammar import Grammar, load_grammar, parse_grammar
from symloss.meta.calibration import Calibration, calibrate
from symloss.meta.confirm import best_rate, longer, run_trials
from symloss.meta.evaluator import Evaluator
from symloss.meta.lockstep import seeded_networks
from symloss.meta.plan import plan_for
from symloss.meta.training import outputs_on
from symloss.networks import Separate
from symloss.records import Candidate, Confirmation, Kind, Status, ranked
from symloss.search.genetic import GeneticSearch
from symloss.search.protocol import Search
from symloss.search.random_search import RandomSearch
from symloss.search.taylorglo import TaylorGLOSearch
from symloss.tasks import CORRUPTIONS, Corruption, Metric, Task, find_metric, make_task

DEFAULT_GRAMMARS = {
    Kind.MULTICLASS: "classification",
    Kind.BINARY: "classification",
    Kind.REGRESSION: "regression",
}

CONFIRMATION_SEED = 10_000
"""Seeds of finalists start here, so that they are not those on which the finalists were chosen."""


@dataclass(frozen=True)
class Progress:
    """Where a search stands, for whoever watches."""

    config: SearchConfig
    stage: str
    generation: int
    evaluations: int
    seconds: float
    candidates: Sequence[Candidate]


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


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    complete:  False if it was stopped before its end.
    baselines: name and validation cost of known losses, best first, trained as candidates are and each at
               its best learning rate; empty if the learning rate was given.
    """

    config: SearchConfig
    task: Task
    candidates: tuple[Candidate, ...]
    complete: bool
    folder: Path | None
    baselines: tuple[tuple[str, float], ...] = ()

    @property
    def ranked(self) -> list[Candidate]:
        """The scored candidates, best first."""
        return ranked(self.candidates)


def task_of(settings: TaskSettings) -> Task:
    """The task that settings describe, on its device."""
    task = make_task(
        settings.task,
        model=settings.model,
        corruption=corruption_of(settings),
        metric=settings.metric if settings.metric and ":" not in settings.metric else None,
        data_dir=settings.data_dir,
        data_seed=settings.data_seed,
        train_size=settings.train_size,
        augment=settings.augment,
    )
    return task.to(device_of(settings.device))


def corruption_of(settings: TaskSettings) -> Corruption:
    """How settings damage the training data: each field of `Corruption` is a setting of the same name."""
    return Corruption(**{name: getattr(settings, name) for name in CORRUPTIONS})


def metric_of(settings: TaskSettings, task: Task) -> Metric:
    """What is measured, and minimised by a search: the configured metric, or the task's own."""
    return find_metric(settings.metric or task.metric, task.kind)


def check_metric(metric: Metric, task: Task, seed: int) -> None:
    """Raise TaskError if the metric fails on an untrained network: better now than after an hour."""
    network, parameters = seeded_networks(task.make_model, [seed], task.train.x.device, Separate)
    (cost,) = metric.batched(outputs_on(network, parameters, task.valid), task.valid.y).tolist()
    if not math.isfinite(cost):
        raise TaskError(
            f"metric '{metric.name}' is {cost} for an untrained network on the validation data, "
            "expected a finite number; correct the metric or choose another"
        )


def device_of(name: str) -> torch.device:
    """The device called `name`; "auto" is CUDA where there is one. Raises ConfigError if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"unknown device '{name}': expected cpu, cuda, cuda:N or auto") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device '{name}' was asked for, but no CUDA device is there; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device '{name}' is not there: CUDA devices are 0 to {torch.cuda.device_count() - 1}"
        )
    if name != "cpu" and device.type != "cuda":
        raise ConfigError(f"device '{name}' is not supported: expected cpu, cuda, cuda:N or auto")
    return device


def grammar_of(config: SearchConfig, kind: Kind) -> Grammar:
    """Which formulas may be proposed. Raises ConfigError for a grammar that the method does not use."""
    if config.method != "taylorglo":
        return load_grammar(config.grammar or DEFAULT_GRAMMARS[kind])
    if config.grammar not in (None, "taylorglo"):
        raise ConfigError(
            f"method 'taylorglo' has a polynomial of its own, found grammar '{config.grammar}'; leave it out"
        )
    return load_grammar("taylorglo")


def make_search(config: SearchConfig, grammar: Grammar, task: Task) -> Search:
    """The searcher of a configuration."""
    if config.method == "taylorglo":
        classes = {Kind.MULTICLASS: task.num_outputs, Kind.BINARY: 2, Kind.REGRESSION: None}[task.kind]
        return TaylorGLOSearch(config.population, config.taylorglo, config.seed, classes)
    if config.method == "random":
        return RandomSearch(grammar, config.population, config.seed)
    return GeneticSearch(grammar, config.population, config.genetic, config.seed)


@dataclass
class SearchRun:
    """One search: its parts, and where it stands.

    stop: asked before each generation; True ends the search there.
    """

    config: SearchConfig
    task: Task
    grammar: Grammar
    folder: RunFolder | None = None
    watcher: Watcher = field(default_factory=Unwatched)
    stop: Callable[[], bool] = lambda: False

    def __post_init__(self) -> None:
        self.metric = metric_of(self.config, self.task)
        tuning = self.config.tuning
        if self.config.method in ("gp-lfl", "taylorglo"):
            tuning = msgspec.structs.replace(tuning, steps=0)
        self.training = self.config.training
        self.evaluator = Evaluator(
            self.task,
            self.metric,
            self.training,
            tuning,
            self.config.filters,
            self.config.racing,
            self.config.seed,
            self.watcher.stage,
        )
        self.search = make_search(self.config, self.grammar, self.task)
        self.candidates: list[Candidate] = []
        self.baselines: tuple[tuple[str, float], ...] = ()
        self._generation = 0
        self._earlier_seconds = 0.0
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent, over all sittings."""
        return self._earlier_seconds + time.monotonic() - self._began

    def restore(self, state: SavedState, candidates: Sequence[Candidate]) -> None:
        """Go on where an earlier sitting stopped."""
        by_id = {c.id: c for c in candidates}
        self.candidates = list(candidates)
        self.evaluator.known = {mark: by_id[id_] for mark, id_ in state.marks.items()}
        self.search.restore(state.search)
        self._generation = state.generation
        self._earlier_seconds = state.seconds

    def run(self) -> Outcome:
        """Search to the end, or until `stop` or the time budget says so, then look at the finalists."""
        self.watcher.started(self.config, self.task, self.grammar)
        plan = plan_for(self.task, self.training)
        self._event(
            "started",
            generation=self._generation,
            device=str(self.task.train.x.device),
            network=plan.name,
            models_at_once=plan.at_once,
        )
        self._calibrate()
        stopped = False
        while self._generation < self.config.generations and not (self._generation and self._out_of_time()):
            if self.stop():
                stopped = True
                break
            self._one_generation()
        if not stopped:
            self._check_found()
            self._confirm()
        self._save(finished=not stopped)
        self._event("stopped" if stopped else "finished", seconds=round(self.seconds, 3))
        self._show("stopped" if stopped else "finished")
        path = self.folder.path if self.folder else None
        return Outcome(self.config, self.task, tuple(self.candidates), not stopped, path, self.baselines)

    def _calibrate(self) -> None:
        """Find the learning rate if none is set. A resumed run does it again, with the same result."""
        if self.training.learning_rate is not None:
            return
        found = calibrate(
            self.task, self.metric, self.training, self.config.seed, lambda: self.watcher.stage("calibration")
        )
        self.training = msgspec.structs.replace(self.training, learning_rate=found.learning_rate)
        self.evaluator.training = self.training
        self.baselines = found.baselines
        self._event("calibrated", learning_rate=found.learning_rate, baselines=dict(found.baselines))
        self.watcher.calibrated(found)

    def _out_of_time(self) -> bool:
        return self.config.time_budget is not None and self.seconds >= self.config.time_budget

    def _one_generation(self) -> None:
        began = time.monotonic()
        scored = self.evaluator.evaluate(self.search.ask())
        self.search.tell(scored)
        self.candidates += scored
        self._generation += 1
        if self.folder:
            self.folder.add_candidates(scored)
            self._event(
                "generation",
                generation=self._generation,
                seconds=round(time.monotonic() - began, 3),
                statuses={s.value: sum(c.score.status is s for c in scored) for s in Status},
            )
            self._save(finished=False)
        self._show("searching")

    def _check_found(self) -> None:
        if not any(c.score.status is Status.OK for c in self.candidates):
            counts = {s.value: sum(c.score.status is s for c in self.candidates) for s in Status}
            seen = ", ".join(f"{n} {name}" for name, n in counts.items() if n)
            raise RunError(
                f"none of {len(self.candidates)} candidates could be trained ({seen}); "
                "try another grammar, more generations, or a smaller training.learning_rate"
            )

    def _confirm(self) -> None:
        """Train the best candidates again with more seeds, more steps and several learning rates."""
        settings, training = self.config.finalists, self.training
        assert training.learning_rate is not None
        best = self.ranked[: settings.count]
        if not best:
            return
        rates = [float(f"{training.learning_rate * factor:.3g}") for factor in settings.factors]
        seeds = [self.config.seed + CONFIRMATION_SEED + i for i in range(settings.seeds)]
        longer_training = longer(training, settings.steps)
        trials = run_trials(
            self.task,
            self.metric,
            [c.loss.expression for c in best],
            [rates] * len(best),
            seeds,
            longer_training,
            lambda: self.watcher.stage("finalists"),
        )
        confirmations: dict[int, Confirmation] = {}
        for position, candidate in enumerate(best):
            rate, cost = best_rate(trials, position)
            confirmations[candidate.id] = Confirmation(
                cost if cost < float("inf") else None, rate, longer_training.steps, settings.seeds
            )
        self.candidates = [
            replace(c, confirmation=confirmations.get(c.id, c.confirmation)) for c in self.candidates
        ]
        if self.folder:
            self.folder.add_finalists(confirmations.items())

    @property
    def ranked(self) -> list[Candidate]:
        """The scored candidates so far, best first."""
        return ranked(self.candidates)

    def _save(self, finished: bool) -> None:
        if self.folder:
            self.folder.write_table(self.candidates)
            marks = {mark: c.id for mark, c in self.evaluator.known.items()}
            self.folder.save_state(self._generation, marks, self.search.state(), self.seconds, finished)

    def _event(self, name: str, **facts: Any) -> None:
        if self.folder:
            self.folder.add_event(name, **facts)

    def _show(self, stage: str) -> None:
        self.watcher.generation(
            Progress(
                self.config, stage, self._generation, len(self.candidates), self.seconds, self.candidates
            )
        )


def start(
    config: SearchConfig,
    out: Path | None = None,
    *,
    task: Task | None = None,
    watcher: Watcher | None = None,
    stop: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Run a new search. With `out`, its record is kept in that folder, which must be new or empty.

    task: search on this task instead of the one that the configuration names.
    """
    given = task is not None
    task = task.to(device_of(config.device)) if task is not None else task_of(config)
    grammar = grammar_of(config, task.kind)
    config = settled(config, task)
    run = SearchRun(config, task, grammar, None, watcher or Unwatched(), stop)
    check_metric(run.metric, task, config.seed)
    if out is None:
        return run.run()
    run.folder = RunFolder.create(out, run_record(config, task, grammar, given), grammar.text)
    with held(out):
        return run.run()


def settled(config: SearchConfig, task: Task) -> SearchConfig:
    """The configuration with what is measured on this machine: a resumed run must not measure anew.

    How networks are grouped decides the last bits of their weights.
    """
    plan = plan_for(task, config.training)
    training = msgspec.structs.replace(config.training, network=plan.name, models_at_once=plan.at_once)
    return msgspec.structs.replace(config, training=training)


def resume(
    path: Path, *, watcher: Watcher | None = None, stop: Callable[[], bool] = lambda: False
) -> Outcome:
    """Go on with an interrupted search from its last finished generation."""
    folder = RunFolder.open(path)
    with held(path):
        return _resumed(folder, watcher or Unwatched(), stop)


def _resumed(folder: RunFolder, watcher: Watcher, stop: Callable[[], bool]) -> Outcome:
    path, config = folder.path, config_of(folder)
    if folder.record().get("task", {}).get("given"):
        raise RunError(
            f"the search in '{path}' was given its data in Python, which its record does not hold; "
            "start it anew there, with a task from a file if it is to be resumable"
        )
    task = task_of(config)
    grammar = parse_grammar(folder.grammar_text(), str(path / "grammar.grammar"))
    run = SearchRun(config, task, grammar, folder, watcher, stop)
    state = folder.state()
    if state is not None and state.finished:
        raise RunError(f"the search in '{path}' is finished; look at it with: symloss show {path}")
    if state is not None:
        candidates = folder.candidates(state)
        try:
            run.restore(state, candidates)
        except (LookupError, TypeError, ValueError, AttributeError, SymlossError) as error:
            raise RunError(f"'{path / 'state.json'}' is damaged: {type(error).__name__}: {error}") from error
    folder.cut_back(state)  # only now, so that a run that cannot go on is left as it is
    return run.run()


def run_record(config: SearchConfig, task: Task, grammar: Grammar, given: bool = False) -> dict[str, Any]:
    """What `run.json` says about a search: its resolved configuration and what it ran on.

    given: the task was handed over as a value, so the configuration does not say how to make it.
    """
    libraries = ("torch", "numpy", "sympy", "deap")
    return {
        "symloss": __version__,
        "python": platform.python_version(),
        "versions": {name: version(name) for name in libraries},
        "platform": platform.platform(),
        "threads": torch.get_num_threads(),
        "seed": config.seed,
        "task": {
            "name": task.name,
            "kind": task.kind.value,
            "model": task.model_name,
            "metric": config.metric or task.metric,
            "notes": list(task.notes),
            "samples": [len(task.train), len(task.valid), len(task.test)],
            "given": given,
        },
        "grammar": {"name": grammar.name, "digest": grammar.digest},
        "config": to_settings(config),
    }


def config_of(folder: RunFolder) -> SearchConfig:
    """The configuration of a saved run. Raises RunError if it cannot be read."""
    try:
        return msgspec.convert(folder.record().get("config"), SearchConfig)
    except msgspec.ValidationError as error:
        raise RunError(f"'{folder.path / 'run.json'}' is damaged: {error}") from None
