"""Settings as somebody might have written them, and the notations that they are written in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import yaml

from symloss.config import SearchConfig, to_settings

SEARCH: dict[str, Any] = {
    **{name: value for name, value in to_settings(SearchConfig()).items() if value is not None},
    "task": "digits",
    "model": "linear",
    "metric": "error",
    "grammar": "evomal",
    "train_size": 300,
    "time_budget": 60.0,
}
"""Every setting of a search."""

SUITE: dict[str, Any] = {
    "title": "A suite",
    "search": {"generations": 2, "training": {"steps": 10}},
    "search_seeds": [0, 1],
    "start_from": "catalogue",
    "against": ["all"],
    "learn": ["ml3"],
    "learning": {"training": {"steps": 20}},
    "metrics": ["error"],
    "budget": {"seeds": 2, "training": {"steps": 10}},
    "cases": [
        {
            "name": "digits-noise",
            "task": {"task": "digits", "label_noise": 0.4},
            "transfer": [{"task": {"model": "linear"}, "against": ["focal"]}],
        },
        {"name": "wine", "task": {"task": "wine"}, "search": {"population": 4}, "search_seeds": [3]},
    ],
}


def as_json(data: Any) -> str:
    return json.dumps(data, indent=1)


def as_yaml(data: Any) -> str:
    return yaml.safe_dump(data)


def as_toml(data: dict[str, Any]) -> str:
    """A line for each value, under its whole name; what TOML cannot say is left out or written wrongly."""
    return "".join(f"{name} = {json.dumps(value)}\n" for name, value in _named(data))


def _named(data: dict[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in data.items():
        name = place + (key if key.isidentifier() else json.dumps(key))
        if isinstance(value, dict) and value:
            yield from _named(value, f"{name}.")
        else:
            yield name, value
