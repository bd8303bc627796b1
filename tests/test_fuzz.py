"""Hostile input gets one clear sentence: `python -m benchmarks.fuzz` for a moment, and what it has found."""

import json
from contextlib import nullcontext

import pytest
from hypothesis import strategies as st

from benchmarks.fuzz import TARGETS, driver, fuzz
from benchmarks.fuzz.runs import make_run
from benchmarks.fuzz.targets import Target
from symloss.archive import RunFolder
from symloss.config import read_config, resolve
from symloss.errors import ConfigError, ExpressionError, GrammarError, RunError
from symloss.fitting.pysr_equations import parse_hall_of_fame
from symloss.grammar import parse_grammar
from symloss.run import resume

INPUTS = {"run": 40, "cli": 60, "grammar": 100, "suite": 100}


def _made(target):
    return lambda folder: nullcontext(target)


@pytest.mark.parametrize("target", TARGETS)
def test_hostile_input_is_answered(target):
    result = fuzz(target, INPUTS.get(target, 200), seed=1)
    assert result.findings == ()
    assert result.inputs >= INPUTS.get(target, 200)


def test_fuzzing_finds_the_smallest_input(monkeypatch):
    def work(text):
        assert "x" not in text
        if "y" in text:
            raise ConfigError("an answer, and no finding")

    monkeypatch.setitem(TARGETS, "own", _made(Target(st.text("xyz"), work)))
    (finding,) = fuzz("own", 300).findings
    assert finding.input == "'x'"
    assert finding.error.startswith("AssertionError at test_fuzz.py:")


def test_fuzzing_finds_what_takes_too_long(monkeypatch):
    monkeypatch.setattr(driver, "SLOW", 0.02)
    monkeypatch.setitem(TARGETS, "own", _made(Target(st.booleans(), lambda slow: sum(range(slow * 10**7)))))
    (finding,) = fuzz("own", 2).findings
    assert (finding.error, finding.input) == ("TooSlow", "True")


def test_fuzzing_gives_up_what_never_ends(monkeypatch):
    def work(number):
        while number:
            pass

    monkeypatch.setattr(driver, "HANGING", 0.1)
    monkeypatch.setitem(TARGETS, "own", _made(Target(st.just(1), work)))
    (finding,) = fuzz("own", 1).findings
    assert finding.error == "TooSlow"


# --- what it has found ------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["label_noise", "model", "seeds"])
def test_half_of_a_pair_is_no_text(tmp_path, setting):
    path = tmp_path / "config.json"
    value = ["\ud800"] if setting == "seeds" else "\ud800"
    path.write_text(json.dumps({setting: value}))
    with pytest.raises(ConfigError, match="expected text in UTF-8"):
        resolve(read_config(path))


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """Searches that were stopped, by their method; each test puts back what it changes."""
    folders = {
        method: tmp_path_factory.mktemp("runs") / method for method in ("evomal", "random", "taylorglo")
    }
    for method, folder in folders.items():
        make_run(folder, method)
    return folders


@pytest.mark.parametrize("method", ["evomal", "random", "taylorglo"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("next_id", "x"),
        ("next_id", 0),
        ("next_id", 1),
        ("generation", None),
        ("generation", -1),
        ("rng", [3, [2**40], None]),
    ],
)
def test_a_state_that_no_search_has_is_damaged(stopped, method, name, value):
    path = stopped[method] / "state.json"
    text = path.read_text()
    state = json.loads(text)
    if name not in state["search"]:
        pytest.skip("CMA-ES draws from its seed")
    state["search"][name] = value
    path.write_text(json.dumps(state))
    try:
        with pytest.raises(RunError, match=r"state\.json' is damaged"):
            resume(stopped[method], force=True)
    finally:
        path.write_text(text)


def test_an_exponent_of_any_length_is_read():
    hall = "Complexity,Loss,Equation\n1,0.5,p + 1.5f" + "9" * 5_000
    with pytest.raises(ExpressionError, match="line 2: a constant must be finite"):
        parse_hall_of_fame(hall, "hall.csv")


def test_a_line_that_is_no_utf8_is_damaged(stopped):
    path = stopped["evomal"] / "candidates.jsonl"
    data = path.read_bytes()
    path.write_bytes(data.replace(b'"id"', b'"\xffid"', 1))
    try:
        with pytest.raises(RunError, match=r"candidates\.jsonl, line 1' is damaged"):
            RunFolder.open(stopped["evomal"]).candidates()
    finally:
        path.write_bytes(data)


def test_a_grammar_with_half_of_a_pair_is_no_text():
    with pytest.raises(GrammarError, match="a grammar is text in UTF-8"):
        parse_grammar('grammar g "\udcff"\nloss = square(prediction - target)\n')


@pytest.mark.parametrize(("name", "value"), [("versions", True), ("versions", {"torch": 2}), ("device", 1)])
def test_a_record_whose_versions_are_none_is_damaged(stopped, name, value):
    path = stopped["evomal"] / "run.json"
    text = path.read_text()
    path.write_text(json.dumps({**json.loads(text), name: value}))
    try:
        with pytest.raises(RunError, match=r"run\.json' is damaged: Expected"):
            RunFolder.open(stopped["evomal"]).record()
    finally:
        path.write_text(text)
