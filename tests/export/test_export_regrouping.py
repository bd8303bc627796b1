"""One logarithm instead of two, and linear combinations."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import law

from symloss.export.forms import careful_form
from symloss.export.graph import Graph, inputs_needed, needed, slope_of, value_at
from symloss.export.regrouping import MOST, with_one_logarithm, with_one_sum
from symloss.expr import parse_expression
from symloss.expr.primitives import FLOATS
from symloss.losses import SparseLSRLoss
from symloss.records import Kind, SymbolicLoss

FACTORS = st.one_of(
    st.floats(-9, 9).filter(lambda own: abs(own) > 1e-200), st.sampled_from([0.0, 1.0, -1.0, 0.05, -20.0])
)
MARGINS = [-1e4, -90.0, -20.0, -3.0, -0.4, 0.0, 0.7, 4.0, 18.0, 40.0, 1e4]


def recorded(a, b, rest=lambda graph, margin: 0.0):
    """A log p + b log(1 - p) and something, over the log-odds; a and b may be functions of the classes."""
    graph = Graph()
    margin, classes = graph.input("margin"), graph.input("classes")
    a, b = (own(classes) if callable(own) else graph.constant(own) for own in (a, b))
    return a * graph.logsigmoid(margin) + b * graph.logsigmoid(-margin) + rest(graph, margin)


def words(result):
    return [node.word for node in needed(result)]


def derivative(result):
    return slope_of(result, {"margin": result.graph.constant(1.0)})


@law
@given(FACTORS, FACTORS)
def test_it_is_the_same_loss_to_few_bits_however_far_the_true_class_is(a, b):
    plain = recorded(a, b)
    found = with_one_logarithm(plain)
    assert words(found).count("logsigmoid") < 2 or found is plain
    for margin in MARGINS:
        inputs = {"margin": margin, "classes": 4.0}
        # In exact arithmetic, p itself being exact: what terms of one sign would be known to.
        size = abs(a * FLOATS.logsigmoid(margin)) + abs(b * FLOATS.logsigmoid(-margin))
        rise = abs(a * FLOATS.sigmoid(-margin)) + abs(b * FLOATS.sigmoid(margin))
        digits = 8 * MOST * 2.0**-52
        assert value_at(found, inputs) == pytest.approx(value_at(plain, inputs), rel=0, abs=digits * size)
        slopes = [value_at(derivative(own), inputs) for own in (found, plain)]
        assert slopes[0] == pytest.approx(slopes[1], rel=0, abs=digits * rise)


def test_factors_that_add_up_to_a_number_for_any_classes_are_that_number():
    loss = recorded(lambda c: -(0.9 + 0.1 * (1.0 / c)), lambda c: -(0.1 - 0.1 * (1.0 / c)))
    found = with_one_logarithm(loss)
    assert words(found).count("logsigmoid") == 1
    (log_p,) = [node for node in needed(found) if node.word == "logsigmoid"]
    assert [node.word for node in needed(found) if log_p in node.operands] == ["difference"]


def spike(classes):
    """Zero for all numbers of classes but twenty."""
    graph = classes.graph
    return graph.maximum(1.0 - graph.abs(classes - 20.0), 0.0)


@pytest.mark.parametrize(
    "more",
    [
        spike,
        lambda c: 1e-9 * (c - 2.0) * (c - 3.0) * (c - 4.0) * (c - 5.0),
        lambda c: (c - 2.0) * (c - 3.0) / (c * c * c),
    ],
    ids=["spike", "polynomial", "quotient"],
)
def test_a_factor_is_taken_for_a_number_where_it_is_one_alone(more):
    plain = recorded(lambda c: -1.0 - more(c), -0.2)
    found = with_one_logarithm(plain)
    for classes in (2.0, 3.0, 4.0, 7.0, 19.0, 20.0, 21.0, 500.0):
        inputs = {"margin": -1.3, "classes": classes}
        assert value_at(found, inputs) == pytest.approx(value_at(plain, inputs), rel=1e-12)


def test_the_other_parts_stay():
    plain = recorded(-1.0, -0.3, lambda graph, m: 0.2 * graph.sigmoid(m) - 0.7 * graph.sigmoid(-m) + 2.0 * m)
    found = with_one_logarithm(plain)
    assert words(found).count("logsigmoid") == 1
    for margin in MARGINS:
        inputs = {"margin": margin, "classes": 4.0}
        assert value_at(found, inputs) == pytest.approx(value_at(plain, inputs), rel=1e-13)


@pytest.mark.parametrize(
    "loss",
    [
        recorded(-0.01, -1.0),  # nothing of a would be left where p is small
        recorded(lambda c: 1.0 / c, 1.0),  # for many classes
        recorded(-1.0, 0.0),
        recorded(-1.0, -1.0, lambda graph, m: graph.logsigmoid(m) * graph.logsigmoid(m)),
        recorded(-1.0, -1.0, lambda graph, m: graph.exp(m)),
        recorded(lambda c: c.graph.input("c1"), -1.0),  # a constant that is still to be tuned
    ],
    ids=["small", "small for many", "one only", "a square", "something else", "tunable"],
)
def test_what_is_not_of_that_form_or_would_lose_digits_is_left(loss):
    assert with_one_logarithm(loss) is loss


@pytest.mark.parametrize("smoothing", [0.05, 0.1, 0.4])
def test_the_sparse_form_of_label_smoothing_has_one_logarithm(smoothing):
    text = SparseLSRLoss(smoothing).expression
    form = careful_form(SymbolicLoss(text, Kind.MULTICLASS))
    assert words(form.sample).count("logsigmoid") == 1
    for margin in MARGINS:
        p, rest = FLOATS.logsigmoid(margin), FLOATS.logsigmoid(-margin)
        first, second = 1 - smoothing + smoothing / 7, smoothing - smoothing / 7
        expected = -first * p - second * (rest - math.log(6))
        assert value_at(form.sample, {"margin": margin, "classes": 7.0}) == pytest.approx(expected, rel=1e-12)


def test_what_is_not_defined_has_no_value():
    graph = Graph()
    classes = graph.input("classes")
    assert math.isnan(value_at(graph.log(classes - 3.0), {"classes": 2.0}))
    assert math.isnan(value_at(1.0 / (classes - 2.0), {"classes": 2.0}))
    assert value_at(graph.log(classes), {"classes": 2.0}) == math.log(2.0)


def test_a_formula_as_people_write_it_has_one_logarithm():
    form = careful_form(SymbolicLoss(parse_expression("-(y * (ln(p) + 0.2 * ln(1 - p)))"), Kind.MULTICLASS))
    assert words(form.sample).count("logsigmoid") == 1


def over_sums(a, c):
    graph = Graph()
    log_p, others, p = map(graph.input, ("log_p", "others_log_p", "p"))
    return graph.constant(a) * log_p + graph.constant(c) * others + 0.3 * p - 2.0


@law
@given(FACTORS, FACTORS)
def test_the_sum_of_all_logarithms_is_taken_where_that_loses_no_digits(a, c):
    plain = over_sums(a, c)
    found = with_one_sum(plain)
    assert (found is plain) == (a * c <= 0.0 or abs(c) > MOST * abs(a))
    for log_p, others in [(-1e4, -0.3), (-0.2, -1e4), (-1.0, -7.0), (-30.0, -1e-9)]:
        inputs = {"log_p": log_p, "others_log_p": others, "p": math.exp(log_p), "classes": 9.0}
        inputs["sum_log_p"] = log_p + others
        size = abs(a * log_p) + abs(c * others) + 2.3
        wanted = pytest.approx(value_at(plain, inputs), rel=0, abs=8 * MOST * 2.0**-52 * size)
        assert value_at(found, inputs) == wanted


def test_label_smoothing_takes_the_sum_of_all_and_a_loss_of_the_others_alone_does_not():
    inputs = [
        inputs_needed(careful_form(SymbolicLoss(parse_expression(text), Kind.MULTICLASS)).sample)
        for text in ("-((0.9 * y + 0.1 * inv(C)) * ln(p))", "(1 - y) * ln(p) - 0.01 * y * ln(p)")
    ]
    assert inputs == [{"classes", "log_p", "sum_log_p"}, {"log_p", "others_log_p"}]
