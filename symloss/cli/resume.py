"""`symloss resume`: go on with an interrupted search or evaluation."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Go on with the interrupted search or evaluation in the folder RUN.

    A search goes on from its last finished generation; an evaluation trains what is missing.
    """
    if (run / "evaluation.json").is_file():
        from symloss.cli.evaluate import evaluate_and_report
        from symloss.evaluation.folder import recorded_settings

        evaluate_and_report(recorded_settings(run), run)
        return
    from symloss.cli.sitting import resume_and_report

    resume_and_report(run)
