"""`symloss resume`: go on with what was interrupted."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Go on with what was interrupted in the folder RUN.

    A search goes on from its last finished generation; an evaluation trains what is missing; a learned loss
    goes on from where it was saved last, few-shot training from its last checkpoint.
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
    from symloss.fewshot.folder import is_fewshot

    if is_fewshot(run):
        from symloss.cli.fewshot import resume_and_report as resume_fewshot

        resume_fewshot(run)
        return
    from symloss.cli.sitting import resume_and_report

    resume_and_report(run)
