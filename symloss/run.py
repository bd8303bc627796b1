"""A search from start to end. The only place where proposing, training and remembering meet."""

from __future__ import annotations

import functools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from symloss.archive import RunFolder, SavedState
from symloss.archive.changes import answer_changes
from symloss.archive.holding import held, make_folder
from symloss.config import UNTUNED, SearchConfig
from symloss.errors import RunError, StoppedError, SymlossError
from symloss.escaping import pasted
from symloss.expr import Expr
from symloss.grammar import Grammar
from symloss.making import (
    check_metric,
    device_of,
    digest_of,
    grammar_of,
    make_search,
    metric_of,
    settled,
    task_of,
)
from symloss.meta.calibration import calibrate, known_losses
from symloss.meta.choosing import plan_for
from symloss.meta.confirm import longer, second_looks
from symloss.meta.evaluator import Evaluator
from symloss.places import relocated
from symloss.records import BROKEN, Candidate, Confirmation, Ledger, Status
from symloss.run_record import begun_in, changes_since, config_of, determinism, folder_grammar, run_record
from symloss.search.saved import Standing, saved_as
from symloss.tasks import Metric, Task
from symloss.tasks.metrics import own_metric
from symloss.watching import Progress, Unwatched, Watcher
from symloss.workers import one_thread, stopping

TRAINED = BROKEN | {Status.OK, Status.DIVERGED, Status.OUTRUN}
HOPELESS = 2
"""Generations in a row in which all that was trained failed, after which a search gives up."""

CONFIRMATION_SEED = 10_000
"""Seeds of finalists start here, so that they are not those on which the finalists were chosen."""

RIVALS = 3
"""Known losses, the best ones, that are trained as the finalists are."""


@dataclass(frozen=True)
class Outcome:
    """What a search found.

    complete:  False if it was stopped before its end.
    baselines: name and validation cost of known losses, best first, trained as candidates are and each at
               its best learning rate; empty if the learning rate was given.
    rivals:    the best of them again, trained as finalists are; empty if there were none of either.
    """

    config: SearchConfig
    task: Task
    metric: Metric
    candidates: Ledger
    complete: bool
    folder: Path | None
    baselines: tuple[tuple[str, float], ...] = ()
    rivals: tuple[tuple[str, float], ...] = ()

    @property
    def ranked(self) -> list[Candidate]:
        """The scored candidates, best first."""
        return list(self.candidates.ranked())


@dataclass
class SearchRun:
    """One search: its parts, and where it stands.

    stop: asked before each generation and each piece of one; True ends the search there. Pieces that are
          finished by then are kept.
    own_metric: what is minimised, in place of the configured metric.
    """

    config: SearchConfig
    task: Task
    grammar: Grammar
    folder: RunFolder | None = None
    watcher: Watcher = field(default_factory=Unwatched)
    stop: Callable[[], bool] = lambda: False
    own_metric: Metric | None = None

    def __post_init__(self) -> None:
        self.metric = self.own_metric or metric_of(self.config, self.task)
        tuning = self.config.tuning
        if self.config.method in UNTUNED:
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
        self.baselines: tuple[tuple[str, float], ...] = ()
        self.rivals: tuple[tuple[str, float], ...] = ()
        self._generation = 0
        self._earlier_seconds = 0.0
        self._broken = 0
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """Time spent, over all sittings."""
        return self._earlier_seconds + time.monotonic() - self._began

    @property
    def candidates(self) -> Ledger:
        """All that was evaluated so far."""
        return self.evaluator.ledger

    @property
    def generation(self) -> int:
        """Finished generations."""
        return self._generation

    def restore(self, state: SavedState, candidates: Ledger) -> None:
        """Go on where an earlier sitting stopped."""
        for id_ in state.marks.values():
            candidates.position(id_)  # raises if there is none
        next_id = saved_as(state.search, Standing).next_id
        if len(candidates) and next_id <= candidates[-1].id:
            raise ValueError(f"next_id is {next_id}, but there is a candidate {candidates[-1].id}")
        self.evaluator.ledger, self.evaluator.known = candidates, dict(state.marks)
        self.search.restore(state.search, (c.proposal.structure for c in candidates))
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
            determinism=determinism(self.config, self.task.train.x.device),
            network=plan.name,
            models_at_once=plan.at_once,
            cuda_graphs=plan.recorded is not None,
        )
        stopped = False
        try:
            with stopping(self.stop):
                self._search()
        except StoppedError:
            stopped = True
        # A generation that was stopped in its middle is proposed again: the saved state is that before it.
        if not stopped:
            self._save(finished=True)
            if self.folder:
                self.folder.forget_pieces()  # those of a generation after which the process was killed
        self._event("stopped" if stopped else "finished", seconds=round(self.seconds, 3))
        self._show("stopped" if stopped else "finished")
        path = self.folder.path if self.folder else None
        return Outcome(
            self.config,
            self.task,
            self.metric,
            self.candidates,
            not stopped,
            path,
            self.baselines,
            self.rivals,
        )

    def _search(self) -> None:
        """All of it. Raises StoppedError if it is asked to stop on the way."""
        self._calibrate()
        while self._generation < self.config.generations and not (self._generation and self._out_of_time()):
            if self.stop():
                raise StoppedError
            self._one_generation()
        self._check_found()
        self._confirm()

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
        self.evaluator.memory = self.folder.memory(self._generation) if self.folder else None
        scored = self.evaluator.evaluate(self.search.ask())
        self.search.tell(scored)
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
            self.folder.forget_pieces()
        self._show("searching")
        self._check_sound(scored)

    def _check_sound(self, scored: Sequence[Candidate]) -> None:
        """Raise RunError if all that was trained failed, twice in a row: it is no formula's fault then."""
        trained = [c for c in scored if c.score.status in TRAINED]
        broken = [c for c in trained if c.score.status in BROKEN]
        self._broken = self._broken + 1 if trained and len(broken) == len(trained) else 0
        if self._broken >= HOPELESS:
            raise RunError(
                f"the training of every candidate failed in {self._broken} generations in a row, which is "
                f"not the formulas' doing; the last of them: {broken[-1].score.detail}"
            )

    def _check_found(self) -> None:
        counts = self.candidates.statuses()
        if not counts[Status.OK]:
            seen = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
            raise RunError(
                f"none of {len(self.candidates)} candidates could be trained ({seen}); "
                "try another grammar, more generations, or a smaller training.learning_rate"
            )

    def _confirm(self) -> None:
        """Train the best candidates again with more seeds, more steps and several learning rates."""
        settings = self.config.finalists
        best = self.evaluator.distinct(self.candidates.ranked(), settings.count, settings.distance)
        if not best:
            return
        found = self._trained_longer([c.loss.expression for c in best])
        confirmations = {candidate.id: own for candidate, own in zip(best, found, strict=True)}
        self.candidates.confirm(confirmations)
        if self.folder:
            self.folder.add_finalists(confirmations.items())
        self._confirm_rivals()

    def _confirm_rivals(self) -> None:
        """Train the best known losses as the finalists were, so that their costs can be compared."""
        names = [name for name, _ in self.baselines[:RIVALS]]
        if not names:
            return
        with one_thread():  # as when they were trained first
            known = known_losses(self.task, self.training, self.config.seed)
        found = self._trained_longer([known[name] for name in names])
        costs = [math.inf if own.cost is None else own.cost for own in found]
        self.rivals = tuple(sorted(zip(names, costs, strict=True), key=lambda pair: pair[1]))
        self._event("compared", baselines=dict(zip(names, (own.cost for own in found), strict=True)))

    def _trained_longer(self, losses: Sequence[Expr]) -> list[Confirmation]:
        """A second look at each loss, as finalists are trained."""
        settings, training = self.config.finalists, self.training
        assert training.learning_rate is not None
        rates = [float(f"{training.learning_rate * factor:.3g}") for factor in settings.factors]
        seeds = [self.config.seed + CONFIRMATION_SEED + i for i in range(settings.seeds)]
        training = longer(training, settings.steps)
        stage = functools.partial(self.watcher.stage, "finalists")
        return second_looks(self.task, self.metric, losses, rates, seeds, training, stage)

    def _save(self, finished: bool) -> None:
        if self.folder:
            self.folder.write_table(self.candidates)
            marks, standing = self.evaluator.known, self.search.state()
            self.folder.save_state(self._generation, marks, standing, self.seconds, finished)

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
    facts: Mapping[str, Any] | None = None,
    metric: Callable[..., Any] | None = None,
) -> Outcome:
    """Run a new search. With `out`, its record is kept in that folder, which must be new or empty.

    task: search on this task instead of the one that the configuration names. facts: what else the record
    is to hold. metric: a function to minimise, as `find_metric` describes, in place of the configured metric.
    """
    given = task is not None or metric is not None
    task = task.to(device_of(config.device)) if task is not None else task_of(config)
    grammar = grammar_of(config, task.kind)
    config = settled(config, task)
    own = None if metric is None else own_metric(metric, task.kind)
    run = SearchRun(config, task, grammar, None, watcher or Unwatched(), stop, own)
    check_metric(run.metric, task, config.seed)
    if out is None:
        return run.run()
    RunFolder.check_new(out)
    make_folder(out)
    with held(out):  # before it is made: of two searches that are given one folder, the second is refused
        record = run_record(config, task, digest_of(config, task), grammar, run.metric.name, given)
        run.folder = RunFolder.create(out, {**record, **(facts or {})}, grammar.text)
        return run.run()


def resume(
    path: Path,
    *,
    watcher: Watcher | None = None,
    stop: Callable[[], bool] = lambda: False,
    force: bool = False,
    say: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Go on with an interrupted search from its last finished generation, and what is finished of the next.

    force: also if its grammar, task, device or the versions of libraries have changed. The result is
           then another than that of a search which was never interrupted.
    say:   is told in a line what is no longer as it was, and what had to be mended.
    """
    folder = RunFolder.open(path)
    with held(path):
        return _resumed(folder, watcher or Unwatched(), stop, force, say)


def _resumed(
    folder: RunFolder,
    watcher: Watcher,
    stop: Callable[[], bool],
    force: bool,
    say: Callable[[str], None],
) -> Outcome:
    path, config = folder.path, relocated(config_of(folder), begun_in(folder))
    if folder.record().get("task", {}).get("given"):
        raise RunError(
            f"the search in '{path}' was given its data or metric in Python, which its record does not hold; "
            "start it anew there, with a task and metric from files if it is to be resumable"
        )
    task = task_of(config)
    answer_changes("search", path, changes_since(folder, task, digest_of(config, task)), force, say)
    grammar = folder_grammar(folder)
    run = SearchRun(config, task, grammar, folder, watcher, stop)
    state = folder.state()
    if state is not None and state.finished:
        raise RunError(f"the search in '{path}' is finished; look at it with: symloss show {pasted(path)}")
    if state is not None:
        candidates = folder.ledger(state)
        try:
            run.restore(state, candidates)
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, SymlossError) as error:
            raise RunError(f"'{path / 'state.json'}' is damaged: {type(error).__name__}: {error}") from error
    folder.memory(run.generation)  # raises if it is damaged
    folder.cut_back(state)  # only now, so that a run that cannot go on is left as it is
    for note in folder.mend():
        say(note)
    return run.run()
