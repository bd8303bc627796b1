"""How a loss is computed: element by element, and where possible from the true class alone."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from symloss.errors import ExportError
from symloss.export.careful import careful_value, logistic
from symloss.export.graph import Graph, Node, inputs_needed
from symloss.export.quantities import Quantity
from symloss.export.sparse import (
    OUTPUTS,
    classes_of,
    cross_entropy_scale,
    from_logits,
    sparse_form,
    split_form,
)
from symloss.expr import constants_of, evaluate
from symloss.records import Kind, SymbolicLoss


@dataclass(frozen=True)
class Form:
    """What is written as code.

    terms:  the elementwise loss, over these inputs: `target`, `classes`, the constants c1, c2, ... if they
            are tunable, and for several classes `p`, `log_p` and `log_rest` = log(1 - p), otherwise `input`.
    sample: a sample's whole loss from its true class, see `sparse`; None where every class must be looked at.
    split:  where there is no such form, the terms of the true class and of any other, which have fewer
            operations each than `terms`.
    others: whether classes that are not the true one have terms of their own in it.
    scale:  k if the loss is k times cross-entropy.
    schedule: coefficients of each tunable constant by powers of the progress of training, see `over_time`.
    careful: whether the rewrites of `careful` are in it.
    """

    loss: SymbolicLoss
    terms: Node
    sample: Node | None = None
    split: tuple[Node, Node] | None = None
    others: bool = True
    scale: float | None = None
    careful: bool = True
    tunable: bool = False
    schedule: tuple[tuple[float, ...], ...] | None = None

    @property
    def constants(self) -> tuple[float, ...]:
        """The values that tunable constants start from."""
        return constants_of(self.loss.expression) if self.tunable else ()


def plain_form(loss: SymbolicLoss, tunable: bool = False) -> Form:
    """The formula as the search evaluates it, operation by operation."""
    graph = Graph()
    numbers = itertools.count(1)

    def constant(value: float) -> Node:
        return graph.input(f"c{next(numbers)}") if tunable else graph.constant(value)

    name = "p" if loss.kind is Kind.MULTICLASS else "input"
    prediction = graph.input(name)
    if loss.kind is Kind.BINARY:
        prediction = graph.sigmoid(prediction)
    inputs = {"prediction": prediction, "target": graph.input("target"), "classes": graph.input("classes")}
    terms = evaluate(loss.expression, inputs, graph, constant)
    return Form(loss, terms, careful=False, tunable=tunable)


def careful_form(loss: SymbolicLoss, tunable: bool = False) -> Form:
    """The formula through log-probabilities, and its sparse form if it has one.

    tunable: constants are inputs, so nothing is taken for granted about them.
    Raises ExportError if nothing of the network is left in it; it has no gradient then.
    """
    graph = Graph()
    target = Quantity(graph.input("target"))
    if loss.kind is not Kind.REGRESSION:
        target = Quantity(graph.input("target"), 0.0, 1.0)
    least = 2.0 if loss.kind is Kind.MULTICLASS else 1.0
    inputs = {
        "prediction": _prediction(loss.kind, graph),
        "target": target,
        "classes": classes_of(graph, least),
    }
    terms = careful_value(loss.expression, graph, inputs, tunable).node
    if not inputs_needed(terms) & OUTPUTS:
        raise ExportError("the formula does not depend on the prediction")
    if loss.kind is not Kind.MULTICLASS:
        return Form(loss, terms, tunable=tunable)
    sample, others = sparse_form(loss.expression, tunable)
    scale = None if tunable else cross_entropy_scale(loss.expression)
    split = split_form(loss.expression, tunable) if sample is None else None
    if split is not None and not inputs_needed(split[1]) & OUTPUTS:
        split = None  # nothing depends on the network unless targets are soft
    return Form(loss, terms, sample, split, others, scale, tunable=tunable)


def _prediction(kind: Kind, graph: Graph) -> Quantity:
    if kind is Kind.MULTICLASS:
        return from_logits(graph)
    output = Quantity(graph.input("input"))
    return logistic(output) if kind is Kind.BINARY else output
