"""What is cheap to open stays cheap: heavy libraries are imported where they are needed."""

import json
import os
import subprocess
import sys
import time

import pytest

HEAVY = {"torch", "sympy", "deap", "sklearn", "matplotlib"}


def imported(code, *arguments):
    """The heavy libraries that a fresh process has imported after running `code`."""
    watched = (
        f"import sys, json, atexit\n"
        f"atexit.register(lambda: print('|' + json.dumps(sorted({HEAVY!r} & set(sys.modules)))))\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", watched, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout.rpartition("|")[2]))


@pytest.mark.parametrize(
    "code",
    [
        "import symloss",
        "import symloss.errors",
        "import symloss.expr",
        "import symloss.grammar; symloss.grammar.load_grammar('classification')",
        "import symloss.records",
        "import symloss.archive",
        "import symloss.config",
        "from symloss.fewshot import METHODS, method_settings; method_settings('npbml')",
        "import symloss.fewshot.episodes",
        "import symloss.cli.fewshot_data",
        "import symloss.cli",
        "from symloss import LossSearch; LossSearch(population=3)",
        "from symloss import Kind, SymbolicLoss, parse_expression, load_grammar",
    ],
)
def test_an_import_is_light(code):
    assert imported(code) == set()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder with one candidate, made without training anything."""
    from symloss.archive import RunFolder
    from symloss.expr import parse_expression
    from symloss.records import Candidate, Kind, Origin, Proposal, Score, Status, SymbolicLoss

    expression = parse_expression("square(prediction - target)")
    candidate = Candidate(
        Proposal(1, expression, 0, Origin("random")),
        SymbolicLoss(expression, Kind.REGRESSION),
        Score(Status.OK, 0.5, (0.5,)),
    )
    record = {
        "seed": 0,
        "task": {"name": "mine", "model": "linear", "metric": "mse", "notes": []},
        "grammar": {"name": "regression", "digest": "0"},
        "config": {},
    }
    folder = RunFolder.create(tmp_path_factory.mktemp("runs") / "run", record, "")
    folder.add_candidates([candidate])
    return folder.path


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["search", "--help"],
        ["analyze", "--help"],
        ["fewshot", "train", "--help"],
        ["resume", "--help"],
        ["show"],
        ["show", "--json"],
    ],
    ids=str,
)
def test_a_command_is_light(arguments, run):
    arguments = arguments + [str(run)] * (arguments[0] == "show")
    code = "from symloss.cli import main; main(sys.argv[1:])"
    assert imported(code, *arguments) == set()


def test_the_check_finds_heavy_imports():
    loud = "import symloss.run; import symloss.tasks.task, sympy"
    assert {"torch", "deap", "sympy"} <= imported(loud)


def test_help_is_quick():
    """Half a second on an idle machine; the best of three, since others may be at work on this one."""
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "symloss", "--help"],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 0.5
