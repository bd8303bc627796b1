"""The grammars that ship, and where they are found."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import derivations, law

import symloss
from symloss.errors import GrammarError
from symloss.expr import PREDICTION, TARGET, Constant, parse_expression
from symloss.grammar import (
    Hole,
    TemplateCall,
    admits,
    derive,
    from_json,
    grammar_folder,
    load_grammar,
    parse_grammar,
    shipped_grammars,
    to_json,
)

SHIPPED = pytest.mark.parametrize("name", shipped_grammars())

NAMES = ["classification", "evomal", "probability", "regression", "residual", "taylorglo"]


def test_these_ship():
    assert shipped_grammars() == NAMES


@SHIPPED
def test_each_is_found_by_name_and_by_path(name):
    grammar = load_grammar(name)
    assert grammar.name == name
    assert grammar.doc
    assert grammar.required == {"prediction", "target"}
    assert load_grammar(grammar_folder() / f"{name}.grammar") == grammar
    assert parse_grammar(grammar.text, name) == grammar
    assert hash(parse_grammar(grammar.text, name)) == hash(grammar)


@SHIPPED
@law
@given(st.data())
def test_what_a_grammar_draws_it_can_derive_and_store(name, data):
    grammar = load_grammar(name)
    drawn = data.draw(derivations(grammar))
    assert admits(grammar, drawn.expression)
    assert drawn.size == drawn.expression.size
    found = derive(grammar, drawn.expression)
    assert found is not None
    assert found.expression == drawn.expression
    assert from_json(grammar, to_json(drawn)) == drawn


def test_evomal_is_the_function_and_terminal_set_of_the_paper():
    grammar = load_grammar("evomal")
    assert (grammar.initial_height, grammar.max_height) == ((2, 4), 10)
    templates = [production.template for production in grammar.rules["real"]]
    calls = {t.operator: t.arguments for t in templates if isinstance(t, TemplateCall)}
    binary, unary = "add sub mul aq min max".split(), "sign square abs log sqrt tanh".split()
    assert calls == {name: (Hole("real"),) * (2 if name in binary else 1) for name in [*binary, *unary]}
    terminals = [t for t in templates if not isinstance(t, TemplateCall)]
    assert terminals == [PREDICTION, TARGET, Constant(1.0), Constant(-1.0)]
    assert {production.weight for production in grammar.rules["real"]} == {1.0}


KNOWN = [  # grammar, loss, formula, choices that it may take
    ("evomal", "squared error", "square(p - y)", 4),
    ("evomal", "absolute error", "abs(y - p)", 4),
    ("evomal", "cross-entropy", "-1 * (y * log(p))", 6),
    ("evomal", "absolute cross-entropy", "abs(log(y * p))", 5),
    ("classification", "cross-entropy", "y * -log(p)", 3),
    ("classification", "binary cross-entropy", "y * -log(p) + (1 - y) * -log(1 - p)", 4),
    ("classification", "focal", "y * (pow(1 - p, 2) * -log(p))", 6),
    ("classification", "generalised cross-entropy, (1 - p^q) / q", "y * (2.5 * (1 - pow(p, 0.4)))", 6),
    ("classification", "absolute error", "abs(y - p)", 2),
    ("classification", "Brier", "square(y - p)", 2),
    ("classification", "symmetric cross-entropy", "y * (-log(p) + 0.5 * (1 - pow(p, 1)))", 9),
    ("classification", "symmetric cross-entropy, all classes", "y * -log(p) + 0.5 * abs(y - p)", 7),
    ("classification", "Taylor cross-entropy", "y * ((1 - pow(p, 1)) + 0.5 * pow(1 - p, 2))", 9),
    ("classification", "label smoothing", "y * -log(p) + 0.1 * -log(p)", 6),
    ("classification", "sparse label smoothing", "y * (-log(p) + 0.1 * -log(1 - p))", 5),
    # Holds the confidence at 1 / 1.1 and so acts like label smoothing (Raymond et al., 2209.08907).
    ("classification", "absolute cross-entropy", "abs(log(1.1 * y * p))", 2),
    ("regression", "squared error", "square(p - y)", 2),
    ("regression", "absolute error", "abs(p - y)", 2),
    ("regression", "power of the residual", "pow(p - y, 1.5)", 3),
    ("regression", "pseudo-Huber", "sqrt(1 + square(p - y))", 3),
    ("regression", "Huber-like", "aq(square(p - y), 0.5 * (p - y))", 5),
    ("regression", "log-cosh", "softplus(2 * (p - y)) + softplus(-(2 * (p - y)))", 5),
    ("regression", "Cauchy", "log(1 + 0.5 * square(p - y))", 3),
    ("regression", "Welsch", "1 - exp(-(0.5 * square(p - y)))", 3),
    ("regression", "Geman-McClure", "square(aq(p - y, 0.5 * (p - y)))", 5),
    ("regression", "truncated squared error", "min(square(p - y), 1)", 4),
    ("regression", "pinball", "max(0.9 * (p - y), 0.1 * (y - p))", 5),
]


@pytest.mark.parametrize(("name", "loss", "formula", "choices"), KNOWN, ids=[f"{k[0]}-{k[1]}" for k in KNOWN])
def test_known_losses_are_a_few_choices_away(name, loss, formula, choices):
    grammar, expr = load_grammar(name), parse_expression(formula)
    found = derive(grammar, expr)
    assert found is not None
    assert found.expression == expr
    assert admits(grammar, expr)
    assert sum(1 for _ in found.walk()) <= choices


@pytest.mark.parametrize("formula", ["p", "sin(p - y)", "y * log(p)", "square(p - 2 * y)"])
def test_a_formula_outside_the_grammar_is_not_derived(formula):
    assert derive(load_grammar("classification"), parse_expression(formula)) is None


@pytest.mark.parametrize(
    "formula", ["p", "square(p)", "y + 1", "tanh(" * 9 + "p - y" + ")" * 9 + " * tanh(1)"]
)
def test_a_formula_outside_the_limits_is_not_admitted(formula):
    assert not admits(load_grammar("evomal"), parse_expression(formula))


def test_a_file_of_ones_own(tmp_path, monkeypatch):
    (tmp_path / "mine.grammar").write_text("loss = square(p - y)\nheight 1..2, at most 4\n")
    monkeypatch.chdir(tmp_path)
    for path in ["mine.grammar", Path("mine.grammar"), str(tmp_path / "mine.grammar")]:
        assert load_grammar(path).name == "mine"


def test_line_ends_and_marks_of_other_editors_do_not_matter(tmp_path):
    text = "height 2..2, at most 4 # a comment\nloss = square(p - y)\n"
    plain, other = tmp_path / "a.grammar", tmp_path / "b.grammar"
    plain.write_text(text)
    other.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert load_grammar(other).digest == load_grammar(plain).digest


def test_an_installed_package_finds_its_grammars(tmp_path):
    package = Path(symloss.__file__).parent
    shutil.copytree(package, tmp_path / "symloss", ignore=shutil.ignore_patterns("__pycache__", "grammars"))
    shutil.copytree(grammar_folder(), tmp_path / "symloss" / "grammars")
    code = (
        "from symloss.grammar import *;"
        "print(grammar_folder(), shipped_grammars(), load_grammar('evomal').name)"
    )
    environment = {"PYTHONPATH": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split(" ", 1)[0] == str(tmp_path / "symloss" / "grammars")
    assert run.stdout.strip().endswith(f"{NAMES} evomal")


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(GrammarError, match="did you mean 'evomal'"):
        load_grammar("evmal")
