"""One sitting of a search at the terminal: live display, Ctrl-C, and the closing words."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from symloss.cli.interrupts import INTERRUPTED, polite_interrupts
from symloss.cli.live import LiveTable, PlainLines
from symloss.cli.terminal import echo, make_console
from symloss.config import SearchConfig
from symloss.escaping import pasted
from symloss.expr import format_formula
from symloss.notes import beaten, unbeaten, weighted_rivals
from symloss.run import Outcome, resume, start
from symloss.watching import Watcher


def search_and_report(config: SearchConfig, folder: Path) -> None:
    """Run a new search, showing its progress."""
    report(lambda watcher, stop: start(config, folder, watcher=watcher, stop=stop), folder)


def resume_and_report(folder: Path, force: bool = False) -> None:
    """Go on with a search, showing its progress."""

    def say(line: str) -> None:
        echo(line, err=True)

    report(lambda watcher, stop: resume(folder, watcher=watcher, stop=stop, force=force, say=say), folder)


def report(run: Callable[[Watcher, Callable[[], bool]], Outcome], folder: Path) -> None:
    """Let a search run, showing its progress, and say how it ended."""
    console = make_console()
    watcher = LiveTable(console) if console.is_terminal else PlainLines()
    try:
        with polite_interrupts(watcher.note) as stop, watcher:
            outcome = run(watcher, stop)
    except KeyboardInterrupt:
        kept = os.path.exists(folder / "run.json")
        echo(
            f"stopped at once; what was finished is kept. Go on with: symloss resume {pasted(folder)}"
            if kept
            else "stopped at once, before anything was found"
        )
        raise SystemExit(INTERRUPTED) from None
    if not outcome.complete:
        echo(f"stopped; everything is kept in {folder}. Go on with: symloss resume {pasted(folder)}")
        raise SystemExit(INTERRUPTED)
    best = next(outcome.candidates.ranked())
    echo(f"best: {format_formula(best.loss.expression)}")
    for line in (*beaten(outcome), *unbeaten(outcome)):
        echo(f"      {line}")
    echo(f"next: symloss show {pasted(folder)}")
    echo(f"      symloss export {pasted(folder)} --format torch")
    weights = weighted_rivals(outcome.metric.name, outcome.task.kind)
    if weights:
        echo(f"      symloss evaluate {pasted(folder)} --against '{weights}'")
