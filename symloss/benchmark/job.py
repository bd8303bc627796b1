"""A suite from start to end. What is done is kept in folders, and the same call goes on where it stopped.

OUT/CASE/search-SEED    run folders        OUT/CASE/learned-METHOD  learned losses
OUT/CASE/evaluation     the best of them, against others
OUT/times.jsonl         what took how long OUT/CASE/transfer-N    on other tasks and models
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from symloss.archive import RunFolder
from symloss.archive.files import append_lines, cut_unfinished_line, read_lines
from symloss.archive.holding import held, make_folder
from symloss.archive.learned import LearnedFolder
from symloss.benchmark.learned import against_usual
from symloss.benchmark.suite import Case, Plan
from symloss.config import SearchConfig
from symloss.errors import RunError, StoppedError
from symloss.evaluation import Evaluation, EvaluationSettings, evaluate
from symloss.evaluation.contestants import STANDARD
from symloss.evaluation.results import Comparison, Row, TaskResult
from symloss.evaluation.work import Say
from symloss.expr import format_formula
from symloss.learning.run import learned_in
from symloss.learning.settings import TEXTS
from symloss.making import with_seeds
from symloss.meta.settings import as_measured
from symloss.records import Candidate, ranked
from symloss.run import Outcome, resume, start
from symloss.run_record import config_of
from symloss.watching import Progress, Unwatched

DISCOVERED = "discovered"
"""The name of the judged loss in every evaluation of a suite."""

TIMES = "times.jsonl"


@dataclass(frozen=True)
class Searched:
    """A finished search and the best that it found. seconds: over all sittings; they are no result."""

    config: SearchConfig
    candidates: int
    best: Candidate
    seconds: float = field(compare=False)

    @property
    def cost(self) -> float:
        """On validation data, as its finalists were compared; inf without a finalist."""
        confirmed = self.best.confirmation
        return math.inf if confirmed is None or confirmed.cost is None else confirmed.cost

    @property
    def formula(self) -> str:
        """The best loss for people, with rounded constants."""
        return format_formula(self.best.loss.expression)


@dataclass(frozen=True)
class CaseResult:
    """What became of a case.

    chosen: the search whose best loss was evaluated, by its validation cost. learned: the losses that were
    learned as networks, each against the usual one.
    """

    case: Case
    searches: tuple[Searched, ...]
    chosen: Searched
    evaluation: Evaluation
    transfers: tuple[Evaluation, ...]
    learned: tuple[Comparison, ...] = ()


class Spent(msgspec.Struct, frozen=True):
    """Seconds of work in one sitting."""

    stage: str
    seconds: float


def run_suite(
    plan: Plan,
    out: Path,
    say: Say = lambda line: None,
    tick: Callable[[], None] = lambda: None,
    stop: Callable[[], bool] = lambda: False,
) -> list[CaseResult]:
    """Run every case that is not done yet. Raises SymlossErrors; what was done by then is kept.

    stop: asked before each piece of work; True raises StoppedError there.
    """
    make_folder(out)
    with held(out):
        return [run_case(case, out, say, tick, stop) for case in plan.cases]


def run_case(
    case: Case, out: Path, say: Say, tick: Callable[[], None], stop: Callable[[], bool] = lambda: False
) -> CaseResult:
    """Search from each seed, evaluate the best on validation data, and carry it to other tasks."""
    folder = out / case.name

    def stage(name: str) -> Say:
        return lambda line: say(f"{case.name}: {name}: {line}")

    def case_config(config: SearchConfig) -> SearchConfig:
        return with_seeds(config, case.start_from)[0] if case.start_from else config

    searches = tuple(
        searched(config, folder / f"search-{config.seed}", stage(f"search {config.seed}"), tick, stop)
        for config in map(case_config, case.searches)
    )
    chosen = min(searches, key=lambda own: (own.cost, own.config.seed))
    loss = f"{DISCOVERED}={chosen.best.loss.expression}"
    against = (*case.against, *learned_losses(case, folder, out, stage, tick, stop))
    with timed(out, f"{case.name}/evaluations"):
        settings = EvaluationSettings(
            losses=(loss,),
            tasks=(case.task,),
            against=against,
            metrics=case.metrics,
            budget=case.budget,
        )
        evaluation = evaluate(settings, folder / "evaluation", stage("evaluation"), tick, stop)
    with timed(out, f"{case.name}/transfers"):
        transfers = []
        for number, transfer in enumerate(case.transfers, start=1):
            settings = EvaluationSettings(
                losses=(loss,),
                tasks=(transfer.task,),
                against=transfer.against,
                metrics=case.metrics,
                budget=transfer.budget,
            )
            name = f"transfer-{number}"
            transfers.append(evaluate(settings, folder / name, stage(name), tick, stop))
    (task,) = evaluation.tasks
    return CaseResult(case, searches, chosen, evaluation, tuple(transfers), against_usual(task))


def learned_losses(
    case: Case,
    folder: Path,
    out: Path,
    stage: Callable[[str], Say],
    tick: Callable[[], None],
    stop: Callable[[], bool] = lambda: False,
) -> list[str]:
    """Losses learned as networks, by name and folder; the usual one before them if there is no other."""
    found: list[str] = []
    with timed(out, f"{case.name}/learning") if case.learned else nullcontext():
        for config in case.learned:
            path = folder / f"learned-{config.method}"
            learned_in(config, path, stage(config.method), tick, stop)
            found.append(f"{config.method}={path}")
    if not found or case.against:
        return found
    kind = LearnedFolder.open(folder / f"learned-{case.learned[0].method}").record().task.kind
    return [STANDARD[kind], *found]


class _Told(Unwatched):
    """Tells how a search goes on in lines."""

    def __init__(self, say: Say, tick: Callable[[], None]) -> None:
        self._say, self._tick = say, tick

    def stage(self, name: str) -> None:
        self._tick()

    def generation(self, progress: Progress) -> None:
        found = next(progress.candidates.ranked(), None)
        best = "" if found is None else f", best {format_formula(found.loss.expression)}"
        self._say(f"generation {progress.generation} of {progress.config.generations}{best}")


def searched(
    config: SearchConfig,
    folder: Path,
    say: Say,
    tick: Callable[[], None],
    stop: Callable[[], bool] = lambda: False,
) -> Searched:
    """The search in `folder`: a new one, the rest of an interrupted one, or what a finished one found."""
    told = _Told(say, tick)
    if not (folder / "run.json").exists():
        _whole(start(config, folder, watcher=told, stop=stop))
    found = RunFolder.open(folder)
    recorded = config_of(found)
    if recorded != as_recorded(config, recorded):
        raise RunError(f"the search in '{folder}' was made with other settings; choose another --out")
    state = found.state()
    if state is None or not state.finished:
        _whole(resume(folder, watcher=told, stop=stop))
        state = found.state()
    assert state is not None
    candidates = found.candidates()
    return Searched(recorded, len(candidates), ranked(candidates)[0], state.seconds)


def _whole(outcome: Outcome) -> None:
    if not outcome.complete:
        raise StoppedError


def as_recorded(config: SearchConfig, recorded: SearchConfig) -> SearchConfig:
    """`config` with what a run measures when it starts and then keeps."""
    return msgspec.structs.replace(config, training=as_measured(config.training, recorded.training))


@contextmanager
def timed(out: Path, stage: str) -> Iterator[None]:
    """Keep how long the block took, however it ends."""
    began = time.monotonic()
    try:
        yield
    finally:
        out.mkdir(parents=True, exist_ok=True)
        if (out / TIMES).exists():
            cut_unfinished_line(out / TIMES)
        append_lines(out / TIMES, [Spent(stage, round(time.monotonic() - began, 1))])


def seconds_spent(out: Path) -> dict[str, float]:
    """Seconds by kind of work (evaluations, transfers), over all sittings that were not killed."""
    found: dict[str, float] = {}
    for spent in read_lines(out / TIMES, Spent):
        kind = spent.stage.rpartition("/")[2]
        found[kind] = found.get(kind, 0.0) + spent.seconds
    return found


def judged(task: TaskResult) -> Row:
    """The discovered loss of a case's evaluation."""
    (row,) = [row for row in task.rows if row.judged]
    return row


def by_hand(task: TaskResult) -> Sequence[Row]:
    """The published losses that it is compared with, best on test data first."""
    return [row for row in task.ranked() if not row.judged and row.name not in TEXTS]
