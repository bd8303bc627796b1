"""The command line meets hostile files: a sentence, a status that is not 0, nothing written."""

import json
import os

import pytest
from click.testing import CliRunner
from hostile_helpers import DEEP, PATIENCE, at_most, not_a_file, sparse

from symloss.cli import main


def answer(*words):
    """What a command says to hostile input."""
    with at_most(2 * PATIENCE):
        result = CliRunner().invoke(main, list(words), prog_name="symloss", terminal_width=100)
    assert isinstance(result.exception, SystemExit), (words, result.exception)
    assert result.exit_code in (1, 2)
    assert "Traceback" not in result.output
    _, found, message = f"\n{result.output}".partition("\nError: ")
    assert found, result.output
    assert len(message) < 4000
    return message


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty working directory inside another one, which stays empty but for it."""
    inside = tmp_path / "here"
    inside.mkdir()
    monkeypatch.chdir(inside)
    yield inside
    assert os.listdir(tmp_path) == ["here"]


COMMANDS = [
    ["show", "PATH"],
    ["resume", "PATH"],
    ["analyze", "PATH"],
    ["export", "PATH", "--format", "torch"],
    ["verify", "PATH"],
    ["import", "PATH"],
    ["benchmark", "PATH", "--out", "out"],
    ["search", "--config", "PATH", "--out", "out"],
    ["search", "--grammar", "PATH", "--out", "out"],
    ["search", "--seeds", "PATH", "--out", "out"],
    ["search", "--task", "table:PATH?target=y", "--out", "out"],
    ["distill", "PATH", "--out", "out"],
    ["evaluate", "PATH", "--task", "digits"],
]
NAMES = ["../../x", "a\u202eb", "\u0430", "x" * 5000, "~nobody-here/x"]


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_names(command, here):
    for name in NAMES:
        answer(*(word.replace("PATH", name) for word in command))
    assert list(here.iterdir()) == []


@pytest.mark.parametrize("command", COMMANDS, ids=range(len(COMMANDS)))
def test_files(command, here):
    for name in ("pipe", "device", "huge", "huge.json", "huge.py", "huge.csv"):
        path = sparse(here / name, 2**40) if "huge" in name else not_a_file(here / name, name)
        answer(*(word.replace("PATH", name) for word in command))
        path.unlink()
    assert list(here.iterdir()) == []


def test_deep_text_on_the_command_line(here):
    deep = "(" * DEEP
    answer("analyze", deep, "--kind", "regression")
    answer("search", "--set", "a." * 50_000 + "a=1", "--out", "out")
    answer("export", "log(" * 2_000 + "p" + ")" * 2_000, "--kind", "regression", "--format", "torch")
    assert list(here.iterdir()) == []


def test_a_run_whose_files_are_links_to_others(here):
    run = here / "run"
    run.mkdir()
    victim = here / "victim"
    victim.write_text("mine\n")
    record = {
        "seed": 0,
        "task": {"name": "digits", "model": "linear", "metric": "error", "notes": []},
        "grammar": {"name": "evomal", "digest": "x"},
        "config": {"task": "digits", "model": "linear"},
    }
    (run / "run.json").write_text(json.dumps(record))
    (run / "grammar.grammar").write_text("loss = square(p - y)")
    for name in ("candidates.jsonl", "finalists.jsonl", "events.jsonl", "pieces.jsonl", ".held"):
        (run / name).symlink_to(victim)
    answer("resume", "run")
    answer("resume", "run", "--force")
    for name in (".held", "pieces.jsonl", "candidates.jsonl", "finalists.jsonl"):
        (run / name).unlink()
    for name in ("candidates.jsonl", "finalists.jsonl"):
        (run / name).touch()
    assert "is no ordinary file, so nothing is written to it" in answer("resume", "run", "--force")
    assert victim.read_text() == "mine\n"
