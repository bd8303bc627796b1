"""Settings: where they come from, which layer wins, and what is said of impossible ones."""

import json

import msgspec
import pytest
from msgspec import Struct

from symloss.config import SearchConfig, parse_assignments, read_config, resolve, to_settings
from symloss.errors import ConfigError

TABLES = {
    f.name: f.type for f in msgspec.structs.fields(SearchConfig) if isinstance(f.default, msgspec.Struct)
}


def test_later_layers_win_setting_by_setting():
    config = resolve(
        {"seed": 1, "task": "diabetes", "training": {"steps": 5, "seeds": 2}},
        {"seed": 2, "training": {"steps": 6}},
        {"training": {"momentum": 0.5}},
    )
    assert (config.seed, config.task) == (2, "diabetes")
    training = config.training
    assert (training.steps, training.seeds, training.momentum) == (6, 2, 0.5)
    assert training.batch_size == SearchConfig().training.batch_size


def test_layers_are_left_as_they_were():
    first = {"training": {"steps": 5}}
    resolve(first, {"training": {"steps": 6}})
    assert first == {"training": {"steps": 5}}


@pytest.mark.parametrize(
    "layer",
    [
        {},
        {"time_budget": 1.5, "metric": "f1", "label_noise": 0.25},
        {"finalists": {"factors": [0.5, 2]}, "tuning": {"weights": "edges"}},
    ],
    ids=str,
)
def test_settings_and_configuration_are_the_same_thing(layer):
    config = resolve(layer)
    assert resolve(to_settings(config)) == config
    assert resolve(json.loads(json.dumps(to_settings(config)))) == config


TOML = 'task = "diabetes"\nseed = 3\n[training]\nsteps = 7\n'


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mine.toml", TOML),
        ("mine.conf", TOML),
        ("mine.json", '{"task": "diabetes", "seed": 3, "training": {"steps": 7}}'),
        ("run.json", '{"seed": 99, "config": {"task": "diabetes", "seed": 3, "training": {"steps": 7}}}'),
    ],
)
def test_a_file_holds_settings(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    config = resolve(read_config(tmp_path / name))
    assert config == resolve({"task": "diabetes", "seed": 3, "training": {"steps": 7}})


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.toml", b"[training", "is not valid TOML"),
        ("a.toml", b"seed = 1\nseed = 2", "is not valid TOML"),
        ("a.json", b"{", "is not valid JSON"),
        ("a.json", b"[" * 100_000, "is not valid JSON"),
        ("a.json", b"[1]", "holds a list"),
        ("a.toml", b"\xff\xfe", "not text in UTF-8"),
    ],
)
def test_a_wrong_file_is_named_with_the_reason(tmp_path, name, data, words):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ConfigError, match=rf"(?s)'.*{name}'.*{words}"):
        read_config(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("seed=3", {"seed": 3}),
        ("training.steps=3", {"training": {"steps": 3}}),
        (" training.steps = 3 ", {"training": {"steps": 3}}),
        ("training.nesterov=false", {"training": {"nesterov": False}}),
        ("finalists.factors=[0.5, 1]", {"finalists": {"factors": [0.5, 1]}}),
        ("task=mine.py:task", {"task": "mine.py:task"}),
        ('task="digits"', {"task": "digits"}),
        ("task=a=b", {"task": "a=b"}),
        ("task=", {"task": ""}),
        ("task=" + "[" * 5000, {"task": "[" * 5000}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_assignment_is_read_as_toml_or_text(text, settings):
    assert parse_assignments([text]) == settings


def test_later_assignments_win():
    given = ["training.steps=3", "training.seeds=2", "training.steps=4"]
    assert parse_assignments(given) == {"training": {"steps": 4, "seeds": 2}}


@pytest.mark.parametrize("text", ["", "seed", "=3", ".=3", "training.=3", ".steps=3"])
def test_a_text_that_assigns_nothing_is_refused(text):
    with pytest.raises(ConfigError, match=r"--set takes key=value such as training\.steps=1000, found"):
        parse_assignments([text])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sed": 1}, "unknown setting 'sed': did you mean 'seed'?"),
        ({"training": {"step": 1}}, "unknown setting 'training.step': did you mean 'steps'?"),
        ({"training": {"Steps": 1}}, "unknown setting 'training.Steps': did you mean 'steps'?"),
        (
            {"steps": 1},
            "unknown setting 'steps': did you mean 'training.steps' or 'tuning.steps' or 'finalists.steps'?",
        ),
        (
            {"training": {"population": 1}},
            "unknown setting 'training.population': did you mean 'population'?",
        ),
        ({"seed": -1}, "setting 'seed': expected a whole number >= 0, found -1"),
        ({"seed": 0.5}, "setting 'seed': expected a whole number, found 0.5"),
        ({"seed": "x" * 99}, f"setting 'seed': expected a whole number, found '{'x' * 59}..."),
        ({"task": None}, "setting 'task': expected text, found None"),
        ({"model": 3}, "setting 'model': expected text, found 3"),
        ({"training": 3}, "setting 'training': expected a table of settings, found 3"),
        ({"training": {"nesterov": "no"}}, "setting 'training.nesterov': expected true or false, found 'no'"),
        ({"training": {"momentum": 1}}, "setting 'training.momentum': expected a number < 1.0, found 1"),
        ({"finalists": {"factors": 3}}, "setting 'finalists.factors': expected a list, found 3"),
        (
            {"finalists": {"factors": [1, 0]}},
            "setting 'finalists.factors[1]': expected a number > 0.0, found 0",
        ),
        ({"method": "evomall"}, "setting 'method': unknown value 'evomall': did you mean 'evomal'?"),
        (
            {"tuning": {"weights": "heavy"}},
            "setting 'tuning.weights': unknown value 'heavy': known are: edges, merged, none",
        ),
        ({"time_budget": float("inf")}, "setting 'time_budget': expected a finite number, found inf"),
        ({"time_budget": float("nan")}, "setting 'time_budget': expected a number > 0.0, found nan"),
        (
            {"finalists": {"factors": [1, float("inf")]}},
            "setting 'finalists.factors[1]': expected a finite number, found inf",
        ),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_impossible_setting_is_told_with_what_was_found(settings, message):
    with pytest.raises(ConfigError) as caught:
        resolve(settings)
    assert str(caught.value) == message


@pytest.mark.parametrize("struct", [SearchConfig, *TABLES.values()], ids=lambda s: s.__name__)
def test_every_setting_is_documented_where_it_is_defined(struct):
    undocumented = set(struct.__struct_fields__) - set(TABLES)
    bases = [base for base in struct.__mro__ if issubclass(base, Struct) and base is not Struct]
    documented = "".join(base.__doc__ or "" for base in bases)
    undocumented = {name for name in undocumented if name not in documented}
    assert undocumented == set()
