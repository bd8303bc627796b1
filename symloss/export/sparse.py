"""Losses of several classes from the true class alone: the sparse form, found by taking formulas apart.

For one-hot targets a loss is l(1, p_t) + the sum of l(0, p_c) over the classes c other than the true one, t.
Where l(0, p) = a + b p + c log p, that sum is known without looking at the classes one by one:

    a (C - 1) + b (1 - p_t) + c (sum of log p over all classes - log p_t)

Where c is zero nothing but the true class is needed.
"""

from __future__ import annotations

from symloss.export.careful import careful_value, logistic, probability
from symloss.export.graph import Graph, Node, inputs_needed
from symloss.export.linear import Parts, linear_parts
from symloss.export.quantities import Quantity, known
from symloss.export.regrouping import with_one_logarithm, with_one_sum
from symloss.expr import Expr

OUTPUTS = frozenset(["input", "p", "log_p", "log_rest", "sum_log_p", "others_log_p", "margin"])
"""Inputs of graphs that depend on the network.

p, log_p and log_rest = log(1 - p) of a class, the margin of the true one, and the sums of log p over all
classes and over all but the true one.
"""


def classes_of(graph: Graph, least: float = 2.0) -> Quantity:
    """The number of classes."""
    return Quantity(graph.input("classes"), low=least, high=2.0**53)


def from_logits(graph: Graph) -> Quantity:
    """The probability of a class, with its logarithm and that of its complement."""
    return probability(graph.input("p"), graph.input("log_p"), graph.input("log_rest"))


def from_margin(graph: Graph) -> Quantity:
    """The same from the log-odds, which know the complement exactly."""
    return logistic(Quantity(graph.input("margin")))


def sparse_form(expr: Expr, tunable: bool = False) -> tuple[Node | None, bool]:
    """A sample's whole loss over p and logarithms, or over margin; and whether other classes are part of it.

    None if there is no such form. See `OUTPUTS` for the inputs. The margin is taken where log(1 - p) is
    needed without its floor.
    """
    others = _with_target(expr, 0.0, from_logits(Graph()), tunable).number != 0.0
    for prediction_of in (from_logits, from_margin):
        graph = Graph()
        prediction = prediction_of(graph)
        parts = _taken_apart(_with_target(expr, 0.0, prediction, tunable).node, prediction)
        if parts is None:
            return None, others
        whole = _with_target(expr, 1.0, prediction, tunable) + _summed(parts, prediction)
        names = inputs_needed(whole.node) & OUTPUTS
        if names and "log_rest" not in names:
            return with_one_sum(with_one_logarithm(whole.node)), others
    return None, others


def split_form(expr: Expr, tunable: bool = False) -> tuple[Node, Node]:
    """The term of the true class and that of any other, over p, log_p and log_rest, each in its graph."""
    true, other = (_with_target(expr, y, from_logits(Graph()), tunable).node for y in (1.0, 0.0))
    return true, other


def cross_entropy_scale(expr: Expr) -> float | None:
    """K if the loss is k times cross-entropy: -k y log p for every y from 0 to 1."""
    factors = []
    for y in (0.0, 0.25, 0.5, 1.0):
        prediction = from_logits(Graph())
        parts = _taken_apart(_with_target(expr, y, prediction).node, prediction)
        if parts is None or parts[0].number != 0.0 or parts[1].number != 0.0 or parts[2].number is None:
            return None
        factors.append(-parts[2].number)
    k = factors[-1]
    return k if k > 0.0 and factors == [0.0, 0.25 * k, 0.5 * k, k] else None


def _with_target(expr: Expr, y: float, prediction: Quantity, tunable: bool = False) -> Quantity:
    """The term of a class whose target is `y`."""
    graph = prediction.node.graph
    inputs = {"prediction": prediction, "target": known(graph, y), "classes": classes_of(graph)}
    return careful_value(expr, graph, inputs, tunable)


def _summed(parts: Parts, prediction: Quantity) -> Quantity:
    """The sum over all classes other than the true one, whose prediction this is."""
    assert prediction.log is not None
    a, b, c = parts
    graph = prediction.node.graph
    total = a * (classes_of(graph) - 1.0) + b * (1.0 - prediction)
    # Taken off the sum of all, the others' would be lost beside the logarithm of a small p.
    return total if c.number == 0.0 else total + c * Quantity(graph.input("others_log_p"))


def _taken_apart(result: Node, prediction: Quantity) -> Parts | None:
    """`result` as a + b p + c log p, where a, b and c do not depend on p; None if it is not of that form."""
    assert prediction.log is not None
    assert prediction.rest is not None
    zero, one, minus = (known(result.graph, value) for value in (0.0, 1.0, -1.0))
    terms = {
        prediction.node: (zero, one, zero),
        prediction.rest.node: (one, minus, zero),
        prediction.log.node: (zero, zero, one),
    }
    return linear_parts(result, terms, OUTPUTS)
