"""The configuration of a search: every setting with its default, its bounds, and where it was read from.

Settings come from, later ones winning: the defaults here, a TOML or JSON file, `--set key=value`, and
the command line's own options. Names in tables are joined by dots: `training.steps`.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args

import msgspec
from msgspec import Meta, Struct

from symloss.errors import ConfigError, did_you_mean
from symloss.meta.settings import Count, Filters, Finalists, NotNegative, Positive, Racing, Training, Tuning
from symloss.reading.files import MAX_TEXT, cut, json_value, read_text
from symloss.search.settings import Genetic, TaylorGLO

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Fraction = Annotated[float, Meta(ge=0, lt=1)]


class TaskSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides what networks are trained to do, whoever trains them.

    task:        name of a built-in task, or a user's `path/file.py:function` or `package.module:function`.
    model:       base model; None is the task's own choice.
    metric:      what is measured, and minimised by a search: a name or a user's function; None is the
                 task's.
    label_noise, asymmetric_noise, imbalance, outliers, heavy_tails: corruption of the training data; see
                 `tasks.Corruption`.
    train_size:  use only so many training samples.
    augment:     change the inputs of training batches where that is customary: see `tasks.augmentation`.
    data_dir:    where data files are looked for first. data_seed: of splits and corruption.
    device:      "cpu", "cuda", "cuda:1", ... or "auto".
    """

    task: str = "digits"
    model: str | None = None
    metric: str | None = None
    label_noise: Fraction = 0.0
    asymmetric_noise: Fraction = 0.0
    imbalance: Annotated[float, Meta(ge=1)] = 1.0
    outliers: Fraction = 0.0
    heavy_tails: NotNegative = 0.0
    train_size: Count | None = None
    augment: bool = True
    data_dir: str | None = None
    data_seed: int = 0
    device: str = "auto"


UNTUNED = ("gp-lfl", "taylorglo")
"""Methods of search that do not tune constants by gradients, whatever the settings of tuning are."""


class SearchConfig(TaskSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that decides a search: a task, and what follows.

    grammar:     name of a shipped grammar or a path; None is the one for the task's kind.
    method:      "evomal" (genetic programming with tuned constants), "gp-lfl" (the same without
                 tuning), "taylorglo" (CMA-ES on the numbers of a polynomial), "random", or "given" (the
                 seeds are tuned and trained, and nothing is searched).
    seeds:       formulas with which genetic programming starts, as far as the grammar can derive them.
    population, generations: formulas per generation, and how many generations.
    time_budget: seconds after which no new generation is started. With it, how far a search comes
                 depends on the machine; without it the same seed gives the same candidates.
    """

    grammar: str | None = None
    method: Literal["evomal", "gp-lfl", "taylorglo", "random", "given"] = "evomal"
    seeds: tuple[str, ...] = ()
    population: Count = 24
    generations: Count = 10
    time_budget: Positive | None = None
    seed: Annotated[int, Meta(ge=0, lt=2**31)] = 0
    genetic: Genetic = Genetic()
    taylorglo: TaylorGLO = TaylorGLO()
    training: Training = Training()
    tuning: Tuning = Tuning()
    filters: Filters = Filters()
    racing: Racing = Racing()
    finalists: Finalists = Finalists()

    def __post_init__(self) -> None:
        if self.racing.seeds and self.training.seeds == 1:
            raise ValueError(
                "'racing.seeds' has no effect with one network per candidate; leave it out, or set "
                "training.seeds to 2 or more"
            )
        tuned = self.tuning.steps > 0 and self.method not in UNTUNED
        if self.racing.tuning and not (tuned and self.tuning.keep_better):
            raise ValueError(
                "'racing.tuning' has no effect where formulas are not trained before they are tuned; leave "
                "it out, or choose a method that tunes, with tuning.keep_better and 1 or more tuning.steps"
            )


Settings = dict[str, Any]
"""Nested settings by name, as in a TOML file."""

MAX_DEPTH = 20
"""Deepest nesting of settings: what walks over them may be recursive."""

MAX_TOML = 100_000
"""Largest TOML file that is read, in bytes; a setting takes thirty."""

_LONG_NAME = re.compile(r"""(?<![\w"'-])(?:[\w"'-]+\s*\.\s*){20}""")
"""A name such as a.b.c, far longer than any setting's. Reading TOML takes minutes for ten thousand parts."""


def resolve(*layers: Mapping[str, Any]) -> SearchConfig:
    """The configuration of layered settings, later ones winning. Raises ConfigError naming the setting."""
    return layered(SearchConfig, *layers)


Table = TypeVar("Table", bound=Struct)


def checked(settings: Mapping[str, Any], kind: type[Table]) -> Table:
    """Settings as a table of `kind`. Raises ConfigError naming the setting that is wrong."""
    try:
        table = msgspec.convert(settings, kind)
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        raise ConfigError(_explained(str(error), settings, kind)) from None
    except UnicodeEncodeError as error:
        raise ConfigError(f"settings: expected text in UTF-8, found {_shown(error.object)}") from None
    for name, value in _leaves(msgspec.to_builtins(table)):
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"setting '{name}': expected a finite number, found {value}")
        if isinstance(value, str) and _HALF.search(value):
            raise ConfigError(f"setting '{name}': expected text in UTF-8, found {_shown(value)}")
    return table


_HALF = re.compile("[\ud800-\udfff]")
"""Half of a pair: JSON and YAML can write one, and file names that are not UTF-8 have some; no file can."""


def layered(kind: type[Table], *layers: Mapping[str, Any]) -> Table:
    """A table of `kind` from layered settings, later ones winning. Raises as `checked` does."""
    return checked(merged(*layers), kind)


def merged(*layers: Mapping[str, Any]) -> Settings:
    """Layered settings as one, later ones winning; tables are merged, anything else is replaced."""
    found: Settings = {}
    for layer in layers:
        _merge(found, layer)
    return found


def _merge(into: Settings, layer: Mapping[str, Any], depth: int = 1) -> None:
    if depth > MAX_DEPTH:
        raise ConfigError(f"settings are nested more than {MAX_DEPTH} deep; none of symloss is")
    for key, value in layer.items():
        if not isinstance(value, Mapping):
            into[key] = value
            continue
        if not isinstance(into.get(key), dict):
            into[key] = {}
        _merge(into[key], value, depth + 1)


def read_config(path: Path) -> Settings:
    """Settings from a `.toml` or `.json` file. A saved run.json serves as well."""
    form = "JSON" if path.suffix == ".json" else "TOML"
    text = read_text(path, "the configuration", ConfigError, MAX_TEXT if form == "JSON" else MAX_TOML)
    try:
        data = json_value(text) if form == "JSON" else _toml(text)
    except (ValueError, RecursionError) as error:  # both libraries' errors are ValueErrors
        reason = "it is nested too deep" if isinstance(error, RecursionError) else cut(str(error), 300)
        raise ConfigError(f"'{path}' is not valid {form}: {reason}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"'{path}' holds a {type(data).__name__}, expected settings by name")
    found = data.get("config", data)
    return found if isinstance(found, dict) else data


def _toml(text: str) -> Any:
    if _LONG_NAME.search(text):
        raise ValueError("a name in it has more than 20 parts")
    return tomllib.loads(text)


def parse_assignments(assignments: Iterable[str]) -> Settings:
    """Settings of `key=value` texts; a value is read as TOML, and as a plain text if it is none."""
    settings: Settings = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        names = key.strip().split(".")
        if not equals or not all(names) or len(names) > MAX_DEPTH:
            raise ConfigError(f"--set takes key=value such as training.steps=1000, found '{cut(assignment)}'")
        nested: Any = _value(text.strip())
        for name in reversed(names):
            nested = {name: nested}
        _merge(settings, nested)
    return settings


def _value(text: str) -> Any:
    try:
        return _toml(f"value = {text}")["value"]
    except (ValueError, RecursionError):
        return text


def to_settings(config: SearchConfig) -> Settings:
    """All settings of `config` as plain data: `resolve(to_settings(c)) == c`."""
    data = msgspec.to_builtins(config)
    assert isinstance(data, dict)
    return data


_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "array": "a list",
    "object": "a table of settings",
}


def _explained(message: str, given: Mapping[str, Any], kind: type[Struct]) -> str:
    """The message of msgspec with the setting's name, what was found, and the nearest known name."""
    unknown = re.match(r"Object contains unknown field `(.*?)`(?: - at `\$\.?(.*)`)?$", message)
    if unknown:
        name, place = unknown.group(1), unknown.group(2) or ""
        known = _struct(place, kind).__struct_fields__
        elsewhere = [] if name.casefold() in known else _settings_called(name.casefold(), kind)
        hint = f"did you mean {' or '.join(elsewhere)}?" if elsewhere else did_you_mean(name, known)
        return f"unknown setting '{'.'.join(filter(None, [place, name]))}': {hint}"
    located = re.match(r"(.*?)(?:, got .*?)? - at `\$\.?(.*)`$", message)
    if not located:
        return f"settings: {message}"
    reason, setting = located.groups()
    found = _found(given, setting)
    if reason.startswith("Invalid enum value"):
        hint = did_you_mean(str(found), _choices(setting, kind))
        return f"setting '{setting}': unknown value '{found}': {hint}"
    reason = re.sub(r"`(\w+)(?: \| null)?`", lambda m: _WORDS.get(m[1], m[1]), reason)
    return f"setting '{setting}': {reason[0].lower() + reason[1:]}, found {_shown(found)}"


def _found(given: Mapping[str, Any], setting: str) -> Any:
    """The value at a place such as `finalists.factors[0]`."""
    found: Any = given
    for part in re.findall(r"\w+", setting):
        try:
            found = found[int(part) if isinstance(found, list | tuple) else part]
        except (LookupError, TypeError, ValueError):
            return found  # a set has no places; the whole of it is shown
    return found


def _shown(value: Any) -> str:
    try:
        return cut(repr(value))
    except ValueError:  # Python writes no number of more than 4300 digits
        return "a number of very many digits"


def _leaves(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Every single value with its name."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from ((f"{name}.{inner}", leaf) for inner, leaf in _leaves(value))
        elif isinstance(value, list | tuple):
            yield from ((f"{name}[{index}]", leaf) for index, leaf in enumerate(value))
        else:
            yield name, value


def _struct(place: str, kind: type[Struct]) -> type[Struct]:
    """The table of settings called `place` in a table of `kind`, which is the one called ''."""
    here = kind
    for part in filter(None, place.split(".")):
        value = getattr(here(), part)
        if value is None:  # a table that may be left out
            (field,) = [f for f in msgspec.structs.fields(here) if f.name == part]
            (here,) = [own for own in get_args(field.type) if own is not type(None)]
        else:
            here = type(value)
    return here


def _settings_called(name: str, kind: type[Struct]) -> list[str]:
    """Every setting of this name in a table of `kind`, such as 'training.steps' and 'tuning.steps'."""
    found = [f"'{name}'"] if name in kind.__struct_fields__ else []
    for field in msgspec.structs.fields(kind):
        for own in (field.type, *get_args(field.type)):  # a table, or one that may be left out
            if isinstance(own, type) and issubclass(own, Struct) and name in own.__struct_fields__:
                found.append(f"'{field.name}.{name}'")
    return found


def _choices(setting: str, table: type[Struct]) -> list[str]:
    place, _, name = setting.rpartition(".")
    (kind,) = [f.type for f in msgspec.structs.fields(_struct(place, table)) if f.name == name]
    return [str(choice) for choice in get_args(kind)]
