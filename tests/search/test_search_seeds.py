"""Searches that start from formulas: spellings, what is left out, and going on from the record alone."""

import pytest
from hypothesis import given
from strategies import expressions, law

from symloss.config import resolve
from symloss.errors import ConfigError, ExpressionError
from symloss.expr import OPERATORS, evaluate, parse_expression
from symloss.expr.primitives import FLOATS
from symloss.grammar import admits, derive, load_grammar
from symloss.making import make_search
from symloss.records import Kind
from symloss.search.gathering import gathered
from symloss.search.seeding import derivable, spellings
from symloss.seeds import load_seeds, sow
from symloss.tasks import make_task


def value(expr, p, y):
    try:
        return evaluate(expr, {"prediction": p, "target": y}, FLOATS, float)
    except (ArithmeticError, ValueError):
        return None


@law
@given(expressions(operators=[name for name in OPERATORS if name != "sign"]))
def test_spellings_have_the_same_value(expr):
    """But for signs: a power is protected by a little that is added, which makes square(0) positive."""
    for spelling in spellings(expr, 30):
        for p, y in [(0.3, 1.0), (0.8, 0.0), (1.7, -0.4)]:
            first, second = value(expr, p, y), value(spelling, p, y)
            if first is not None and second is not None:
                assert second == pytest.approx(first, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("grammar", "text"),
    [
        ("classification", "-(y * log(p))"),
        ("classification", "-1 * (y * (log(p) * pow(1 - p, 2)))"),
        ("classification", "square(p - y)"),
        ("regression", "square(y - p)"),
        ("evomal", "y * log(p)"),
    ],
)
def test_a_seed_is_spelled_until_the_grammar_derives_it(grammar, text):
    loaded = load_grammar(grammar)
    found = derivable(loaded, parse_expression(text))
    assert found is not None
    assert admits(loaded, found)
    assert derive(loaded, found) is not None


def test_seeds_are_what_a_search_asks_for_first():
    config = resolve({"seeds": ["-(y * log(p))", "y * square(1 - p)"], "population": 5})
    search = make_search(config, load_grammar("classification"), make_task("digits", model="linear"))
    origins = [proposal.origin.operation for proposal in search.ask()]
    assert origins == ["seed", "seed", "random", "random", "random"]


def test_given_formulas_are_asked_for_as_they_are_and_once():
    config = resolve({"seeds": ["sin(p) * y", "cos(p)"], "method": "given"})
    search = make_search(config, load_grammar("classification"), make_task("digits", model="linear"))
    assert [str(proposal.structure) for proposal in search.ask()] == [
        "sin(prediction) * target",
        "cos(prediction)",
    ]


@pytest.mark.parametrize("method", ["random", "taylorglo"])
def test_methods_that_have_no_use_for_seeds_say_so(method):
    grammar = load_grammar("classification")
    with pytest.raises(ConfigError, match="does not start from seeds"):
        make_search(resolve({"seeds": ["p"], "method": method}), grammar, make_task("digits", model="linear"))


def test_what_cannot_be_derived_is_counted():
    seeds = {seed: seed for seed in map(parse_expression, ("-(y * log(p))", "sin(p)", "y * square(1 - p)"))}
    found = sow(seeds, load_grammar("classification"), 1)
    assert (len(found.used), found.untuned, found.left_out, found.too_many) == (1, 0, 1, 1)
    assert found.sentence.startswith(
        "starting from 1 seed; 1 left out that the grammar cannot derive; 1 left"
    )
    hopeless = parse_expression("sin(p)")
    with pytest.raises(ExpressionError, match="can derive none of the 1 seeds"):
        sow({hopeless: hopeless}, load_grammar("classification"), 1)


def test_a_seed_whose_weights_cannot_be_derived_is_taken_as_before_it_was_tuned():
    tuned, before = parse_expression("y * pow(1.3 - 1.2 * p, 2.7)"), parse_expression("y * pow(1 - p, 2.4)")
    assert derivable(load_grammar("classification"), tuned) is None
    kept = parse_expression("y * (1.5 * pow(1 - p, 2))")
    found = sow({tuned: before, kept: before}, load_grammar("classification"), 9)
    assert (found.used, found.untuned, found.left_out) == ((before, kept), 1, 0)
    assert "starting from 2 seeds; 1 of them as before they were tuned" in found.sentence


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("# mine\n\n-(y * ln(p))  # cross-entropy\nsquare(p - y)\n", 2),
        ("p * y\np * y\n", 1),
        ("y\n1\np\n", 1),
        ("focal\nfocal(gamma=1)\nlabel-smoothing  # of ten classes\n-(y * ln(p))\ncross-entropy\n", 4),
    ],
)
def test_a_file_has_a_formula_on_each_line(tmp_path, text, count):
    path = tmp_path / "seeds.txt"
    path.write_text(text)
    assert len(load_seeds(str(path), Kind.MULTICLASS, 10)) == count


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("p * y\np +\n", "line 2: column 4: the text ends too early"),
        ("p * y\nmse\n", r"line 2: loss 'mse' is for regression tasks, found multiclass"),
        ("focal(gama=1)\n", r"line 1: .*gama"),
        ("focl\n", "line 1: "),
        ("# nothing\n", "no formula"),
        ("y\n", "no formula"),
    ],
)
def test_a_file_without_formulas_says_where(tmp_path, text, words):
    path = tmp_path / "seeds.txt"
    path.write_text(text)
    with pytest.raises(ExpressionError, match=words):
        load_seeds(str(path), Kind.MULTICLASS, 10)


def test_the_catalogue_and_a_hall_of_fame_are_seeds(tmp_path):
    assert len(load_seeds("catalogue", Kind.REGRESSION, 1)) >= 5
    path = tmp_path / "hall_of_fame.csv"
    path.write_text('Complexity,Loss,Equation\n1,1.0,"0.5f0"\n5,0.1,"(y * log_abs(p)) * -1.0f0"\n')
    (seed,) = load_seeds(str(path), Kind.MULTICLASS, 10)
    assert derivable(load_grammar("classification"), seed) is not None


@pytest.mark.parametrize(
    ("grammar", "kind", "classes"),
    [("classification", Kind.MULTICLASS, 10), ("regression", Kind.REGRESSION, 1)],
)
def test_a_search_can_start_from_every_published_loss(grammar, kind, classes):
    assert sow(load_seeds("catalogue", kind, classes), load_grammar(grammar), 50).left_out == 0


@law
@given(expressions())
def test_terms_gathered_by_the_target_have_the_same_value(expr):
    found = gathered(expr)
    for p, y in [(0.3, 1.0), (0.8, 0.0), (0.2, 0.4)]:
        first, second = value(expr, p, y), found and value(found, p, y)
        if first is not None and second is not None:
            assert second == pytest.approx(first, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("-((0.9 * y + 0.01) * log(p))", "y * (0.9 * -log(p)) + 0.01 * -log(p)"),
        ("2 * ((1 - y) * p) - y * log(p)", "y * -log(p) + (1 - y) * (2 * p)"),
        ("(1 - p) * (y - y * p)", "y * ((1 - p) + -1 * ((1 - p) * p))"),
        ("square(p - y)", None),
        ("y * (y * p)", None),
    ],
)
def test_terms_are_gathered_by_the_target(text, written):
    found = gathered(parse_expression(text))
    if written is None:
        assert found is None
    else:
        assert found is not None
        assert str(found) == str(parse_expression(written))


def test_too_many_terms_are_not_multiplied_out():
    assert gathered(parse_expression(" * ".join(["(y + log(p))"] * 60))) is None
