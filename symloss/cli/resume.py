"""`symloss resume`: go on with what was interrupted."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from symloss.errors import ConfigError


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
@click.option(
    "--force",
    is_flag=True,
    help="Go on although the grammar, data, device or versions have changed.",
)
def command(run: Path, force: bool) -> None:
    """Go on with what was interrupted in the folder RUN.

    A search goes on from its last finished generation and what is finished of the next; an evaluation trains
    what is missing; a learned loss goes on from where it was saved last, few-shot training from its last
    checkpoint.
    """
    going_on = _other_than_a_search(run, force)
    if going_on is None:
        from symloss.cli.sitting import resume_and_report

        resume_and_report(run, force)
        return
    going_on()


def _other_than_a_search(run: Path, force: bool) -> Callable[[], None] | None:
    """How to go on with what lies in the folder, if its files are not those of a search."""
    from symloss.archive.learned import LearnedFolder
    from symloss.archive.programs import is_fewshot

    if LearnedFolder.is_one(run):
        from symloss.cli.train_loss import report
        from symloss.learning.run import resume

        return lambda: report(lambda say, tick, stop: resume(run, say, tick, stop, force), run)
    if os.path.isfile(run / "evaluation.json"):
        if force:  # what it compares must have been computed alike
            raise ConfigError("an evaluation cannot be forced to go on; what has changed needs a new --out")
        from symloss.cli.evaluate import evaluate_and_report
        from symloss.evaluation.folder import recorded_settings

        return lambda: evaluate_and_report(recorded_settings(run), run)
    if is_fewshot(run):
        from symloss.cli.fewshot import resume_and_report

        return lambda: resume_and_report(run, force)
    return None
