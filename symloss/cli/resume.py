"""`symloss resume`: go on with an interrupted search or evaluation."""

from __future__ import annotations

from pathlib import Path

import click

from symloss.errors import ConfigError


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--force",
    is_flag=True,
    help="Go on with a search although its grammar, data, device or versions have changed.",
)
def command(run: Path, force: bool) -> None:
    """Go on with the interrupted search or evaluation in the folder RUN.

    A search goes on from its last finished generation and what is finished of the next; an evaluation trains
    what is missing.
    """
    if (run / "evaluation.json").is_file():
        from symloss.cli.evaluate import evaluate_and_report
        from symloss.evaluation.folder import recorded_settings

        if force:
            raise ConfigError("--force is for searches: an evaluation of changed things needs a new --out")
        evaluate_and_report(recorded_settings(run), run)
        return
    from symloss.cli.sitting import resume_and_report

    resume_and_report(run, force)
