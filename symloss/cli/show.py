"""`symloss show`: the candidates of a run."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from symloss.cli.terminal import echo, make_console
from symloss.escaping import pasted


@click.command("show")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, metavar="N", help="Most rows shown."
)
@click.option(
    "--all", "everything", is_flag=True, help="Every candidate, also those that were not trained, by id."
)
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of all of them instead.")
@click.option("--latex", is_flag=True, help="Print a booktabs table instead.")
@click.option("--standalone", is_flag=True, help="With --latex: a whole document that compiles.")
def command(run: Path, limit: int, everything: bool, as_json: bool, latex: bool, standalone: bool) -> None:
    """Show the candidates of the search in the folder RUN, best first.

    Fitness is the validation cost in the search, lower being better; the second look at the finalists
    counts first where there is one.
    """
    from symloss.archive import RunFolder
    from symloss.errors import RunError
    from symloss.records import ranked
    from symloss.report.tables import as_row, candidate_table, summary_lines

    other = _other_run(run)
    if other:
        raise RunError(f"'{run}' is {other}")
    folder = RunFolder.open(run)
    candidates = folder.candidates()
    chosen = candidates if everything else ranked(candidates)
    if as_json:
        echo(json.dumps([as_row(c) for c in chosen], indent=2, allow_nan=False))
        return
    if latex:
        from symloss.export.latex import candidates_table, standalone_document

        table = candidates_table(ranked(candidates)[:limit])
        echo(standalone_document(table) if standalone else table, nl=False)
        return
    console = make_console()
    megabytes = folder.bytes_on_disk() / 1e6
    for line in [
        *summary_lines(folder.record(), folder.state(), candidates),
        f"{megabytes:.1f} MB on disk" if megabytes >= 1 else f"{megabytes * 1000:.0f} kB on disk",
    ]:
        console.print(line, markup=False, highlight=False)
    if not chosen:
        echo(folder.nothing_found())
        return
    console.print(candidate_table(chosen[:limit], statuses=everything))
    if len(chosen) > limit:
        console.print(f"... and {len(chosen) - limit} more: --limit {len(chosen)}", markup=False)


def _other_run(run: Path) -> str:
    """What a folder is that has no candidates, and what shows it; nothing for anything else."""
    from symloss.archive.learned import LearnedFolder
    from symloss.archive.programs import is_fewshot

    if LearnedFolder.is_one(run):
        return f"a learned loss, not a search; look at it with: symloss analyze {pasted(run)}"
    if is_fewshot(run):
        return f"a run of few-shot training, not a search; judge it with: symloss fewshot eval {pasted(run)}"
    if os.path.isfile(run / "evaluation.json"):
        read = f"an evaluation, not a search; read {run / 'report.md'}"
        return f"{read}, or go on with: symloss resume {pasted(run)}"
    return ""
