"""What a user says about a table: `table:FILE?target=COLUMN` and more."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

from symloss.errors import TaskError, did_you_mean
from symloss.records import Kind
from symloss.tasks.checks import check_kind

PREFIX = "table:"

SHORT_FORM = f"{PREFIX}FILE?target=COLUMN"
FORM = f"{SHORT_FORM}, with &kind=, &positive=CLASS, &drop=, &valid=FILE, &test=FILE, &missing=mean if wanted"


@dataclass(frozen=True)
class TableSpec:
    """A table and what is wanted of it.

    target:  columns to be predicted, more than one for regression alone. drop: columns to be left out.
    kind:    None takes regression for numbers with a fraction, classes for whole numbers and text.
    valid, test: other files with the validation and the test part; None sets a part of the rows aside.
    positive: the class of two that f1 and average-precision count alone.
    missing: "mean" puts the mean of the training part where a number is missing, and takes a missing text
             for a category of its own; None refuses both.
    """

    path: Path
    target: tuple[str, ...]
    kind: Kind | None = None
    drop: tuple[str, ...] = ()
    valid: Path | None = None
    test: Path | None = None
    missing: str | None = None
    positive: str | None = None


def parse_table_spec(text: str) -> TableSpec:
    """What `table:FILE?target=COLUMN&...` says. Names with , & + % or = are written as in a web address.

    Raises: TaskError in one sentence.
    """
    path, _, query = text.removeprefix(PREFIX).partition("?")
    options = dict.fromkeys(("target", "kind", "positive", "drop", "valid", "test", "missing"), "")
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in options:
            raise TaskError(f"task '{text}' has the unknown option '{name}'; {did_you_mean(name, options)}")
        options[name] = value
    if not path or not options["target"]:
        raise TaskError(
            f"task '{text}' does not say {'what to predict' if path else 'which file'}; write {FORM}"
        )
    if options["missing"] not in ("", "mean"):
        raise TaskError(f"task '{text}': missing is '{options['missing']}', expected mean or nothing")
    return TableSpec(
        Path(path),
        _names(options["target"]),
        check_kind(options["kind"]) if options["kind"] else None,
        _names(options["drop"]),
        Path(options["valid"]) if options["valid"] else None,
        Path(options["test"]) if options["test"] else None,
        options["missing"] or None,
        options["positive"] or None,
    )


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, (name.strip() for name in text.split(","))))
