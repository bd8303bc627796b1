"""The options that say what networks are trained to do, common to all commands that train some."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from symloss.tasks.names import MODELS, TASKS

_Command = TypeVar("_Command", bound=Callable[..., Any])

_TASK_HELP = (
    f"{', '.join(TASKS)}, your own as file.py:function or package.module:function, or "
    "table:FILE?target=COLUMN."
)

_OPTIONS = [
    click.option(
        "--task", metavar="NAME", help=f"What networks are trained to do: {_TASK_HELP}  [default: digits]"
    ),
    click.option("--model", metavar="NAME", help=f"Base model: {', '.join(MODELS)}.  [default: the task's]"),
    click.option(
        "--metric", metavar="NAME", help="What is measured on data; or your own as file.py:function."
    ),
    click.option(
        "--label-noise",
        type=float,
        metavar="RATE",
        help="Replace this share of training labels by wrong ones.",
    ),
    click.option(
        "--asymmetric-noise",
        type=float,
        metavar="RATE",
        help="Replace this share of the labels of confusable classes by the class they are mistaken for.",
    ),
    click.option(
        "--imbalance",
        type=float,
        metavar="RATIO",
        help="Largest over smallest class in the training data.",
    ),
    click.option(
        "--outliers",
        type=float,
        metavar="RATE",
        help="Replace this share of training targets by gross errors.",
    ),
    click.option(
        "--heavy-tails",
        type=float,
        metavar="SCALE",
        help="Add heavy-tailed noise of so many standard deviations to the training targets.",
    ),
    click.option("--train-size", type=int, metavar="N", help="Use only N training samples."),
    click.option(
        "--augment/--no-augment",
        default=None,
        help="Shift and mirror the images of training batches where that is customary.  [default: augment]",
    ),
    click.option("--data-dir", metavar="DIR", help="Where data files are looked for first."),
    click.option("--data-seed", type=int, metavar="N", help="Seed of splits and corruption.  [default: 0]"),
    click.option("--device", metavar="NAME", help="cpu, cuda, cuda:N or auto.  [default: auto]"),
]
"""Each has the name of a field of `config.TaskSettings`, and None where the user said nothing."""


def task_given(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those of a command's options that describe the task, as far as the user gave them."""
    from symloss.config import TaskSettings

    names = TaskSettings.__struct_fields__
    return {name: value for name, value in options.items() if value is not None and name in names}


def task_options(command: _Command) -> _Command:
    """A click command with the options of a task, in their order."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
