"""What a search shows while it runs: a live table on a terminal, one plain line a generation elsewhere."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from symloss.cli.terminal import echo
from symloss.config import SearchConfig
from symloss.expr import format_formula
from symloss.grammar import Grammar
from symloss.making import metric_of
from symloss.meta.calibration import Calibration
from symloss.notes import telling_nothing
from symloss.records import Candidate
from symloss.run_record import determinism
from symloss.tasks import Task
from symloss.tasks.names import cost_name
from symloss.watching import Progress

ROWS = 12
"""Most rows of the live table."""


def _fitness(candidate: Candidate) -> float:
    assert candidate.score.fitness is not None
    return candidate.score.fitness


def seconds_left(progress: Progress) -> float | None:
    """Estimated seconds to the end of the search, from the pace so far."""
    config = progress.config
    if progress.generation == 0:
        return None
    by_pace = progress.seconds / progress.generation * (config.generations - progress.generation)
    if config.time_budget is None:
        return by_pace
    return max(0.0, min(by_pace, config.time_budget - progress.seconds))


def clock(seconds: float | None) -> str:
    """Minutes and seconds, hours where needed."""
    if seconds is None:
        return "--:--"
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    text = f"{rest // 60:02d}:{rest % 60:02d}"
    return f"{hours}:{text}" if hours else text


def ahead(progress: Progress) -> str:
    """How long generations will take; after the last one, what comes next."""
    config = progress.config
    if progress.generation == config.generations and config.finalists.count:
        return "finalists next"
    return f"{clock(seconds_left(progress))} left"


def to_beat(calibration: Calibration) -> str:
    """What known losses reached, in a line, and a second one if that says nothing about losses."""
    best = ", ".join(f"{name} {cost:.4g}" for name, cost in calibration.baselines[:3])
    line = f"learning rate {calibration.learning_rate:g}; to beat: {best}"
    return "\n".join([line, *(f"note: {note}" for note in telling_nothing(calibration.baselines))])


class PlainLines:
    """One line at the start and after each generation, for logs and pipes."""

    def __enter__(self) -> PlainLines:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def started(self, config: SearchConfig, task: Task, grammar: Grammar) -> None:
        echo(headline(config, task, grammar))
        for note in task.notes:
            echo(f"  {note}")

    def stage(self, name: str) -> None:
        pass

    def calibrated(self, calibration: Calibration) -> None:
        echo(f"  {to_beat(calibration)}")

    def note(self, text: str) -> None:
        echo(text)

    def generation(self, progress: Progress) -> None:
        if progress.stage == "stopped":
            return
        best = next(progress.candidates.ranked(), None)
        if progress.stage == "finished":
            echo(f"finalists compared after {clock(progress.seconds)}")
            return
        front = f"best {_fitness(best):.4g}  {format_formula(best.loss.expression)}" if best else "none yet"
        echo(
            f"generation {progress.generation}/{progress.config.generations}  "
            f"{progress.evaluations} candidates  {progress.evaluations / progress.seconds:.1f}/s  "
            f"{ahead(progress)}  {front}"
        )


class LiveTable:
    """A table of the best candidates by size that is redrawn as the search goes on."""

    def __init__(self, console: Console) -> None:
        self._progress: Progress | None = None
        self._to_beat = ""
        self._stage = "preparing"
        self._steps = 0
        self._note = ""
        # Last, since rich draws it once at once.
        self._live = Live(console=console, refresh_per_second=4, get_renderable=self._draw)

    def __enter__(self) -> LiveTable:
        self._live.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if kind is not None:
            self._stage = "stopped"
        self._live.__exit__(None, None, None)

    def started(self, config: SearchConfig, task: Task, grammar: Grammar) -> None:
        """Print what stays as it is above the part that is redrawn."""
        self._live.console.print(Text(headline(config, task, grammar), style="bold"))
        for note in task.notes:
            self._live.console.print(Text(f"  {note}"))

    def stage(self, name: str) -> None:
        self._steps = self._steps + 1 if name == self._stage else 0
        self._stage = name

    def calibrated(self, calibration: Calibration) -> None:
        self._to_beat = to_beat(calibration)

    def note(self, text: str) -> None:
        self._note = text

    def generation(self, progress: Progress) -> None:
        self._progress = progress
        self._stage = progress.stage

    def _draw(self) -> Group:
        progress = self._progress
        parts: list[Text | Table] = [Text(self._to_beat, style="bold")] if self._to_beat else []
        if progress is None:
            parts.append(Text(f"generation 1, {self._stage}, step {self._steps}"))
        else:
            parts += [self._status(progress), _table(progress)]
        if self._note:
            parts.append(Text(self._note, style="yellow"))
        return Group(*parts)

    def _status(self, progress: Progress) -> Text:
        rate = progress.evaluations / max(progress.seconds, 1e-9)
        return Text(
            f"generation {progress.generation}/{progress.config.generations}   "
            f"{progress.evaluations} candidates   {rate:.1f}/s   "
            f"{clock(progress.seconds)} gone, {ahead(progress)}   {self._stage}"
        )


def _table(progress: Progress) -> Table:
    table = Table(title="best by size", title_justify="left", expand=False)
    table.add_column("size", justify="right")
    table.add_column("fitness", justify="right")
    table.add_column("id", justify="right", style="dim")
    table.add_column("formula", overflow="fold")
    for candidate in progress.candidates.front()[-ROWS:]:
        formula = escape(format_formula(candidate.loss.expression))
        table.add_row(str(candidate.size), f"{_fitness(candidate):.4g}", str(candidate.id), formula)
    return table


def headline(config: SearchConfig, task: Task, grammar: Grammar) -> str:
    """What is searched for, and whether another search with the same command finds the same."""
    metric = cost_name(metric_of(config, task).name)
    device = task.train.x.device
    return (
        f"{config.method} on {task.name} ({task.model_name}, {metric}), grammar {grammar.name}, {device}\n"
        f"  determinism: {determinism(config, device)}"
    )
