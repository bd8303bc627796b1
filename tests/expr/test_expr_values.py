"""Expressions are values: they hash, compare, travel between processes, and cannot be built wrong."""

import math
import pickle
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import expressions, finite, law

from symloss.errors import ExpressionError
from symloss.expr import (
    OPERATORS,
    PREDICTION,
    TARGET,
    Call,
    Constant,
    Variable,
    call,
    constants_of,
    map_leaves,
    walk,
    with_constants,
)


@law
@given(expressions(finite), st.data())
def test_constants_can_be_taken_out_and_put_back(expr, data):
    values = data.draw(st.lists(finite, min_size=len(constants_of(expr)), max_size=len(constants_of(expr))))
    changed = with_constants(expr, values)
    assert constants_of(changed) == tuple(values)
    assert with_constants(changed, constants_of(expr)) == expr


@law
@given(expressions())
def test_a_wrong_number_of_constants_is_refused(expr):
    with pytest.raises(ValueError, match="expected"):
        with_constants(expr, [*constants_of(expr), 1.0])


@law
@given(expressions())
def test_size_height_and_inputs_agree_with_a_walk(expr):
    def height(node):
        return 1 + max(map(height, node.arguments)) if isinstance(node, Call) else 0

    assert expr.size == len(list(walk(expr)))
    assert expr.height == height(expr)
    assert expr.inputs == {node.name for node in walk(expr) if isinstance(node, Variable)}
    assert next(walk(expr)) is expr


@law
@given(expressions())
def test_the_repr_can_be_pasted(expr):
    assert eval(repr(expr), {"Call": Call, "Constant": Constant, "Variable": Variable}) == expr


@law
@given(expressions())
def test_equal_formulas_are_one_key(expr):
    again = map_leaves(expr, lambda leaf: leaf)
    assert again == expr
    assert {expr: "found"}[again] == "found"
    assert pickle.loads(pickle.dumps(expr)) == expr


def test_a_formula_from_another_process_is_the_same_key_here():
    code = (
        "import pickle, sys; from symloss.expr import parse_expression;"
        "sys.stdout.buffer.write(pickle.dumps(parse_expression('log(p) * tanh(y)')))"
    )
    here = call("mul", call("log", PREDICTION), call("tanh", TARGET))
    for seed in ("1", "2"):  # strings hash differently under each
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)}
        sent = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        assert {here: "found"}[pickle.loads(sent.stdout)] == "found"


WRONG = [
    (lambda: Variable("label"), "unknown input 'label'"),
    (lambda: Variable("targt"), "did you mean 'target'"),
    (lambda: Constant(math.inf), "must be finite"),
    (lambda: Constant(math.nan), "must be finite"),
    (lambda: call("lgo", PREDICTION), "did you mean 'log'"),
    (lambda: call("log", PREDICTION, TARGET), "takes 1 argument, found 2"),
    (lambda: call("min", PREDICTION), "takes 2 arguments, found 1"),
    (lambda: _tower(101), "at most 100 levels"),
    (lambda: _bush(14), "at most 10000 nodes"),
]


def _tower(height):
    expr = PREDICTION
    for _ in range(height):
        expr = call("tanh", expr)
    return expr


def _bush(height):
    expr = PREDICTION
    for _ in range(height):
        expr = call("add", expr, expr)
    return expr


@pytest.mark.parametrize(("build", "words"), WRONG, ids=[words for _, words in WRONG])
def test_a_wrong_formula_cannot_be_built(build, words):
    with pytest.raises(ExpressionError) as caught:
        build()
    assert words.replace("at most 10000 nodes", "10000 nodes") in str(caught.value)


def test_the_highest_formula_survives_all_walks():
    tower = _tower(100)
    assert tower.height == 100
    assert with_constants(tower, ()) == tower
    assert hash(tower) == hash(_tower(100))
    assert "prediction" in repr(tower)


def test_opening_is_cheap():
    code = (
        "import sys, symloss.expr, symloss.grammar;"
        "print([m for m in ('torch', 'sympy', 'deap', 'networkx', 'lark', 'numpy') if m in sys.modules])"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
    assert done.stdout.decode().strip() == "[]"


def test_operators_and_inputs_share_no_name():
    assert not set(OPERATORS) & {"prediction", "target", "p", "y", "uniform", "normal"}
