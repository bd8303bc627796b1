"""Laws that hold for every grammar, checked on random ones."""

import itertools
import json
import math
import random
import re
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import derivations, expressions, grammars, law

from symloss.expr import PREDICTION, TARGET, Call, Constant, call, parse_expression, walk
from symloss.grammar import (
    Derivation,
    Hole,
    Production,
    RandomConstant,
    TemplateCall,
    admits,
    derive,
    from_json,
    load_grammar,
    parse_grammar,
    reach_of,
    to_json,
)
from symloss.grammar.analysis import NEVER, compute_reach


@law
@given(grammars(), st.data())
def test_what_is_drawn_is_admitted_derived_and_stored(grammar, data):
    drawn = data.draw(derivations(grammar))
    assert admits(grammar, drawn.expression)
    found = derive(grammar, drawn.expression)
    assert found is not None
    assert found.expression == drawn.expression
    assert from_json(grammar, json.loads(json.dumps(to_json(drawn)))) == drawn


UNTYPED = load_grammar("evomal")  # its formulas are those made of its operators, the inputs, 1 and -1
OWN = {p.template.operator for p in UNTYPED.rules["real"] if isinstance(p.template, TemplateCall)}
UNITS = (Constant(1.0), Constant(-1.0))


@law
@given(expressions(values=st.sampled_from([1.0, -1.0]), operators=sorted(OWN)) | expressions(max_leaves=3))
def test_derive_finds_a_derivation_exactly_where_there_is_one(expr):
    derivable = all(
        node.operator in OWN if isinstance(node, Call) else node in (PREDICTION, TARGET, *UNITS)
        for node in walk(expr)
    )
    found = derive(UNTYPED, expr)
    assert (found is not None) == derivable
    assert found is None or found.expression == expr


@law
@given(grammars())
def test_productions_are_resolved_numbered_and_named(grammar):
    productions = [p for alternatives in grammar.rules.values() for p in alternatives]
    assert [p.id for p in productions] == list(range(len(productions)))
    assert list(grammar.productions.values()) == productions
    for production in productions:
        assert not isinstance(production.template, Hole)
        assert set(production.holes) <= set(grammar.rules)
        assert all(depth > 0 for depth in production.hole_depths)
        assert production.weight > 0
        assert math.isfinite(production.weight)


def all_traits(grammar, height, size):
    """(inputs, least height, size) of all formulas within limits, by closing everything with everything."""
    found = defaultdict(set)
    grown = True
    while grown:
        grown = False
        for name, productions in grammar.rules.items():
            for production in productions:
                for parts in itertools.product(*[sorted(found[h], key=str) for h in production.holes]):
                    inputs = production.inputs.union(*[part[0] for part in parts])
                    heights = [d + part[1] for d, part in zip(production.hole_depths, parts, strict=True)]
                    traits = (
                        inputs,
                        max([production.own_height, *heights]),
                        production.own_size + sum(part[2] for part in parts),
                    )
                    if traits[1] <= height and traits[2] <= size and traits not in found[name]:
                        found[name].add(traits)
                        grown = True
    return found


@law
@given(grammars())
def test_reach_is_what_trying_everything_finds(grammar):
    height, size = min(grammar.max_height, 4), 7
    found, reach = all_traits(grammar, height, size), reach_of(grammar)
    needs = [frozenset(), frozenset(["prediction"]), frozenset(["target"]), grammar.required]
    for name, need, limit in itertools.product(grammar.rules, needs, range(height + 1)):
        sizes = [s for inputs, h, s in found[name] if need <= inputs and h <= limit]
        promised = reach.size(name, need, limit)
        assert promised == min(sizes, default=promised if promised > size else None)
        heights = [h for inputs, h, s in found[name] if need <= inputs and s <= size]
        promised = reach.height(name, need, size)
        assert promised == min(heights, default=promised if promised > height else None)


def test_low_and_small_are_not_promised_at_once():
    text = "height 2..4, at most 4\nsize at most 9\nloss = (p + y) * (p + y) | tanh(tanh(tanh(p - y)))"
    grammar = parse_grammar(text)
    reach, both = reach_of(grammar), grammar.required
    assert (reach.height("loss", both), reach.size("loss", both)) == (2, 6)
    assert (reach.height("loss", both, size=6), reach.size("loss", both, height=3)) == (4, 7)
    assert reach.size("loss", both, height=1) == reach.height("loss", both, size=5) == NEVER
    assert reach.size("loss", both, height=-1) == NEVER


def test_a_deep_hole_takes_its_depth_from_the_room():
    reach = reach_of(parse_grammar("height 3..3, at most 4\nloss = tanh(tanh(a))\na = p - y | p"))
    assert [reach.size("loss", frozenset(["target"]), height) for height in range(4)] == [NEVER] * 3 + [5]
    assert [reach.size("loss", frozenset(), height) for height in range(4)] == [NEVER] * 2 + [3] * 2


def test_reach_knows_what_cannot_occur():
    grammar = parse_grammar("height 1..2, at most 4\nloss = p - a\na = y | tanh(y)")
    reach = compute_reach(grammar.rules, grammar.required, 4)
    assert reach.height("a", frozenset(["prediction"])) == NEVER
    assert reach.height("a", frozenset(["target"])) == 0
    assert reach.height("loss", grammar.required) == 1


# --- productions ----------------------------------------------------------------------------------


def test_a_template_is_filled_in_prefix_order():
    grammar = parse_grammar(
        "height 2..3, at most 4\nloss = aq(a * uniform(0, 1), b - normal(0, 2))\na = p | 1\nb = y"
    )
    (production,) = grammar.rules["loss"]
    assert production.holes == ("a", "b")
    assert production.hole_depths == (2, 2)
    assert (production.own_height, production.own_size) == (2, 5)
    assert production.random_constants == (RandomConstant("uniform", 0, 1), RandomConstant("normal", 0, 2))
    filled = production.fill([PREDICTION, TARGET], [0.25, 7.0])
    assert filled == parse_expression("aq(p * 0.25, y - 7.0)")


def test_weights_of_a_rule_named_alone_are_shared_out():
    grammar = parse_grammar(
        "height 1..2, at most 4\nloss = a [6] | p * y\na = p - y [2] | b\nb = p + y | max(p, y)"
    )
    assert [p.weight for p in grammar.rules["loss"]] == pytest.approx([4, 1, 1, 1])
    assert [p.weight for p in grammar.rules["a"]] == pytest.approx([2, 0.5, 0.5])


@pytest.mark.parametrize("constant", [RandomConstant("uniform", -1, 3), RandomConstant("normal", 1, 2)])
def test_random_constants_follow_their_distribution_and_seed(constant):
    draws = [constant.sample(random.Random(seed)) for seed in range(2000)]
    assert draws[:5] == [constant.sample(random.Random(seed)) for seed in range(5)]
    assert sum(draws) / len(draws) == pytest.approx(1.0, abs=0.15)
    if constant.distribution == "uniform":
        assert all(-1 <= draw <= 3 for draw in draws)


def test_constants_match_numbers_exactly_and_random_ones_always():
    grammar = parse_grammar(
        "height 2..2, at most 4\nloss = 2 * (p - y) | uniform(0, 1) + (p - y)"
        "| aq(p - y, uniform(0, 1) * normal(0, 1))"
    )
    assert derive(grammar, parse_expression("2 * (p - y)")).constants == ()
    assert derive(grammar, parse_expression("2.5 * (p - y)")) is None
    assert derive(grammar, parse_expression("7.5 + (p - y)")).constants == (7.5,)
    assert derive(grammar, parse_expression("aq(p - y, 3 * 4)")).constants == (3.0, 4.0)
    assert derive(grammar, parse_expression("p + (p - y)")) is None


def test_matching_takes_the_time_of_the_formula_not_of_its_derivations():
    grammar = load_grammar("evomal")
    expr = PREDICTION
    for _ in range(9):
        expr = Call("add", (expr, expr))
    found = derive(grammar, call("sub", expr, TARGET))
    assert found is not None
    assert found.expression.size == expr.size + 2


# --- headings -------------------------------------------------------------------------------------


def test_headings_are_optional():
    grammar = parse_grammar("loss = tanh(p - y)", "folder/mine.grammar")
    assert (grammar.name, grammar.doc, grammar.start) == ("mine", "", "loss")
    assert grammar.required == {"prediction", "target"}
    assert (grammar.initial_height, grammar.max_height, grammar.max_size) == ((2, 4), 10, 60)


def test_headings_are_read():
    text = 'grammar g "A # b"\nrequire p\nheight 0..1, at most 3\nsize at most 5\nloss = p'
    grammar = parse_grammar(text)
    assert (grammar.name, grammar.doc) == ("g", "A # b")
    assert grammar.required == {"prediction"}
    assert (grammar.initial_height, grammar.max_height, grammar.max_size) == ((0, 1), 3, 5)


SAME = [
    "height 1..2, at most 4\nloss = p - y | a [2]\na = p * y",
    "# a comment\nheight 1..2, at most 4\n\nloss = p - y   # another\n     | a [2]\na = p * y\n",
]
OTHER = [
    "height 1..2, at most 5\nloss = p - y | a [2]\na = p * y",
    "height 1..2, at most 4\nloss = p - y | a [3]\na = p * y",
    "height 1..2, at most 4\nloss = p - y | a [2]\na = p * y * 2",
    'grammar grammar "x # one"\nheight 1..2, at most 4\nloss = p - y | a [2]\na = p * y',
    'grammar grammar "x # two"\nheight 1..2, at most 4\nloss = p - y | a [2]\na = p * y',
]


def test_the_digest_sees_meaning_and_not_layout():
    first, second = map(parse_grammar, SAME)
    assert first == second
    assert hash(first) == hash(second)
    digests = {first.digest, *(parse_grammar(text).digest for text in OTHER)}
    assert len(digests) == 1 + len(OTHER)


# --- derivations as data --------------------------------------------------------------------------

TINY = parse_grammar("height 1..2, at most 4\nloss = a * (p - y) | uniform(0, 1) * (p - y)\na = p | y")
NO_DATA = [
    (None, "not a derivation"),
    ({}, "not a derivation"),
    ([], "not a derivation"),
    ([0], "not a derivation"),
    ([0, 1], "not a derivation"),
    ([0, [], 5], "not a derivation"),
    ([9, []], "no production 9"),
    ([True, [0.5]], "no production True"),
    ([1.0, [0.5]], "no production 1.0"),
    (["1", [0.5]], "no production '1'"),
    ([[1], [0.5]], "no production"),
    ([2, []], "'loss' has no production 2"),
    ([0, [], [1, [0.5]]], "'a' has no production 1"),
    ([0, []], "filled wrongly"),
    ([0, [], [2, []], [2, []]], "filled wrongly"),
    ([1, []], "filled wrongly"),
    ([1, [0.5, 0.5]], "filled wrongly"),
    ([1, ["0.5"]], "not a finite number"),
    ([1, [None]], "not a finite number"),
    ([1, [math.nan]], "not a finite number"),
    ([1, [math.inf]], "not a finite number"),
]


@pytest.mark.parametrize(("data", "words"), NO_DATA, ids=lambda v: str(v)[:20])
def test_data_that_is_no_derivation_is_refused(data, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        from_json(TINY, data)


def test_the_form_of_the_data():
    derivation = from_json(TINY, [0, [], [2, []]])
    assert derivation.expression == parse_expression("p * (p - y)")
    assert [part.production.id for part in derivation.walk()] == [0, 2]
    assert to_json(from_json(TINY, [1, [1]])) == [1, [1.0]]


def test_deep_data_is_refused_and_not_followed():
    grammar = parse_grammar("height 1..2, at most 4\nloss = tanh(loss) | p - y")
    data = [1, []]
    for _ in range(5000):
        data = [0, [], data]
    with pytest.raises(ValueError, match="not a derivation"):
        from_json(grammar, data)


def test_values_can_be_built_by_hand():
    production = Production(0, TemplateCall("mul", (RandomConstant("uniform", 0, 1), Hole("a"))))
    leaf = Derivation(Production(1, PREDICTION))
    derivation = Derivation(production, (0.5,), (leaf,))
    assert derivation.expression == call("mul", Constant(0.5), PREDICTION)
    assert {derivation: 1}[Derivation(production, (0.5,), (leaf,))] == 1
