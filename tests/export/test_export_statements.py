"""Statements written from graphs of operations."""

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import law

from symloss.export.graph import ARITHMETIC, Graph
from symloss.export.numpy_code import LANGUAGE
from symloss.export.statements import lines_for

LEAVES = st.sampled_from(["a", "b", "classes", 0.5, -2.0, 1.0, 3.0])
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.just("negative"), inner),
        st.tuples(st.sampled_from(["sum", "difference", "product", "quotient"]), inner, inner),
    ),
    max_leaves=12,
)


def built(tree, leaf):
    """The tree computed with Python's operators."""
    if not isinstance(tree, tuple):
        return leaf(tree)
    return ARITHMETIC[tree[0]](*(built(part, leaf) for part in tree[1:]))


def written(tree):
    graph = Graph()
    node = built(tree, lambda own: graph.input(own) if isinstance(own, str) else graph.constant(own))
    return lines_for({"values": node}, LANGUAGE)


@law
@given(TREES, st.floats(-9, 9), st.floats(-9, 9), st.integers(2, 9))
def test_moving_minus_signs_changes_no_digit(tree, a, b, classes):
    known = {"a": a, "b": b, "classes": classes}
    try:
        expected = built(tree, lambda own: known.get(own, own))
    except ZeroDivisionError:
        assume(False)
    assume(math.isfinite(expected))
    exec("\n".join(written(tree)), {}, known)
    assert known["values"] == expected


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (("negative", ("difference", "a", "b")), "b - a"),
        (("negative", ("product", 0.5, "a")), "-0.5 * a"),
        (("negative", ("sum", ("product", 0.5, "a"), "b")), "-0.5 * a - b"),
        (("negative", ("product", ("quotient", 1.0, "classes"), "a")), "-(1.0 / classes) * a"),
        (("sum", ("negative", "a"), "b"), "b - a"),
        (("difference", "a", ("negative", "b")), "a + b"),
        (("difference", ("negative", "a"), "b"), "-(a + b)"),
        (("quotient", ("negative", "a"), ("negative", "b")), "a / b"),
        (("negative", ("product", "a", "b")), "-(a * b)"),
        (("difference", ("product", -1.0, "a"), "b"), "-(a + b)"),
    ],
    ids=str,
)
def test_minus_signs_cost_no_operation_where_something_else_can_change(tree, text):
    assert written(tree) == [f"values = {text}"]


def test_what_is_used_twice_is_computed_once_whatever_its_sign():
    shared = ("product", 0.5, "a")
    lines = written(("product", ("negative", ("sum", shared, "b")), ("sum", shared, 1.0)))
    assert lines == ["product_1 = 0.5 * a", "values = (product_1 + b) * (-1.0 - product_1)"]
