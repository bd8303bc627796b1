"""Command lines: real options with real values, wrong ones, and junk. Nothing is trained, run or fetched."""

from __future__ import annotations

import contextlib
import importlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import click
from click.testing import CliRunner
from hypothesis import strategies as st

from benchmarks.fuzz.runs import make_evaluation, make_fewshot, make_learned, make_run
from benchmarks.fuzz.settings import SEARCH, SUITE, as_json, as_toml, as_yaml
from benchmarks.fuzz.texts import STRANGE
from symloss.cli.main import COMMANDS, main
from symloss.errors import SymlossError

WORK = (
    "symloss.run.SearchRun.run",
    "symloss.evaluation.comparing._evaluated",
    "symloss.evaluation.work.Work.choice",
    "symloss.learning.run.LearningRun.run",
    "symloss.fewshot.training._go_on",
    "symloss.fewshot.training.load_task",
    "symloss.fewshot.judging.evaluate",
    "symloss.distilling.formulas.fit_formulas",
    "symloss.fitting.pysr_engine.fit_with_pysr",
    "symloss.cli.over_time.fit_formulas",
    "symloss.benchmark.job.run_case",
    "symloss.export.verify.execute",
    "symloss.gallery.built",
    "symloss.tasks.fetching.fetch",
)
"""Where work begins that takes long, runs code, or uses the network."""

VALUES = (
    *(
        "0",
        "1",
        "2",
        "-1",
        "3",
        "0.5",
        "1e-3",
        "1e400",
        "nan",
        "inf",
        "10**9",
        "99999999999999999999",
        "",
        " ",
    ),
    *("digits", "wine", "diabetes", "linear", "mlp", "lenet5", "error", "accuracy", "mse", "top-3", "digitz"),
    *(
        "evomal",
        "gp-lfl",
        "taylorglo",
        "random",
        "given",
        "regression",
        "binary",
        "multiclass",
        "pysr",
        "deap",
    ),
    *("torch", "numpy", "jax", "onnx", "latex", "json", "keep", "drop", "cpu", "cuda:7", "auto", "meta"),
    *(
        "focal",
        "focal(gamma=1)",
        "huber",
        "cross-entropy",
        "-p*y",
        "abs(p - y)",
        "log(p",
        "y*log(p)",
        "p / 2",
    ),
    *("run", "learned", "evaluation", "fewshot", "empty", "none", ".", "file.txt", "file.txt/x", "catalogue"),
    *("loss.py", "loss.json", "loss.tex", "a.onnx", "hall.csv", "my.grammar", "config.toml", "config.json"),
    *(
        "suite.yaml",
        "user.py:task",
        "user.py:metric",
        "user.py:none",
        "user.py:",
        ":x",
        "no.module:x",
        "wrong.py:x",
    ),
    *(
        "table:data.csv?target=y",
        "table:data.csv",
        "table:none.csv?target=y",
        "table:?",
        "mine=focal",
        "=",
        "a=b",
    ),
    *(
        "training.steps=3",
        "training.steps=x",
        "training=3",
        "a.b.c=1",
        "x",
        "tuning.steps=[1]",
        "seeds=['p']",
    ),
    *(
        "out",
        "out.py",
        "out.png",
        "out.gif",
        "out.json",
        "x" * 300,
        "ml3",
        "adalfl",
        "sinusoids",
        "conv4",
        "test",
    ),
)
"""Values that some option or argument takes, and some that none does."""

USER = """
def metric(predictions, targets):
    return 0.5

def task():
    return 42
"""

FILES = {
    "file.txt": "text",
    "user.py": USER,
    "wrong.py": "def (",
    "data.csv": "x,y\n1,2\n2,3\n3,4\n",
    "hall.csv": 'Complexity,Loss,Equation\n3,0.5,"x0 - x1"\n',
    "my.grammar": "loss = square(p - y)",
    "config.toml": as_toml(SEARCH),
    "config.json": as_json(SEARCH),
    "suite.yaml": as_yaml(SUITE),
}


class RefusedError(SymlossError):
    """Raised in place of work."""


def refused(*_: Any, **__: Any) -> None:
    raise RefusedError("nothing is trained, run or fetched here")


def words_of(command: click.Command) -> list[str]:
    """The options of a command."""
    return [word for own in command.params if isinstance(own, click.Option) for word in own.opts]


def commands() -> list[tuple[tuple[str, ...], list[str]]]:
    """Every command with its options; groups have commands of their own."""
    found: list[tuple[tuple[str, ...], list[str]]] = []
    context = click.Context(main)
    for name in COMMANDS:
        command = main.get_command(context, name)
        assert command is not None
        found.append(((name,), words_of(command)))
        if isinstance(command, click.Group):
            for inner in command.list_commands(context):
                own = command.get_command(context, inner)
                assert own is not None
                found.append(((name, inner), words_of(own)))
    return found


def lines() -> st.SearchStrategy[list[str]]:
    """Arguments of a command in any order: its options, those of others, values, and junk."""
    every = commands()
    others = sorted({word for _, options in every for word in options})
    values = st.sampled_from(VALUES) | st.sampled_from(VALUES) | junk()
    plain = values.map(lambda value: [value])

    def of(own: tuple[tuple[str, ...], list[str]]) -> st.SearchStrategy[list[str]]:
        names, options = own
        option = st.sampled_from(options or others)
        pairs = st.tuples(option, values).map(list)
        joined = st.tuples(option, values).map(lambda pair: ["=".join(pair)])
        lone = (option | st.sampled_from(others)).map(lambda word: [word])
        parts = st.lists(plain | pairs | pairs | joined | lone, max_size=6)
        return parts.map(lambda found: [*names, *(word for part in found for word in part)])

    return st.sampled_from(every).flatmap(of) | st.lists(values | st.sampled_from(others), max_size=4)


def junk() -> st.SearchStrategy[str]:
    """Text that is no path to anywhere: the commands may write where they are told to."""
    strange = st.lists(st.sampled_from([*STRANGE, *VALUES]), min_size=1, max_size=3).map("".join)
    # No argument of a program has a zero byte, on any system.
    return strange.map(lambda text: text.replace("/", "").replace("\x00", "").replace("..", ""))


class TracebackError(Exception):
    """A command ended in something else than an answer."""


def check(result: Any) -> None:
    """Raise what a command ended in, if it is not one of the ways in which commands end."""
    error = result.exception
    if error is not None and not isinstance(error, SystemExit):
        raise error
    if result.exit_code not in (0, 1, 2, 130):
        raise TracebackError(f"exit status {result.exit_code}")
    if "Traceback" in result.output or "\x1b" in result.output:
        raise TracebackError("the output has a traceback, or signs that steer a terminal")


@contextmanager
def command_line(folder: Path, made: Callable[[Any, Callable[[Any], None]], Any]) -> Iterator[Any]:
    """The target: a command in this process, in a folder that has one of everything."""
    here = folder / "some" / "where"
    here.mkdir(parents=True)
    furnish(here)
    kept = set(here.rglob("*"))
    runner = CliRunner()

    def work(arguments: list[str]) -> None:
        try:
            check(runner.invoke(main, arguments, prog_name="symloss"))
        finally:
            _tidied(here, kept)

    with contextlib.ExitStack() as stack:
        for name in WORK:
            stack.enter_context(replaced(name))
        stack.enter_context(contextlib.chdir(here) if hasattr(contextlib, "chdir") else _moved(here))
        yield made(lines(), work)


@contextmanager
def replaced(name: str) -> Iterator[None]:
    """Work that is refused meanwhile."""
    home, _, what = name.rpartition(".")
    try:
        owner: Any = importlib.import_module(home)
    except ModuleNotFoundError:  # the method of a class
        module, _, kind = home.rpartition(".")
        owner = getattr(importlib.import_module(module), kind)
    with mock.patch.object(owner, what, refused):
        yield


@contextmanager
def _moved(here: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(here)
    try:
        yield
    finally:
        os.chdir(before)


def furnish(here: Path) -> None:
    """One of everything that a command takes."""
    for name, text in FILES.items():
        (here / name).write_text(text)
    (here / "empty").mkdir()
    exported = Path(__file__).resolve().parent.parent.parent / "exported"
    for suffix in (".py", ".json", ".tex"):
        (here / f"loss{suffix}").write_text((exported / f"focal{suffix}").read_text())
    for name, make in (
        ("run", make_run),
        ("learned", make_learned),
        ("evaluation", make_evaluation),
        ("fewshot", make_fewshot),
    ):
        make(here / name)


def _tidied(here: Path, kept: set[Path]) -> None:
    """Remove what a command wrote."""
    for path in sorted(here.rglob("*"), reverse=True):
        if path not in kept:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
