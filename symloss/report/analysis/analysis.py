"""What a loss does, as one value: findings, the nearest well-known losses, and a conclusion."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from symloss.errors import ExpressionError
from symloss.expr import bound, format_formula, print_expression
from symloss.records import Kind, SymbolicLoss
from symloss.report.analysis.classification import Classification, classification_of
from symloss.report.analysis.limits import Limit
from symloss.report.analysis.neighbours import Neighbour, nearest
from symloss.report.analysis.regression import Regression, regression_of
from symloss.report.analysis.sample import sample_of
from symloss.report.analysis.sentences import conclusion


@dataclass(frozen=True)
class Analysis:
    """What a loss does.

    name:       what the loss is called. kind: of its tasks. formula: for people. expression: exact.
    conclusion: one to four sentences that follow from the rest.
    neighbours: the nearest losses of the catalogue, nearest first.
    findings:   about its values, slopes and pushes.
    """

    name: str
    kind: Kind
    formula: str
    expression: str
    conclusion: tuple[str, ...]
    neighbours: tuple[Neighbour, ...]
    findings: Classification | Regression

    def as_json(self) -> dict[str, Any]:
        """Plain data for JSON. A number that is not finite is null; a limit is words and a number."""
        plain: dict[str, Any] = plain_data(self)
        return plain


def analyze(loss: SymbolicLoss, classes: int = 10, name: str = "") -> Analysis:
    """Explain a loss.

    classes: of the task, which only matters to losses of several classes.
    name:    what it is called; its formula if left out.
    Raises ExpressionError if there are fewer than two classes.
    """
    several = loss.kind is Kind.MULTICLASS
    if several and classes < 2:
        raise ExpressionError(f"a task of classes needs at least 2 of them, found {classes}")
    outputs = classes if several else 1
    expression = bound(loss.expression, outputs)
    if loss.kind is Kind.REGRESSION:
        findings: Classification | Regression = regression_of(expression)
    else:
        findings = classification_of(expression, loss.kind, outputs)
    neighbours = nearest(expression, sample_of(loss.kind, outputs), outputs)
    formula = format_formula(loss.expression)
    return Analysis(
        name or formula,
        loss.kind,
        formula,
        print_expression(loss.expression),
        conclusion(findings, neighbours),
        tuple(neighbours),
        findings,
    )


def plain_data(value: Any) -> Any:
    """Dataclasses as dictionaries, tuples as lists, and no number that JSON cannot hold."""
    match value:
        case Kind():
            plain: Any = value.value
        case Limit():
            paper = None if value.unguarded is None else plain_data(Limit(value.unguarded))
            plain = {"words": value.words, "value": plain_data(value.value), "unguarded": paper}
        case dict():
            plain = {key: plain_data(item) for key, item in value.items()}
        case tuple() | list():
            plain = [plain_data(item) for item in value]
        case float():
            plain = value if math.isfinite(value) else None
        case _ if is_dataclass(value):
            plain = {field.name: plain_data(getattr(value, field.name)) for field in fields(value)}
        case _:
            plain = value
    return plain
