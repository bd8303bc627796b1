"""`symloss resume`: go on with what was interrupted."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Go on with the interrupted search, evaluation or learned loss in the folder RUN.

    A search goes on from its last finished generation; an evaluation trains what is missing; a learned loss
    goes on from where it was saved last.
    """
    from symloss.archive.learned import LearnedFolder

    if LearnedFolder.is_one(run):
        from symloss.cli.train_loss import report
        from symloss.learning.run import resume

        report(lambda say, tick: resume(run, say, tick), run)
        return
    if (run / "evaluation.json").is_file():
        from symloss.cli.evaluate import evaluate_and_report
        from symloss.evaluation.folder import recorded_settings

        evaluate_and_report(recorded_settings(run), run)
        return
    from symloss.cli.sitting import resume_and_report

    resume_and_report(run)
