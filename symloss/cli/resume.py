"""`symloss resume`: go on with an interrupted search, evaluation or few-shot training."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("resume")
@click.argument("run", type=click.Path(path_type=Path))
def command(run: Path) -> None:
    """Go on with the interrupted search, evaluation or few-shot training in the folder RUN.

    A search goes on from its last finished generation; an evaluation trains what is missing;
    few-shot training goes on from its last checkpoint.
    """
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
