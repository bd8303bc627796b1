"""`symloss show`: the candidates of a run."""

from __future__ import annotations

import json
from pathlib import Path

import click

from symloss.cli.terminal import echo, make_console


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
    from symloss.records import ranked
    from symloss.report.tables import as_row, candidate_table, summary_lines

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
    for line in summary_lines(folder.record(), folder.state(), candidates):
        console.print(line, markup=False, highlight=False)
    if not chosen:
        console.print("no candidate could be trained yet")
        return
    console.print(candidate_table(chosen[:limit], statuses=everything))
    if len(chosen) > limit:
        console.print(f"... and {len(chosen) - limit} more: --limit {len(chosen)}", markup=False)
