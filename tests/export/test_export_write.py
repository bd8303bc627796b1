import ast
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

import symloss.export.write as write_module
from symloss.errors import ExportError
from symloss.export import TARGETS, Header, export_code, round_constants, verify_code, write_export
from symloss.export.forms import careful_form
from symloss.expr import call, constants_of, parse_expression
from symloss.records import Candidate, Confirmation, Kind, Origin, Proposal, Score, Status, SymbolicLoss

LOSS = SymbolicLoss(parse_expression("abs(log(0.9812345678901234 * y * p + 0.001))"), Kind.MULTICLASS)


@pytest.mark.parametrize("format", ["torch", "numpy"])
@pytest.mark.parametrize("kind", Kind, ids=lambda kind: kind.value)
def test_exported_code_passes_its_check_in_a_process_of_its_own(format, kind):
    loss = SymbolicLoss(parse_expression("0.3 * square(p - y) + erf(relu(p - y)) + sigmoid(p)"), kind)
    exported = export_code(loss, format, header=Header(task="digits", metric="error rate", seed=3))
    assert exported.verification is not None
    assert exported.verification.points > 50
    assert {e.dtype for e in exported.verification.errors} == set(TARGETS[format].dtypes)
    docstring = ast.get_docstring(ast.parse(exported.text))
    for fact in [
        "task: digits",
        "metric: error rate",
        "seed: 3",
        "verified: executed on its own",
        kind.value,
    ]:
        assert fact in docstring


def test_the_same_export_twice_is_the_same_text():
    assert export_code(LOSS, "numpy").text == export_code(LOSS, "numpy").text


def test_a_candidate_brings_its_facts():
    proposal = Proposal(7, LOSS.expression, 2, Origin("crossover", (1, 2)))
    candidate = Candidate(proposal, LOSS, Score(Status.OK, 0.0625))
    text = export_code(candidate, "numpy").text
    assert "candidate: 7" in text
    assert "fitness: 0.0625" in text
    assert "confirmed" not in text
    finalist = replace(candidate, confirmation=Confirmation(0.075, 0.03, 100, 3))
    text = export_code(finalist, "numpy").text
    assert "confirmed: 0.075\n" in text
    assert "learning_rate: 0.03\n" in text


@pytest.mark.parametrize("format", ["torch", "numpy"])
def test_exported_code_imports_nothing_but_its_library(format):
    tree = ast.parse(TARGETS[format].emit(careful_form(LOSS), Header()))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert imported <= {"torch", "torch.nn", "typing"} if format == "torch" else imported <= {"numpy", "math"}


def test_constants_keep_all_their_digits():
    for format in ("torch", "numpy"):
        assert "0.9812345678901234" in TARGETS[format].emit(careful_form(LOSS), Header())


# --- checks that must complain ----------------------------------------------------------------------


TAMPERED = {
    "a constant": (
        "0.9812345678901234",
        "0.98123457",
        "differs from the loss that the search used: its value is",
    ),
    "an import of symloss": ("\n\ndef loss", "\n\nimport symloss\ndef loss", "must not import symloss"),
    "an early end": (
        "_check(reduction)\n    outputs",
        "raise SystemExit(0)\n    outputs",
        "cannot be run by itself",
    ),
    "a missing function": ("def loss", "def lost", "cannot be run by itself"),
    "torch's mean": ("return values.mean() if", "return values.sum() if", "reduction mean"),
    "NumPy's mean": ("getattr(values, reduction)()", "values.sum()", "reduction mean"),
    "NumPy's gradient": ("/ (gradient.size / gradient.shape[-1])", "", "its gradient is .* reduction mean"),
}


@pytest.mark.parametrize(
    ("format", "name"),
    [("torch", "a constant"), ("torch", "an import of symloss"), ("torch", "torch's mean")]
    + [("numpy", name) for name in TAMPERED if name != "torch's mean"],
)
def test_tampered_code_is_refused(format, name):
    old, new, message = TAMPERED[name]
    text = TARGETS[format].emit(careful_form(LOSS), Header())
    assert old in text
    with pytest.raises(ExportError, match=message):
        verify_code(LOSS, text.replace(old, new), format)


def test_code_that_does_not_finish_is_stopped():
    text = TARGETS["numpy"].emit(careful_form(LOSS), Header()) + "\nwhile True:\n    pass\n"
    with pytest.raises(ExportError, match="did not finish within 2 seconds"):
        verify_code(LOSS, text, "numpy", time_limit=2.0)


@pytest.mark.skipif(sys.platform != "linux", reason="memory limits of processes are a matter of the system")
def test_code_that_takes_too_much_memory_is_stopped():
    text = TARGETS["numpy"].emit(careful_form(LOSS), Header()) + "\nbig = np.ones(2**28)\n"
    with pytest.raises(ExportError, match=r"cannot be run by itself: .*allocate"):
        verify_code(LOSS, text, "numpy", memory_limit=2**30)


def test_a_gradient_that_is_wrong_while_the_value_is_right_is_refused():
    text = TARGETS["torch"].emit(careful_form(LOSS), Header())
    text = text.replace("return values, slopes", "return values, 0.9 * slopes")
    with pytest.raises(ExportError, match="its gradient is"):
        verify_code(LOSS, text, "torch")
    text = TARGETS["numpy"].emit(careful_form(LOSS), Header()).replace("slopes - p", "slopes + p")
    with pytest.raises(ExportError, match="its gradient is"):
        verify_code(LOSS, text, "numpy")


# --- text that tries to break out ---------------------------------------------------------------------

HOSTILE = [
    '"""\nimport os\nos.system("false")\n"""',
    "\\",
    '\\"""',
    '"' * 7,
    "'''",
    "\r\nimport os",
    "\u2028import os\u202e",
    "%\n\\input{/etc/passwd}",
    "\x00",
    "\ud800",
    "{loss}",
    "\\N{BULLET} \\x41",
    "x" * 5000,
]


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_facts_stay_inside_the_docstring(text):
    header = Header(task=text, metric=text, rounding=text, verified=text, version=text)
    for format in ("torch", "numpy"):
        written, plain = (TARGETS[format].emit(careful_form(LOSS), h) for h in (header, Header()))
        written.encode()
        bodies = [ast.dump(ast.Module(ast.parse(t).body[1:], [])) for t in (written, plain)]
        assert bodies[0] == bodies[1]
        assert isinstance(ast.parse(written).body[0], ast.Expr)
        assert len(ast.get_docstring(ast.parse(written))) < 5 * 1100 + 1500  # five facts, cut


def test_facts_stay_inside_the_comments_of_latex(monkeypatch):
    monkeypatch.setattr("symloss.export.latex.formula", lambda loss, digits: "p")
    for text in HOSTILE:
        written = TARGETS["latex"].emit(careful_form(LOSS), Header(task=text))
        assert "\ninput" not in written
        before = written[: written.index("\n\\[\n")]
        assert all(line.startswith("% ") for line in before.split("\n"))
        assert len(before.splitlines()) == len(before.split("\n"))


# --- files --------------------------------------------------------------------------------------------


def test_a_file_appears_once_it_is_checked(tmp_path):
    path = tmp_path / "loss.py"
    exported = write_export(LOSS, path, "numpy")
    assert path.read_text() == exported.text
    assert list(tmp_path.iterdir()) == [path]


def test_an_existing_file_is_left_alone_unless_told_otherwise(tmp_path):
    path = tmp_path / "loss.py"
    path.write_text("mine")
    with pytest.raises(ExportError, match="exists already"):
        write_export(LOSS, path, "numpy")
    assert path.read_text() == "mine"
    write_export(LOSS, path, "numpy", overwrite=True)
    assert "def loss" in path.read_text()


def test_a_failed_check_leaves_nothing_behind(tmp_path, monkeypatch):
    numpy = TARGETS["numpy"]
    wrong = replace(numpy, emit=lambda form, header: numpy.emit(form, header).replace("0.001", "0.002"))
    monkeypatch.setattr(write_module, "target_named", lambda name: wrong)
    with pytest.raises(ExportError, match="differs"):
        write_export(LOSS, tmp_path / "loss.py", "numpy")
    assert list(tmp_path.iterdir()) == []


def test_a_file_written_meanwhile_is_left_alone(tmp_path):
    path = tmp_path / "loss.py"
    path.write_text("mine")
    with pytest.raises(ExportError, match="exists already"):
        write_module.write_content(path, "ours")
    assert [p.name for p in tmp_path.iterdir()] == ["loss.py"]
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere/loss.py", "does not exist"), (".", "is a folder"), ("x" * 300, "cannot write")],
)
def test_impossible_paths_get_a_sentence(tmp_path, name, message):
    with pytest.raises(ExportError, match=message):
        write_export(LOSS, tmp_path / name, "numpy")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_format_gets_a_sentence():
    with pytest.raises(ExportError, match="did you mean 'torch'"):
        export_code(LOSS, "pytorch")


# --- rounding -----------------------------------------------------------------------------------------


def test_rounding_reports_its_cost():
    rounding = round_constants(LOSS, 2)
    assert constants_of(rounding.loss.expression) == (0.98, 0.001)
    assert 1e-5 < rounding.value < 1e-2
    assert rounding.gradient > 0.0
    assert round_constants(LOSS, 17).value == 0.0
    assert round_constants(LOSS, 1).value > rounding.value
    exported = export_code(LOSS, "numpy", digits=2)
    assert exported.rounding == rounding
    assert "0.9812" not in exported.text
    assert "rounded to 2 significant digits" in exported.text
    with pytest.raises(ExportError, match="1 to 17"):
        round_constants(LOSS, 0)


# --- using the result ---------------------------------------------------------------------------------


def use(format, loss):
    from symloss.export.runner import load

    return load(TARGETS[format].emit(careful_form(loss), Header()))


@pytest.mark.parametrize("kind", [Kind.BINARY, Kind.REGRESSION], ids=lambda kind: kind.value)
def test_flat_batches_are_accepted(kind):
    import torch

    loss = SymbolicLoss(parse_expression("square(p - y)"), kind)
    outputs, labels = torch.randn(5), torch.rand(5)
    torch_file, numpy_file = use("torch", loss), use("numpy", loss)
    flat = torch_file.loss(outputs, labels)
    torch.testing.assert_close(flat, torch_file.loss(outputs[:, None], labels[:, None]))
    torch.testing.assert_close(flat, torch_file.loss(outputs[:, None], labels))
    np.testing.assert_allclose(flat.numpy(), numpy_file.loss(outputs.numpy(), labels.numpy()), rtol=1e-5)
    assert numpy_file.gradient(outputs.numpy(), labels.numpy()).shape == (5,)


def test_numpy_files_refuse_targets_of_another_shape():
    for kind in Kind:
        module = use("numpy", SymbolicLoss(parse_expression("square(p - y)"), kind))
        for compute in (module.loss, module.gradient):
            with pytest.raises(ValueError, match=r"does not fit outputs \(2, 3\)"):
                compute(np.zeros((2, 3)), np.zeros((3, 2)))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 4, 3)], ids=str)
def test_the_numpy_gradient_is_that_of_the_mean_for_every_number_of_dimensions(shape):
    module = use("numpy", SymbolicLoss(parse_expression("-(y * log(p))"), Kind.MULTICLASS))
    rng = np.random.default_rng(0)
    outputs, labels = rng.standard_normal(shape), rng.integers(0, 3, shape[:-1])
    step = np.zeros(shape)
    step.flat[1] = 1e-6
    rise = module.loss(outputs + step, labels) - module.loss(outputs - step, labels)
    assert module.gradient(outputs, labels).flat[1] == pytest.approx(rise / 2e-6, rel=1e-6)


def test_contracts_of_the_numpy_file():
    module = use("numpy", SymbolicLoss(parse_expression("-(y * log(p))"), Kind.MULTICLASS))
    assert module.loss([[0.0, 0.0]], [1]) == pytest.approx(np.log(2))
    np.testing.assert_allclose(module.gradient([[0.0, 0.0]], [1]), [[0.5, -0.5]])
    with pytest.raises(ValueError, match="class ids must lie between 0 and 1"):
        module.loss([[0.0, 0.0]], [-1])
    with pytest.raises(ValueError, match="reduction"):
        module.gradient([[0.0, 0.0]], [1], "average")
    constant = use("numpy", SymbolicLoss(parse_expression("0.5 * p + 0 * y"), Kind.REGRESSION))
    np.testing.assert_allclose(constant.gradient([[1.0, 2.0]], [[0.0, 0.0]]), [[0.25, 0.25]])


def test_repeated_parts_are_named_and_the_text_stays_short():
    expression = call("log", call("add", LOSS.expression, parse_expression("p")))
    for _ in range(12):
        expression = call("square", expression)
    for format in ("torch", "numpy"):
        text = TARGETS[format].emit(careful_form(SymbolicLoss(expression, Kind.MULTICLASS)), Header())
        code = text[text.index("import") :]
        assert len(code) < 7100
        assert max(map(len, code.splitlines())) <= 110


def test_opening_the_room_is_cheap():
    code = "import sys, symloss.export; print(sorted({'torch', 'sympy', 'numpy'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_note_on_units_is_found_among_others():
    notes = ["3 gaps filled with the mean", "targets standardised: mean 2, standard deviation 5"]
    header = Header.of_task("homes", Kind.REGRESSION, notes, "r2", 1, 1)
    assert (header.standardised, header.classes, header.metric) == (notes[1], None, "1 - r2")
    assert Header.from_facts("a loss", dict(header.facts())).standardised == notes[1]
    assert Header.of_task("wine", Kind.MULTICLASS, [], "error", 1, 3).classes == 3
