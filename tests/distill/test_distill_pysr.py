"""The way to PySR and back, without Julia: arguments, equations, recorded halls of fame, a stand-in worker.

No Julia was there when this was written: the files are made after the documented format, a first line
`Complexity,Loss,Equation` and rows whose equation stands in quotation marks, with numbers in the forms in
which Julia writes Float32 (`2.5f0`, `1.0f-5`) and Float64 (`1.0e-5`).
"""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import expressions, law

from symloss.errors import ConfigError, ExpressionError, WorkerError
from symloss.expr import OPERATORS, Constant, evaluate, format_formula, parse_expression
from symloss.expr.primitives import FLOATS
from symloss.fitting import pysr_there, pysr_worker
from symloss.fitting.genetic import FitSettings
from symloss.fitting.pysr_arguments import INFIX, JULIA, arguments_for, operators_of
from symloss.fitting.pysr_engine import fit_with_pysr, from_zero, run_worker
from symloss.fitting.pysr_equations import (
    parse_equation,
    parse_hall_of_fame,
    print_equation,
    read_hall_of_fame,
)
from symloss.fitting.samples import probabilities, sampled
from symloss.grammar import load_grammar

VERSION_1 = """Complexity,Loss,Equation
1,0.91227937,"0.4f0"
3,0.31227937,"y * -1.5f0"
5,0.1122793,"(y * p) * -2.0319f0"
6,1.2379e-7,"(log_abs(p) * y) * -1.0000001f0"
8,1.1e-9,"(log_abs(p + 1.0f-5) * y) * -1.0e0"
"""

VERSION_2 = """Complexity,Loss,Equation
1,0.9122793700000001,"0.39999999999999997"
4,0.31,"square(y - p)"
6,1.2379e-14,"(y * -0.99999999999) * log_abs(p)"
9,1.0e-15,"((y * log_abs(p)) * -1.0) + (1.0e-9 * p^2)"
"""


@pytest.mark.parametrize(
    "text", [VERSION_1, VERSION_2, VERSION_1.replace("\n", "\r\n"), "\ufeff" + VERSION_2]
)
def test_halls_of_fame_of_both_versions_are_read(text):
    rows = parse_hall_of_fame(text, "hall_of_fame.csv")
    assert [row.complexity for row in rows] == sorted(row.complexity for row in rows)
    (row,) = [row for row in rows if row.complexity == 6]
    assert row.loss < 1e-6
    value = evaluate(row.expression, {"prediction": 0.5, "target": 1.0}, FLOATS, float)
    assert value == pytest.approx(np.log(2.0))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1.0f-5", 1e-5),
        ("2.5f0", 2.5),
        ("1.0e-5f0", 1e-5),
        ("1.0e-5", 1e-5),
        (".5", 0.5),
        ("3", 3.0),
        ("-2f1", -20.0),
        ("0.1f0", 0.1),
    ],
)
def test_numbers_are_those_of_julia(text, value):
    assert parse_equation(text) == Constant(value)


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("p^2", lambda p, y: p * p),
        ("(p - 2)^3", lambda p, y: (p - 2) ** 3),
        ("(p - 2)^-1", lambda p, y: 1 / (p - 2)),
        ("-p^2", lambda p, y: -(p * p)),
        ("2^-p", lambda p, y: 2**-p),
        ("p / 4 / y", lambda p, y: p / 4 / y),
        ("y - p - 1", lambda p, y: y - p - 1),
        ("p^y^2", lambda p, y: p ** (y**2)),
        ("cube(p) + log1p(y)", lambda p, y: p**3 + np.log1p(y)),
        ("x0 * +x1", lambda p, y: p * y),
        ("max(p, min(y, 0.1f0))", lambda p, y: max(p, min(y, 0.1))),
    ],
)
def test_equations_mean_what_julia_means(text, meaning):
    for p, y in [(0.3, 0.7), (0.9, 0.2)]:
        found = evaluate(parse_equation(text), {"prediction": p, "target": y}, FLOATS, float)
        assert found == pytest.approx(meaning(p, y))


@law
@given(expressions())
def test_what_is_printed_as_an_equation_reads_back(expr):
    again = parse_equation(print_equation(expr))
    assert print_equation(again) == print_equation(expr)
    assert again == expr


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('x')",
        "p; run(`rm`)",
        "open(p)",
        "p +",
        "",
        "q * 2",
        "1e999",
        "1f999",
        "(" * 5000,
        "p" * 30_000,
        "tanh(p, y)",
        "p ? y : 1",
        "\x00",
        "square(" * 400 + "p" + ")" * 400,
    ],
)
def test_a_hostile_equation_gives_one_sentence(text):
    with pytest.raises(ExpressionError) as raised:
        parse_equation(text)
    assert len(str(raised.value)) < 1000


@law
@given(st.text(max_size=40))
def test_any_text_is_an_equation_or_an_error(text):
    with contextlib.suppress(ExpressionError):
        parse_equation(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a,b\n1,2\n", "Complexity, Loss and Equation"),
        ("", "Complexity, Loss and Equation"),
        ("Complexity,Loss,Equation\nx,0.1,p\n", "line 2: expected a complexity"),
        ("Complexity,Loss,Equation\n1,0.1,p\n2,0.1\n", "line 3: expected"),
        ('Complexity,Loss,Equation\n1,0.1,"evil(p)"\n', "line 2: unknown function 'evil'"),
    ],
)
def test_a_file_that_is_no_hall_of_fame_says_where(tmp_path, text, words):
    (tmp_path / "h.csv").write_text(text)
    with pytest.raises(ExpressionError, match=words.replace("(", r"\(")):
        read_hall_of_fame(tmp_path / "h.csv")


def test_every_operator_of_a_search_is_known_to_the_adapter():
    assert {*INFIX, *JULIA} == set(OPERATORS) - {"ln"}


def test_arguments_are_those_of_the_grammar():
    grammar = load_grammar("evomal")
    arguments = arguments_for(grammar, 15, 30.0, 7)
    assert arguments["maxsize"] == 15
    assert arguments["random_state"] == 7
    assert arguments["deterministic"]
    given = [*arguments["binary_operators"], *arguments["unary_operators"]]
    assert len(given) == len(operators_of(grammar))
    assert "+" in given
    assert "tanh" in given
    assert any(text.startswith("log_abs(x)") for text in given)
    json.dumps(arguments)


# --- the process ----------------------------------------------------------------------------------

STAND_IN = """
import json, os, sys, time
from pathlib import Path
job = json.loads(Path(sys.argv[1]).read_text())
assert "torch" not in sys.modules
folder = Path(job["arguments"]["output_directory"]) / job["arguments"]["run_id"]
folder.mkdir(parents=True)
(folder / "hall_of_fame.csv").write_text(HALL)
AFTER
"""


def stand_in(tmp_path, after="", hall=VERSION_2):
    path = tmp_path / "worker.py"
    path.write_text(STAND_IN.replace("HALL", repr(hall)).replace("AFTER", after))
    return [sys.executable, str(path)]


def cross_entropy(weight=None):
    return sampled(lambda p, y: -y * p.log(), probabilities())


def test_a_front_comes_back_from_the_process(tmp_path):
    front = fit_with_pysr(
        cross_entropy(), load_grammar("classification"), FitSettings(), worker=stand_in(tmp_path)
    )
    assert front.chosen().error < 1e-6
    # The scale is fitted, to 1 or to a number beside it, as the processor rounds.
    assert format_formula(front.chosen().expression) in ("-(y * log(p))", "-1 * (y * log(p))")


JOB = {"arguments": {"output_directory": "out", "run_id": "run"}}


def test_a_worker_that_does_not_end_is_ended_with_its_children_and_its_equations_count(tmp_path):
    after = (
        "import subprocess\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"Path({str(tmp_path / 'pids')!r}).write_text(f'{{os.getpid()}} {{child.pid}} {{os.getcwd()}}')\n"
        "time.sleep(600)"
    )
    pids = tmp_path / "pids"
    found = run_worker(
        stand_in(tmp_path, after), JOB, 60.0, stop=lambda: pids.exists() and pids.stat().st_size > 0
    )
    assert len(found) == 4
    first, second, folder = pids.read_text().split()
    assert not Path(folder).exists()
    deadline = time.monotonic() + 10
    while any(_alive(int(pid)) for pid in (first, second)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(_alive(int(pid)) for pid in (first, second))


def _alive(pid):
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def test_a_time_limit_ends_it(tmp_path):
    assert len(run_worker(stand_in(tmp_path, "time.sleep(600)"), JOB, 3.0)) == 4


def test_a_file_that_was_being_written_does_not_count(tmp_path):
    after = (
        "(folder / 'hall_of_fame.csv.bak').write_text((folder / 'hall_of_fame.csv').read_text())\n"
        "(folder / 'hall_of_fame.csv').write_text('Complexity,Loss,Equation\\n1,0.5,\"p * (y')"
    )
    assert len(run_worker(stand_in(tmp_path, after), JOB, 60.0)) == 4


def test_a_worker_that_fails_says_why(tmp_path):
    path = tmp_path / "worker.py"
    path.write_text("raise RuntimeError('no Julia today')")
    with pytest.raises(WorkerError, match="no Julia today"):
        run_worker([sys.executable, str(path)], JOB, 60.0)


FAKE_PYSR = """
from pathlib import Path
class PySRRegressor:
    def __init__(self, binary_operators=None, unary_operators=None, maxsize=20, random_state=None,
                 output_directory=None, run_id=None, extra_sympy_mappings=None, KNOWN):
        self.__dict__.update(locals())
    def fit(self, X, y, weights=None, variable_names=None):
        assert X.shape == (len(y), 2) and len(weights) == len(y) and variable_names == ["p", "y"]
        assert "log_abs" in self.extra_sympy_mappings
        folder = Path(self.output_directory) / self.run_id
        folder.mkdir(parents=True)
        (folder / "hall_of_fame.csv").write_text(HALL)
        raise ValueError("sympy does not know aq")
"""


@pytest.mark.parametrize("known", ["parallelism=None", "procs=None, multithreading=None"])
def test_the_real_worker_leaves_out_what_a_version_does_not_know(tmp_path, monkeypatch, known):
    (tmp_path / "pysr.py").write_text(FAKE_PYSR.replace("KNOWN", known).replace("HALL", repr(VERSION_2)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    front = fit_with_pysr(
        cross_entropy(),
        load_grammar("classification"),
        FitSettings(),
        worker=[sys.executable, pysr_worker.__file__],
    )
    assert front.chosen().error < 1e-6


def test_values_for_pysr_are_zero_where_prediction_and_target_are_nearest():
    samples = cross_entropy()
    wanted = from_zero(samples)
    for target in (0.0, 1.0):
        rows = samples.domain.target == target
        assert wanted[rows][np.argmin(np.abs(samples.domain.prediction[rows] - target))] == 0.0


def test_slopes_are_not_for_pysr():
    samples = sampled(lambda p, y: -y * p.log(), probabilities(), "slope")
    with pytest.raises(ConfigError, match="--engine deap"):
        fit_with_pysr(samples, load_grammar("classification"), FitSettings())


@pytest.mark.parametrize("missing", ["pysr", "julia"])
def test_without_pysr_or_julia_one_sentence_says_what_to_type(monkeypatch, missing):
    monkeypatch.setattr(pysr_there, "_pysr", lambda: None if missing == "pysr" else "1.5.9")
    monkeypatch.setattr(pysr_there, "_julia", lambda: None)
    with pytest.raises(ConfigError, match=r"type: .*--engine deap") as raised:
        fit_with_pysr(cross_entropy(), load_grammar("classification"), FitSettings())
    assert "\n" not in str(raised.value)


def test_looking_for_them_starts_nothing(monkeypatch):
    before = set(sys.modules)
    pysr_there.pysr_state()
    assert not {"pysr", "juliacall"} & (set(sys.modules) - before)


@pytest.mark.skipif(pysr_there.pysr_state().missing is not None, reason="PySR or Julia is not installed")
def test_pysr_itself_finds_cross_entropy():
    front = fit_with_pysr(cross_entropy(), load_grammar("classification"), FitSettings(seconds=30.0))
    assert front.chosen().error < 1e-3
    assert parse_expression("-(y * log(p))").size <= front.chosen().size
