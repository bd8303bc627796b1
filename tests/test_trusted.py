"""What is read from files is never executed: no call that could, but for the few that are named."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parent.parent

NEVER = {
    "eval": "executes text",
    "exec": "executes text",
    "compile": "prepares text for execution",
    "sympify": "calls eval",
    "parse_expr": "calls eval",
    "pickle.load": "executes what a pickle says",
    "pickle.loads": "executes what a pickle says",
    "yaml.load": "makes any object",
    "yaml.unsafe_load": "makes any object",
    "yaml.full_load": "makes more than plain data",
    "os.system": "starts a shell",
    "os.popen": "starts a shell",
    "marshal.loads": "reads code",
    "shelve.open": "is made of pickles",
    "joblib.load": "is made of pickles",
    "read_pickle": "is made of pickles",
}

ALLOWED = {
    ("symloss/workers/processes.py", "pickle.loads"): "a forked child's own result, through its own pipe",
    ("symloss/export/runner.py", "exec"): "runs exported code, to verify it or as what to_torch returns",
    ("symloss/export/runner.py", "compile"): "the same",
}


def name_of(node: ast.expr) -> str:
    """A called name with its module, such as 'pickle.loads'."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def offences(text: str) -> list[str]:
    """The calls in a module that could execute what is read."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module in (
            "pickle",
            "marshal",
            "shelve",
            "dill",
            "joblib",
        ):
            found.append(f"from {node.module}")
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        options = {own.arg: own.value for own in node.keywords}
        last = name.rpartition(".")[2]
        if name in NEVER or last in ("sympify", "parse_expr", "read_pickle", "unsafe_load", "full_load"):
            found.append(name)
        if name == "torch.load" and not _is(options.get("weights_only"), True):
            found.append("torch.load without weights_only=True")
        if name in ("np.load", "numpy.load") and not _is(options.get("allow_pickle"), False):
            found.append("np.load without allow_pickle=False")
        if _is(options.get("shell"), True):
            found.append("shell=True")
    return found


def _is(node: ast.expr | None, value: object) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_nothing_in_symloss_executes_what_it_reads():
    found = {
        (path.relative_to(TOP).as_posix(), offence)
        for path in sorted((TOP / "symloss").rglob("*.py"))
        for offence in offences(path.read_text())
    }
    assert found == set(ALLOWED)


@pytest.mark.parametrize(
    "line",
    [
        "eval(text)",
        "exec(text)",
        "pickle.load(file)",
        "from pickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path)",
        "np.load(path, allow_pickle=True)",
        "yaml.load(text, Loader=yaml.Loader)",
        "subprocess.run(text, shell=True)",
        "sympy.sympify(text)",
        "os.system(text)",
    ],
)
def test_the_rule_sees_each_offence(line):
    assert offences(line)


@pytest.mark.parametrize(
    "line", ["torch.load(p, weights_only=True)", "np.load(p, allow_pickle=False)", "yaml.safe_load(text)"]
)
def test_the_rule_lets_the_safe_ways_be(line):
    assert not offences(line)
