"""Settings that are made to do harm: TOML, JSON, assignments and suites."""

import pytest
from hostile_helpers import DEEP, LOOK_ALIKE, NOT_FILES, not_a_file, refused, sparse

from symloss.benchmark.suite import read_suite
from symloss.config import parse_assignments, read_config, resolve

TOML = [
    ("a = " + "[" * 90_000, "nested too deep"),
    ("a = " + "{a=" * 30_000, "nested too deep"),
    ("a." * 45_000 + "a = 1", "more than 20 parts"),
    ("[" + "a." * 45_000 + "a]", "more than 20 parts"),
    ('"a" . ' * 15_000 + "a = 1", "more than 20 parts"),
    ("x" * 99_000, "not valid TOML"),
    ("seed = 0x" + "f" * 90_000, "found a number of very many digits"),
    ("seed = " + "9" * 90_000, "digits"),
    ("seed = 1e999999999", "setting 'seed'"),
    ("time_budget = inf", "expected a finite number"),
    ("seed = 1\nseed = 2", "Cannot overwrite"),
    ("a = '\0'", "invalid character"),
    ("\n".join(f"k{i} = 1" for i in range(9_000)), "unknown setting 'k0'"),
    ("population = 0x" + "f" * 5_000, "population"),
    (f"'tr{LOOK_ALIKE}ining' = 1", "did you mean 'training'? (it has U+0430 CYRILLIC SMALL LETTER A)"),
    (f"method = 't{LOOK_ALIKE}ylorglo'", "U+0430"),
    ("method = '\u202etaylorglo'", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ("seed = '\uff15'", "setting 'seed'"),
]

JSON = [
    ("[" * DEEP, "nested too deep"),
    ('{"a":' * DEEP, "nested too deep"),
    ('{"a":' * 30 + "1" + "}" * 30, "nested more than 20 deep"),
    ('{"seed": 1, "seed": 2}', "given twice"),
    ('{"seed": NaN}', "NaN"),
    ('{"seed": ' + "9" * 3_000_000 + "}", "3000000 digits"),
    ('{"time_budget": 1e999999999}', "too large"),
    ('{"grammar": "\\ud800", "x": 1}', "unknown setting 'x'"),
]

SETS = [
    ("a." * 40_000 + "a=1", "--set takes"),
    ("seed=0x" + "f" * 50_000, "very many digits"),
    ("seed=" + "[" * 50_000, "setting 'seed'"),
    ("x" * 90_000, "--set takes"),
]


@pytest.mark.parametrize(("text", "word"), TOML, ids=range(len(TOML)))
def test_toml(text, word, tmp_path):
    (tmp_path / "c.toml").write_text(text)
    refused(lambda: resolve(read_config(tmp_path / "c.toml")), word)


@pytest.mark.parametrize(("text", "word"), JSON, ids=range(len(JSON)))
def test_json(text, word, tmp_path):
    (tmp_path / "c.json").write_text(text)
    refused(lambda: resolve(read_config(tmp_path / "c.json")), word)


@pytest.mark.parametrize(("text", "word"), SETS, ids=range(len(SETS)))
def test_assignments(text, word):
    refused(lambda: resolve(parse_assignments([text])), word)


def test_settings_given_in_python_may_not_be_deep_either():
    settings = {}
    for _ in range(DEEP):
        settings = {"a": settings}
    refused(lambda: resolve(settings), "nested more than 20 deep")
    while settings:  # or its end would be as deep
        settings = settings["a"]


CASE = "cases: [{name: a}]\n"
SUITES = [
    ("[" * 99_000, "nested more than 20 deep"),
    ("{a: " * 20_000, "nested more than 20 deep"),
    ("- " * 40_000, "nested more than 20 deep"),
    ("a: &a [x, x]\nb: [*a, *a]", "aliases"),
    ("title: a\ntitle: b\n" + CASE, "the name 'title' is given twice"),
    ("cases: [{name: x, name: y}]", "the name 'name' is given twice"),
    ("search_seeds: [0x" + "f" * 90_000 + "]\n" + CASE, "very many digits"),
    ("search_seeds: [" + "9" * 90_000 + "]\n" + CASE, "digits"),
    ("search_seeds: [" + "1:" * 5_000 + "1]\n" + CASE, "very many digits"),
    ("budget: {seeds: 1e999999999}\n" + CASE, "setting 'seeds'"),
    ("search: {time_budget: .inf}\n" + CASE, "expected a finite number"),
    ("title: !!python/object/apply:os.system ['touch ran']\n" + CASE, "could not determine a constructor"),
    ("title: !!python/name:os.system\n" + CASE, "could not determine a constructor"),
    ("cases: !!set {a, b}", "setting 'cases"),
    ("? [a, b]\n: 1", "unhashable"),
    ("cases: \0", "unacceptable character"),
    ("cases: [{name: ../../x}]", "found '../../x'"),
    ("cases: [{name: /x}]", "found '/x'"),
    ("cases: [{name: -x}]", "found '-x'"),
    ("cases: [{name: \u202ea}]", r"found '\u202ea'"),
    (f"c{LOOK_ALIKE}ses: [{{name: a}}]", "(it has U+0430 CYRILLIC SMALL LETTER A)"),
    ("k: 1\n" * 5_000, "given twice"),
]


@pytest.mark.parametrize(("text", "word"), SUITES, ids=range(len(SUITES)))
def test_suites(text, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.yaml").write_text(text)
    refused(lambda: read_suite(tmp_path / "s.yaml"), word)
    assert [own.name for own in tmp_path.iterdir()] == ["s.yaml"]


@pytest.mark.parametrize("read", [read_config, read_suite])
@pytest.mark.parametrize("what", NOT_FILES)
def test_what_is_no_file(read, what, tmp_path):
    path = not_a_file(tmp_path / "x.toml", what)
    refused(lambda: read(path), "cannot read the")


@pytest.mark.parametrize("read", [read_config, read_suite])
def test_huge_and_foreign_files(read, tmp_path):
    path = sparse(tmp_path / "x.toml", 2**40)
    refused(lambda: read(path), "is larger than")
    path.write_bytes("title: a".encode("utf-16"))
    refused(lambda: read(path), "it is not text in UTF-8")
