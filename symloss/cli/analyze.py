"""`symloss analyze`: what a loss does."""

from __future__ import annotations

import json
from pathlib import Path

import click

from symloss.cli.losses import LossCommand, loss_options
from symloss.cli.terminal import echo, make_console


@click.command("analyze", cls=LossCommand)
@loss_options
@click.option(
    "--classes",
    type=click.IntRange(2, 100_000),
    metavar="C",
    help="Number of classes of a multiclass task.  [default: the search's, or 10]",
)
@click.option("--json", "as_json", is_flag=True, help="Print all numbers as JSON instead.")
@click.option(
    "--figure",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Draw it into FILE, which ends in .png, .pdf or .svg; .gif animates a learned loss.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
def command(
    source: str,
    kind: str | None,
    rank: int | None,
    id_: int | None,
    classes: int | None,
    as_json: bool,
    figure: Path | None,
    overwrite: bool,
) -> None:
    """Explain what LOSS does in training.

    LOSS is the folder of a search, an exported file, a name of the catalogue such as focal or
    "focal(gamma=1)", or a formula.
    Shown are its values and slopes, how it pushes at the start and at the end of training beside
    cross-entropy and label smoothing, the learning rate and the label smoothing that it implies, its
    shape, and the well-known losses nearest to it. For regression: its curve and influence. The folder of a
    learned loss is followed over training; of few-shot training, the inductive part of the loss is shown.
    """
    from symloss.archive.learned import LearnedFolder
    from symloss.archive.programs import is_fewshot

    if LearnedFolder.is_one(Path(source)):
        _learned(Path(source), as_json, figure, overwrite)
        return
    if is_fewshot(Path(source)):
        _fewshot(Path(source), as_json, figure, overwrite)
        return
    from symloss.cli.losses import loaded
    from symloss.records import Kind
    from symloss.report.analysis import analyze
    from symloss.report.analysis.figure import check_file, save

    if figure is not None:
        check_file(figure, overwrite)  # before seconds of work
    found = loaded(source, kind, rank, id_)
    if classes is not None and found.loss.kind is not Kind.MULTICLASS:
        raise click.UsageError(f"--classes is for multiclass losses, this one is {found.loss.kind.value}")
    analysis = analyze(found.loss, classes or found.header.classes or 10, found.name)
    if figure is not None:
        save(analysis, figure, overwrite)
        echo(f"wrote {figure}", err=True)
    if as_json:
        echo(json.dumps(analysis.as_json(), indent=2, allow_nan=False))
        return
    from symloss.report.analysis.text import as_text

    make_console(highlight=False).print(as_text(analysis))


def _learned(path: Path, as_json: bool, figure: Path | None, overwrite: bool) -> None:
    from symloss.errors import ReportError
    from symloss.learning.loading import load_learned
    from symloss.learning.watching import as_lines, factors_of, moments_of
    from symloss.report.analysis.analysis import plain_data
    from symloss.report.animation import check, save_learned

    if figure is not None:
        check(figure, overwrite)
    found = load_learned(path)
    if figure is not None and found.record.network is None:
        raise ReportError(f"'{path}' learned a learning rate, without curves; leave --figure out")
    moments = moments_of(found) if found.record.network is not None else []
    if figure is not None:
        save_learned(moments, found.record.method, figure, overwrite)
        echo(f"wrote {figure}", err=True)
    if as_json:
        rates = [{"step": step, "learning_rate": rate} for step, rate in factors_of(found)]
        told = plain_data(moments) if moments else rates
        echo(json.dumps({"method": found.record.method, "moments": told}, indent=2, allow_nan=False))
        return
    for line in as_lines(found, moments):
        echo(line)


def _fewshot(path: Path, as_json: bool, figure: Path | None, overwrite: bool) -> None:
    from symloss.fewshot.inductive import inductive_loss
    from symloss.fewshot.training import load
    from symloss.report.analysis.analysis import plain_data
    from symloss.report.animation import check, save_learned
    from symloss.report.learned import Elementwise, moment

    if figure is not None:
        check(figure, overwrite)
    trained = load(path)
    loss = inductive_loss(trained)
    found = moment(Elementwise(loss.kind, loss.per_element), loss.outputs, trained.step, 1.0)
    method = trained.record.settings.method
    if figure is not None:
        save_learned([found], method, figure, overwrite)
        echo(f"wrote {figure}", err=True)
    if as_json:
        told = {"method": method, "moments": plain_data([found])}
        echo(json.dumps(told, indent=2, allow_nan=False))
        return
    echo(f"{path}: inductive loss of {method} after {found.step} meta steps, on {trained.task.name}")
    echo("where other classes share what a prediction leaves, in the average task, before it is learned")
    echo(f"learning rate, times that of the usual loss: {found.learning_rate:.4g}")
    if found.smoothing is not None:
        echo(f"label smoothing: {found.smoothing:.4g}")
