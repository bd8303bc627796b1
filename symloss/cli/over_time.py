"""What `symloss distill --over-time` does: one formula for all of a loss's training, as a file."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

from symloss.cli.terminal import echo
from symloss.distilling.formulas import DEFAULT_GRAMMARS
from symloss.errors import ConfigError, RunError
from symloss.expr import format_formula
from symloss.fitting.front import Front
from symloss.fitting.genetic import FitSettings, fit_formulas
from symloss.fitting.over_time import Moment, OverTime, fit_over_time
from symloss.fitting.sources import is_learned, learned_teacher, record_of
from symloss.grammar import load_grammar

MOMENTS = 9
"""Snapshots that are fitted, evenly over training."""


def distil_over_time(
    source: str, grammar: str | None, settings: FitSettings, of: Any, out: Path | None
) -> None:
    """Fit, show, and with `out` write a loss that takes a `progress`."""
    from symloss.cli.progress import progress

    if not is_learned(source):
        raise ConfigError(f"--over-time follows a learned loss through its training, and '{source}' is none")
    if out is not None and out.suffix != ".py":
        raise ConfigError(f"with --over-time, --out is the .py file to write, found '{out}'")
    if out is not None and os.path.exists(out):
        raise ConfigError(f"{out} exists already and is left as it is; choose another name")
    path = Path(source)
    moments = moments_of(path, of)
    kind = record_of(path).task.kind
    chosen = load_grammar(grammar or DEFAULT_GRAMMARS[kind])
    with progress() as (tell, _):
        tell(f"fitting formulas of grammar {chosen.name} to the middle of {source}")
        front: Front = fit_formulas(moments[len(moments) // 2].samples, chosen, kind, settings, tell)
        found = fit_over_time([f.expression for f in front.members()], moments)
    _show(found, moments)
    if out is None:
        echo("next: the same with --out FILE.py, to have it as a loss that takes a progress")
        return
    _write(found, path, out)


def moments_of(path: Path, of: Any) -> list[Moment]:
    """The loss of a run at some of its snapshots, the first and the last among them."""
    from symloss.archive.learned import LearnedFolder

    snapshots = LearnedFolder.open(path).snapshots()
    if len({own.progress for own in snapshots}) < 3:
        raise RunError(
            f"'{path}' has {len(snapshots)} snapshots, and a loss is followed through at least 3; "
            "an offline loss does not change: leave out --over-time"
        )
    places = [round(i * (len(snapshots) - 1) / (MOMENTS - 1)) for i in range(MOMENTS)]
    picked = [snapshots[place] for place in dict.fromkeys(places)]
    return [Moment(own.progress, learned_teacher(path, own).samples(of)) for own in picked]


def _show(found: OverTime, moments: list[Moment]) -> None:
    echo(f"{format_formula(found.structure)}   at progress 0, {found.size} nodes")
    for moment, error in zip(moments, found.errors, strict=True):
        echo(
            f"progress {moment.progress:.2f}  error {error:7.3%}  {format_formula(found.at(moment.progress))}"
        )


def _write(found: OverTime, path: Path, out: Path) -> None:
    from symloss.export.header import Header
    from symloss.export.over_time import export_over_time
    from symloss.export.write import write_content
    from symloss.records import SymbolicLoss

    record = record_of(path)
    title = f"A loss that changes over training, distilled from {record.method}"
    task = record.task
    header = Header.of_task(task.name, task.kind, task.notes, task.metric, record.seed, task.num_outputs)
    header = replace(header, title=title)
    format_ = "numpy" if out.stem.endswith("_numpy") else "torch"
    loss = SymbolicLoss(found.structure, record.task.kind)
    exported = export_over_time(loss, found.coefficients, format_, header)
    write_content(out, exported.content)
    echo(f"wrote {out}", err=True)
    assert exported.verification is not None
    echo(exported.verification.verdict, err=True)
