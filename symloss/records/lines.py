"""One candidate as one line of JSON, and back. Reading checks types; nothing read is ever executed."""

from __future__ import annotations

from typing import Annotated

import msgspec

from symloss.errors import RunError
from symloss.expr import format_formula, parse_expression, print_expression
from symloss.records.values import (
    SENTENCES,
    Candidate,
    Confirmation,
    Kind,
    Origin,
    Proposal,
    Score,
    Status,
    SymbolicLoss,
)

Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""A number of things: what a machine's integer holds, since a ledger keeps it as one."""


class CandidateLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The fields of a line of `candidates.jsonl`, in this order."""

    id: Count
    generation: Count
    status: Status
    fitness: float | None
    size: Count
    formula: str
    expression: str
    structure: str
    kind: Kind
    reduction: str
    per_seed: tuple[float, ...]
    curve: tuple[float, ...]
    untuned: float | None = None
    operation: str
    parents: tuple[Count, ...]
    detail: str


class FinalistLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The fields of a line of `finalists.jsonl`."""

    id: Count
    cost: float | None
    learning_rate: float
    steps: int
    seeds: int
    standard_error: float | None = None


def to_line(candidate: Candidate) -> CandidateLine:
    """The line of a candidate; its confirmation, which comes later, stands elsewhere."""
    proposal, loss, score = candidate.proposal, candidate.loss, candidate.score
    return CandidateLine(
        id=proposal.id,
        generation=proposal.generation,
        status=score.status,
        fitness=score.fitness,
        size=candidate.size,
        formula=format_formula(loss.expression),
        expression=print_expression(loss.expression),
        structure=print_expression(proposal.structure),
        kind=loss.kind,
        reduction=loss.reduction,
        per_seed=score.per_seed,
        curve=score.curve,
        untuned=score.untuned,
        operation=proposal.origin.operation,
        parents=proposal.origin.parents,
        detail=score.detail or SENTENCES[score.status],
    )


def from_line(line: CandidateLine, confirmation: Confirmation | None = None) -> Candidate:
    """The candidate of a line and of a second look. Raises ExpressionError or RunError if it is none."""
    if line.status is Status.OK and line.fitness is None:
        raise RunError("a candidate with status 'ok' has no fitness")
    origin = Origin(line.operation, line.parents)
    structure = parse_expression(line.structure)
    expression = structure if line.expression == line.structure else parse_expression(line.expression)
    detail = "" if line.detail == SENTENCES[line.status] else line.detail
    return Candidate(
        Proposal(line.id, structure, line.generation, origin),
        SymbolicLoss(expression, line.kind, line.reduction),
        Score(line.status, line.fitness, line.per_seed, detail, line.curve, line.untuned),
        confirmation,
    )


def finalist_line(candidate_id: int, confirmation: Confirmation) -> FinalistLine:
    """The line of a confirmation."""
    c = confirmation
    return FinalistLine(candidate_id, c.cost, c.learning_rate, c.steps, c.seeds, c.standard_error)


def confirmation_of(line: FinalistLine) -> Confirmation:
    """The confirmation of a line."""
    return Confirmation(line.cost, line.learning_rate, line.steps, line.seeds, line.standard_error)
