"""What is fuzzed: for each target how its inputs are drawn, and what reads them."""

from __future__ import annotations

import random
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from benchmarks.fuzz.arguments import command_line
from benchmarks.fuzz.runs import run_files
from benchmarks.fuzz.settings import SEARCH, SUITE, as_json, as_toml, as_yaml
from benchmarks.fuzz.texts import as_bytes, edited, jumbled, revalued
from symloss.config import parse_assignments, read_config, resolve
from symloss.expr import INPUTS, OPERATORS, format_formula, parse_expression, print_expression
from symloss.fitting.pysr_equations import FUNCTIONS, parse_hall_of_fame, print_equation
from symloss.grammar import Grammar, parse_grammar
from symloss.grammar.library import grammar_folder
from symloss.losses.catalogue import CATALOGUE
from symloss.records import Kind
from symloss.search.generate import Generator
from symloss.seeds import load_seeds
from symloss.sources import load_loss

TOP = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Target:
    """What is tried. work: takes an input; what it raises other than a SymlossError is a finding."""

    inputs: st.SearchStrategy[Any]
    work: Callable[[Any], None]


Maker = Callable[[Path], AbstractContextManager[Target]]

PUNCTUATION = ("(", ")", ",", " ", "+", "-", "*", "/", "^", ".", "1", "0.5", "1e-7", "-2", "3.5e+2", "=")
FORMULA_WORDS = (*PUNCTUATION, *OPERATORS, *INPUTS, "p", "y", "C", "sin(", "unknown")
FORMULAS = tuple(dict.fromkeys(str(row.expression) for row in CATALOGUE.values()))
NAMES = (*CATALOGUE, "focal(gamma=1)", "focal(gamma = 2.5)", "quantile(level=0.1)", "huber(delta=1e-3)")

GRAMMARS = tuple(path.read_text() for path in sorted(grammar_folder().glob("*.grammar")))
GRAMMAR_WORDS = (
    *FORMULA_WORDS,
    *('grammar x "doc"\n', "require prediction, target\n", "height 1..3, at most 5\n", "size at most 9\n"),
    *(
        "loss",
        "loss = ",
        "a",
        "b",
        " = ",
        "|",
        "\n",
        "[2]",
        "[1e-6]",
        "uniform(0, 1)",
        "normal(0, 1)",
        "# x\n",
    ),
    *("height", "size", "require", "grammar", "at most", "..", "prediction - target", "a | b", "loss + loss"),
)

HALL = """Complexity,Loss,Equation
1,0.9122793700000001,"0.39999999999999997"
3,0.5,"x0 - x1"
4,0.31,"square(y - p)"
6,1.2379e-14,"(y * -0.99999999999) * log_abs(p)"
8,0.2,"p ^ 2 / (y + 1.5f0) - 2.0f-3"
9,1.0e-15,"((y * log_abs(p)) * -1.0) + (1.0e-9 * p^2)"
"""
HALL_WORDS = (*PUNCTUATION, *FUNCTIONS, "p", "y", "x0", "1.5f0", "2f", "1e5f-3", "f", '"', "\n", "1,2,", "^9")


def _formula(text: str) -> None:
    """What the parser takes has to be printed and read back as it was."""
    expression = parse_expression(text)
    assert parse_expression(print_expression(expression)) == expression
    parse_expression(format_formula(expression))


def _loss(text: str) -> None:
    """The argument LOSS of the command line, where it is no file."""
    load_loss(text.replace("/", ""), Kind.MULTICLASS)


def _formula_argument(text: str) -> None:
    try:
        _formula(text)
    finally:
        _loss(text)


@contextmanager
def formula(folder: Path) -> Iterator[Target]:
    texts = (*FORMULAS, *NAMES)
    yield Target(jumbled(FORMULA_WORDS) | edited(texts, FORMULA_WORDS), _formula_argument)


@contextmanager
def grammar(folder: Path) -> Iterator[Target]:
    def work(text: str) -> None:
        found = parse_grammar(text)
        assert parse_grammar(found.text).digest == found.digest
        _drawn(found)

    yield Target(jumbled(GRAMMAR_WORDS) | edited(GRAMMARS, GRAMMAR_WORDS), work)


def _drawn(found: Grammar) -> None:
    """What the reader takes has to produce formulas within its limits."""
    expression = Generator(found, random.Random(0)).ramped().expression
    assert expression.size <= found.max_size


@contextmanager
def hall(folder: Path) -> Iterator[Target]:
    def work(text: str) -> None:
        for row in parse_hall_of_fame(text, "hall.csv"):
            print_equation(row.expression)

    rows = jumbled(HALL_WORDS).map(lambda text: f"Complexity,Loss,Equation\n1,0.5,{text}\n")
    yield Target(edited([HALL], HALL_WORDS) | rows, work)


@contextmanager
def seeds(folder: Path) -> Iterator[Target]:
    path = folder / "seeds.txt"

    def work(text: str) -> None:
        path.write_bytes(as_bytes(text))
        load_seeds(str(path), Kind.MULTICLASS, 10)

    yield Target(edited(["\n".join(FORMULAS), *FORMULAS], FORMULA_WORDS), work)


@contextmanager
def config(folder: Path) -> Iterator[Target]:
    """TOML and JSON files, and assignments as `--set` takes them."""

    def work(given: tuple[str, str]) -> None:
        suffix, text = given
        if suffix == "set":
            resolve(parse_assignments(text.split("\n")))
            return
        path = folder / f"config.{suffix}"
        path.write_bytes(as_bytes(text))
        resolve(read_config(path))

    words = (
        "=",
        ".",
        "[",
        "]",
        "{",
        "}",
        ",",
        "true",
        "1",
        "1e9",
        '"x"',
        "training.steps=3",
        "\n",
        "[training]",
    )
    toml, json = as_toml(SEARCH), as_json(SEARCH)
    yield Target(
        st.tuples(st.just("toml"), edited([toml], words) | revalued(SEARCH).map(as_toml))
        | st.tuples(st.just("json"), edited([json], words) | revalued(SEARCH).map(as_json))
        | st.tuples(st.just("set"), jumbled(words) | edited([toml], words)),
        work,
    )


@contextmanager
def suite(folder: Path) -> Iterator[Target]:
    from symloss.benchmark.suite import read_suite

    path = folder / "suite.yaml"

    def work(text: str) -> None:
        path.write_bytes(as_bytes(text))
        read_suite(path)

    shown = (read_suite.__globals__["__doc__"] or "").partition("\n\n")[2].partition("\n\n")[0]
    real = textwrap.dedent(shown)  # the suite of its documentation, which has every notation
    words: tuple[str, ...] = (
        "- ",
        ": ",
        "\n",
        "  ",
        "&a ",
        "*a",
        "!!python/name:os.system ",
        "{",
        "}",
        "[",
        "]",
        "|",
        ">",
        "<<: ",
    )
    words += (
        "cases:",
        "task:",
        "name: x",
        "2020-99-99",
        "0x_",
        "1:60",
        "? ",
        "--- ",
        "%YAML 1.1\n",
        "'",
        "null",
    )
    texts = edited([real, as_yaml(SUITE)], words) | revalued(SUITE).map(as_yaml)
    odd = st.sampled_from([1, None, True, (1, 2)])
    keyed = st.builds(lambda key, value: yaml.dump({**SUITE, key: value}), odd, odd)
    yield Target(texts | keyed, work)


@contextmanager
def export(folder: Path) -> Iterator[Target]:
    """Files that `symloss export` wrote, as `symloss import` and the gallery read them."""
    import json

    from symloss.export.header import Header
    from symloss.export.read import read_export

    def work(given: tuple[str, str]) -> None:
        path = folder / f"loss{given[0]}"
        path.write_bytes(as_bytes(given[1]))
        found = read_export(path)
        Header.from_facts(found.name, found.facts)

    def texts(suffix: str) -> list[str]:
        return [(TOP / "exported" / f"{name}{suffix}").read_text() for name in ("focal", "huber", "baikal")]

    words = (*FORMULA_WORDS, "kind: ", "expression: ", "reduction: ", "\n", "{", "}", ":", '": "', "facts")
    values = st.sampled_from([json.loads(text) for text in texts(".json")]).flatmap(revalued)
    yield Target(
        st.tuples(st.just(".py"), edited(texts(".py"), words))
        | st.tuples(st.just(".json"), edited(texts(".json"), words) | values.map(json.dumps)),
        work,
    )


TARGETS: dict[str, Maker] = {
    "grammar": grammar,
    "formula": formula,
    "hall": hall,
    "seeds": seeds,
    "config": config,
    "suite": suite,
    "export": export,
    "run": lambda folder: run_files(folder, Target),
    "cli": lambda folder: command_line(folder, Target),
}
"""Every target by its name."""
