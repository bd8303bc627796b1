"""What a user says about few-shot data: `NAME`, `NAME?option=value&..`, `folder:PATH?..` or a function."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from symloss.errors import TaskError, did_you_mean

FORMS = "folder:PATH for a folder of class/image files, or path/to/file.py:function"


def parse_spec(text: str) -> tuple[str, dict[str, str]]:
    """The name and the options in `NAME?option=value&..`."""
    name, _, query = text.partition("?")
    return name, dict(parse_qsl(query, keep_blank_values=True))


def check_options(label: str, options: Mapping[str, str], known: tuple[str, ...]) -> None:
    """Raise TaskError if there is an option that is not known.

    label: how the sentence begins, such as "few-shot data 'omniglot'".
    """
    for name in options:
        if name not in known:
            hint = did_you_mean(name, known) if known else "it has no options"
            raise TaskError(f"{label} has the unknown option '{name}'; {hint}")


def flag(label: str, options: Mapping[str, str], name: str) -> bool:
    """An option that is yes or no; no if it is not there."""
    value = options.get(name, "no")
    if value not in ("yes", "no"):
        raise TaskError(f"{label}: {name} is '{value}', expected yes or no")
    return value == "yes"
