"""A search as the command that repeats it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from symloss.config import SearchConfig, to_settings


def as_command(config: SearchConfig, start_from: str = "") -> str:
    """What differs from the defaults, in the order of the settings; the task always.

    start_from: what the formulas of `config.seeds` were read from.
    """
    usual = dict(_named(to_settings(SearchConfig())))
    changed = [
        _option(name, value)
        for name, value in _named(to_settings(config))
        if name == "task" or (value != usual[name] and name != "seeds")
    ]
    if start_from:
        changed.append(f"--seeds {shlex.quote(start_from)}")
    return " ".join(["symloss search", *changed])


def _named(settings: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting that is no table, with its whole name."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _named(value, f"{place}{name}.")
        else:
            yield place + name, value


def _option(name: str, value: Any) -> str:
    if name == "augment":
        return "--augment" if value else "--no-augment"
    text = value if isinstance(value, str) else json.dumps(value)
    if "." in name:
        return f"--set {shlex.quote(f'{name}={text}')}"
    return f"--{name.replace('_', '-')} {shlex.quote(text)}"
