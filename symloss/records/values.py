"""What a candidate is, how it scored, where it came from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from symloss.errors import ExpressionError
from symloss.expr import Expr
from symloss.expr.latex import expression_latex


class Kind(str, Enum):
    """How predictions and targets enter a loss.

    multiclass: softmax of the network's outputs and one-hot targets, both (batch, classes); the
                formula is applied per class and summed over classes.
    binary:     sigmoid of each output and a 0/1 target; (batch, 1) in a search. Every element is a loss of
                its own, as in torch's binary_cross_entropy_with_logits.
    regression: outputs and targets as they are, (batch, outputs). Every element is a loss of its own, as in
                torch's mse_loss, so that "mean" divides by all elements.
    """

    MULTICLASS = "multiclass"
    BINARY = "binary"
    REGRESSION = "regression"


SYMBOLS = {
    Kind.MULTICLASS: {"prediction": "p_{ic}", "target": "y_{ic}", "classes": "C"},
    Kind.BINARY: {"prediction": "p_{i}", "target": "y_{i}", "classes": "C"},
    Kind.REGRESSION: {"prediction": r"\hat{y}_{i}", "target": "y_{i}", "classes": "C"},
}
"""What inputs are called in mathematics."""

REDUCTIONS = ("mean", "sum", "none")


@dataclass(frozen=True, slots=True)
class SymbolicLoss:
    """A loss function as a value: formula with its constants, how inputs enter, and the reduction.

    expression: the elementwise formula over `prediction` and `target`.
    kind:       see `Kind`.
    reduction:  over the batch: "mean", "sum" or "none".
    """

    expression: Expr
    kind: Kind
    reduction: str = "mean"

    def __post_init__(self) -> None:
        if self.reduction not in REDUCTIONS:
            raise ExpressionError(
                f"reduction must be one of {', '.join(REDUCTIONS)}, found '{self.reduction}'"
            )
        if "prediction" not in self.expression.inputs:
            raise ExpressionError("a loss must contain the prediction, or no network could learn from it")

    def _repr_latex_(self) -> str:
        """The elementwise formula, for notebooks."""
        return f"${expression_latex(self.expression, SYMBOLS[self.kind])}$"


class Status(str, Enum):
    """What became of a candidate."""

    OK = "ok"
    DUPLICATE = "duplicate"
    FLAT = "flat"
    NON_FINITE = "non-finite"
    REJECTED = "rejected"
    DIVERGED = "diverged"
    OUTRUN = "outrun"
    FAILED = "failed"
    TIMED_OUT = "timed-out"
    OUT_OF_MEMORY = "out-of-memory"
    KILLED = "killed"


SENTENCES: dict[Status, str] = {
    Status.OK: "trained and scored",
    Status.DUPLICATE: "trains exactly like an earlier candidate, whose score it takes",
    Status.FLAT: "has no gradient on the sample, so nothing would be learned",
    Status.NON_FINITE: "has a value or gradient on the sample that is not finite",
    Status.REJECTED: "following it does not improve the metric on free predictions",
    Status.DIVERGED: "training under it ended in values that are not finite",
    Status.OUTRUN: "was stopped part-way, or after its first network, being worse than all of the best were",
    Status.FAILED: "training under it raised an error",
    Status.TIMED_OUT: "a step of training under it took too long",
    Status.OUT_OF_MEMORY: "training under it needed more memory than there was",
    Status.KILLED: "the process that trained under it ended by itself, also when nothing ran beside it",
}

BROKEN = frozenset({Status.FAILED, Status.TIMED_OUT, Status.OUT_OF_MEMORY, Status.KILLED})
"""What no formula should come to: the fault is often the task's, the metric's or the machine's."""


@dataclass(frozen=True, slots=True)
class Score:
    """The outcome of evaluating a candidate.

    status:   see `Status`.
    fitness:  the cost that the search minimises (validation metric), or None without one.
    per_seed: the same for each training seed, of which `fitness` is the mean. If the first alone was trained,
              `fitness` is its cost and what those of the best have in the mean above their first.
    curve:    mean cost on the way, at each point where the candidate could have been stopped; of the first
              network where that ran alone.
    untuned:  cost of the formula before its constants were tuned, of the networks trained by then.
    detail:   what a person should know, such as the candidate that a duplicate equals.
    """

    status: Status
    fitness: float | None = None
    per_seed: tuple[float, ...] = ()
    detail: str = ""
    curve: tuple[float, ...] = ()
    untuned: float | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a candidate came from: the operation and the ids of its parents."""

    operation: str
    parents: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a search asks to have scored.

    id:        counts from 1 in the order of asking.
    structure: the proposed formula, before tuning.
    """

    id: int
    structure: Expr
    generation: int
    origin: Origin


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The second look at a finalist: more seeds, more steps, its own learning rate.

    cost:          mean validation metric at the best learning rate, or None if every training diverged.
    learning_rate: the best of those tried. steps, seeds: of each training.
    standard_error: of the cost, over the seeds; None with one seed, without a cost, and in runs of old.
    """

    cost: float | None
    learning_rate: float
    steps: int
    seeds: int
    standard_error: float | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A proposal with its tuned loss and its score."""

    proposal: Proposal
    loss: SymbolicLoss
    score: Score
    confirmation: Confirmation | None = None

    @property
    def id(self) -> int:
        return self.proposal.id

    @property
    def size(self) -> int:
        """Number of nodes of the formula."""
        return self.loss.expression.size


def ranked(candidates: Iterable[Candidate]) -> list[Candidate]:
    """The scored candidates, best first: confirmed ones by their confirmation, then the rest by fitness.

    Of equal ones the smaller comes first, then the older. Duplicates are left out, since the candidate
    that they equal is there.
    """
    scored = [c for c in candidates if c.score.status is Status.OK]
    return sorted(scored, key=_rank)


def _rank(candidate: Candidate) -> tuple[int, float, int, int]:
    fitness = candidate.score.fitness
    assert fitness is not None
    return rank_key(candidate.confirmation, fitness, candidate.size, candidate.id)


def rank_key(
    confirmation: Confirmation | None, fitness: float, size: int, id_: int
) -> tuple[int, float, int, int]:
    """What scored candidates are sorted by; see `ranked`."""
    if confirmation is not None and confirmation.cost is not None:
        return (0, confirmation.cost, size, id_)
    return (1, fitness, size, id_)
