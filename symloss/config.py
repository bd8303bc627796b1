"""The configuration of a search: every setting with its default, its bounds, and where it was read from.

Settings come from, later ones winning: the defaults here, a TOML or JSON file, `--set key=value`, and
the command line's own options. Names in tables are joined by dots: `training.steps`.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from symloss.errors import ConfigError, did_you_mean
from symloss.meta.settings import Count, Filters, Finalists, Positive, Training, Tuning
from symloss.search.settings import Genetic

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Fraction = Annotated[float, Meta(ge=0, lt=1)]


class SearchConfig(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a search.

    task:        name of a built-in task, or a user's `path/file.py:function` or `package.module:function`.
    model:       base model; None is the task's own choice.
    grammar:     name of a shipped grammar or a path; None is the one for the task's kind.
    method:      "evomal" (genetic programming with tuned constants), "gp-lfl" (the same without
                 tuning), or "random".
    metric:      what is minimised on validation data: a name or a user's function; None is the task's.
    label_noise, imbalance, outliers: corruption of the training data.
    data_dir:    where data files are looked for first. data_seed: of splits and corruption.
    train_size:  use only so many training samples.
    population, generations: formulas per generation, and how many generations.
    time_budget: seconds after which no new generation is started. With it, how far a search comes
                 depends on the machine; without it the same seed gives the same candidates.
    device:      "cpu", "cuda", "cuda:1", ... or "auto".
    """

    task: str = "digits"
    model: str | None = None
    grammar: str | None = None
    method: Literal["evomal", "gp-lfl", "random"] = "evomal"
    metric: str | None = None
    label_noise: Fraction = 0.0
    imbalance: Annotated[float, Meta(ge=1)] = 1.0
    outliers: Fraction = 0.0
    data_dir: str | None = None
    data_seed: int = 0
    train_size: Count | None = None
    population: Count = 24
    generations: Count = 12
    time_budget: Positive | None = None
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    device: str = "auto"
    genetic: Genetic = Genetic()
    training: Training = Training()
    tuning: Tuning = Tuning()
    filters: Filters = Filters()
    finalists: Finalists = Finalists()


Settings = dict[str, Any]
"""Nested settings by name, as in a TOML file."""


def resolve(*layers: Mapping[str, Any]) -> SearchConfig:
    """The configuration of layered settings, later ones winning. Raises ConfigError naming the setting."""
    merged: Settings = {}
    for layer in layers:
        _merge(merged, layer)
    try:
        return msgspec.convert(merged, SearchConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(_explained(str(error))) from None


def _merge(into: Settings, layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, Mapping) else value


def read_config(path: Path) -> Settings:
    """Settings from a `.toml` or `.json` file. A saved run.json serves as well."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read the configuration '{path}': {error}") from None
    try:
        data = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # both libraries' errors are ValueErrors
        raise ConfigError(f"'{path}' is not valid {path.suffix.lstrip('.') or 'TOML'}: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"'{path}' holds a {type(data).__name__}, expected settings by name")
    found = data.get("config", data)
    return found if isinstance(found, dict) else data


def parse_assignments(assignments: Iterable[str]) -> Settings:
    """Settings of `key=value` texts; a value is read as TOML, and as a plain text if it is none."""
    settings: Settings = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        names = key.strip().split(".")
        if not equals or not all(names):
            raise ConfigError(f"--set takes key=value such as training.steps=1000, found '{assignment}'")
        nested: Any = _value(text.strip())
        for name in reversed(names):
            nested = {name: nested}
        _merge(settings, nested)
    return settings


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def to_settings(config: SearchConfig) -> Settings:
    """All settings of `config` as plain data: `resolve(to_settings(c)) == c`."""
    data = msgspec.to_builtins(config)
    assert isinstance(data, dict)
    return data


def _explained(message: str) -> str:
    """The message of msgspec with the setting's name in our words, and the nearest known name."""
    unknown = re.match(r"Object contains unknown field `(.*)`(?: - at `\$\.?(.*)`)?", message)
    if unknown:
        name, place = unknown.group(1), unknown.group(2) or ""
        return (
            f"unknown setting '{'.'.join(filter(None, [place, name]))}': {did_you_mean(name, _names(place))}"
        )
    located = re.match(r"(.*?) - at `\$\.?(.*)`$", message)
    if located:
        reason = located.group(1)
        return f"setting '{located.group(2)}': {reason[0].lower() + reason[1:]}"
    return f"settings: {message}"


def _names(place: str) -> list[str]:
    here: type[Struct] = SearchConfig
    for part in filter(None, place.split(".")):
        here = type(getattr(here(), part))
    return list(here.__struct_fields__)
