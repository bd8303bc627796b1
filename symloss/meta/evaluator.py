"""From proposals to scored candidates: cheap filters first, then tuning, then training.

formula -> duplicate? -> usable gradient? -> improves free predictions? -> tune -> again -> train -> score
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from symloss.expr import Expr, fold, without_offset
from symloss.meta.filters import fingerprint, gradient_status, improves_free_predictions
from symloss.meta.lockstep import check_lockstep
from symloss.meta.plan import plan_for
from symloss.meta.sample import Sample, normalised, spread_sample, untrained_sample
from symloss.meta.settings import Filters, Training, Tuning
from symloss.meta.training import Job, train_and_score
from symloss.meta.tuning import tune, with_weights
from symloss.records import Candidate, Proposal, Score, Status, SymbolicLoss
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Task
from symloss.workers import one_thread


@dataclass
class _Draft:
    """A candidate in the making."""

    proposal: Proposal
    expression: Expr
    status: Status | None = None  # None: not decided yet
    fitness: float | None = None
    per_seed: tuple[float, ...] = ()
    detail: str = ""
    mark: str = ""

    untuned: Expr | None = None

    def versions(self) -> list[Expr]:
        """The formula as it is now, and as it was before tuning if that differs."""
        return (
            [self.expression] if self.untuned in (None, self.expression) else [self.expression, self.untuned]
        )

    def finish(self, status: Status, detail: str = "") -> None:
        self.status, self.detail = status, detail


@dataclass
class Evaluator:
    """Scores proposals on a task. The same proposals in the same order get the same scores.

    task:   its data decides the device.
    metric: the cost that candidates are compared by, on validation data.
    seed:   of initial weights, batch order and samples: common to all candidates.
    known:  fingerprint -> (candidate id, loss, score) of everything that was scored: the memory that makes a
            duplicate free. It can be saved and given to a new evaluator.
    tick:   called with the name of the stage at every step of work, for progress displays.
    """

    task: Task
    metric: Metric
    training: Training = field(default_factory=Training)
    tuning: Tuning = field(default_factory=Tuning)
    filters: Filters = field(default_factory=Filters)
    seed: int = 0
    tick: Callable[[str], None] = lambda stage: None
    known: dict[str, Candidate] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_lockstep(self.task.make_model)
        self._start: Sample = untrained_sample(self.task, self.filters.sample, self.seed)
        self._spread: Sample = spread_sample(self.task, self.filters.sample, self.seed)

    def evaluate(self, proposals: Sequence[Proposal]) -> list[Candidate]:
        """Candidates in the order of `proposals`."""
        drafts = [_Draft(p, fold(without_offset(fold(p.structure)))) for p in proposals]
        with one_thread():
            self._filter(drafts)
            self._tune(drafts)
            self._train(drafts)
        return self._candidates(drafts)

    def _filter(self, drafts: list[_Draft]) -> None:
        gradients = self._spread.gradients([d.expression for d in drafts])
        first: dict[str, _Draft] = {}
        for draft, gradient, status in zip(drafts, gradients, gradient_status(gradients), strict=True):
            if status is not Status.OK:
                draft.finish(status)
                continue
            draft.mark = fingerprint(gradient, self.filters.digits)
            if not self.filters.duplicates:
                continue
            earlier = self.known.get(draft.mark)
            original = (
                earlier.id if earlier else first[draft.mark].proposal.id if draft.mark in first else None
            )
            if original is None:
                first[draft.mark] = draft
            else:
                draft.finish(Status.DUPLICATE, str(original))
        self._reject(drafts)

    def _reject(self, drafts: list[_Draft]) -> None:
        """Normalise the scale of what is left, and drop what does not improve free predictions."""
        open_ = [d for d in drafts if d.status is None]
        if self.training.normalise:
            for draft, expr in zip(
                open_, normalised([d.expression for d in open_], self._start), strict=True
            ):
                draft.expression = expr
        if not self.filters.rejection or not open_:
            return
        passed = improves_free_predictions([d.expression for d in open_], self._start, self.filters)
        for draft, good in zip(open_, passed, strict=True):
            if not good:
                draft.finish(Status.REJECTED)

    def _tune(self, drafts: list[_Draft]) -> None:
        open_ = [d for d in drafts if d.status is None]
        if self.tuning.steps == 0 or not open_:
            return
        before = [with_weights(d.expression, self.tuning.weights) for d in open_]
        plan = plan_for(self.task, self.training)
        tuned = tune(before, self.task, self.tuning, self.seed, plan, lambda: self.tick("tuning"))
        for draft, expr in zip(open_, tuned, strict=True):
            draft.untuned = draft.expression
            draft.expression = fold(without_offset(fold(expr)))
        gradients = self._spread.gradients([d.expression for d in open_])
        for draft, status in zip(open_, gradient_status(gradients), strict=True):
            if status is not Status.OK:
                draft.finish(status)
        self._reject(open_)
        if self.tuning.keep_better:
            for draft in open_:
                if draft.status is not None and draft.untuned is not None:
                    # Tuning spoilt it. What it was before has passed the same filters.
                    draft.expression, draft.status = draft.untuned, None

    def _train(self, drafts: list[_Draft]) -> None:
        """Train what is left, tuned and (with keep_better) untuned, and score the better of the two."""
        open_ = [d for d in drafts if d.status is None]
        versions = [d.versions() if self.tuning.keep_better else [d.expression] for d in open_]
        results = iter(self._costs([expr for own in versions for expr in own]))
        for draft, own in zip(open_, versions, strict=True):
            scored = [(_mean(costs), expr, costs) for expr, costs in zip(own, results)]  # noqa: B905 -- takes what is its own
            fitness, draft.expression, costs = min(scored, key=lambda entry: entry[0])
            draft.finish(Status.OK if math.isfinite(fitness) else Status.DIVERGED)
            if draft.status is Status.OK:
                draft.fitness, draft.per_seed = fitness, costs

    def _costs(self, expressions: Sequence[Expr]) -> list[tuple[float, ...]]:
        """Validation costs of each loss, one for each seed."""
        seeds = [self.seed + index for index in range(self.training.seeds)]
        assert self.training.learning_rate is not None, "a learning rate must have been calibrated"
        jobs = [Job(expr, seed, self.training.learning_rate) for expr in expressions for seed in seeds]
        tick = lambda: self.tick("training")  # noqa: E731
        scored = train_and_score(
            self.task, jobs, self.training, self.seed, self.metric, (self.task.valid,), tick
        )
        costs = [cost for (cost,) in scored]
        return [tuple(costs[i : i + len(seeds)]) for i in range(0, len(costs), len(seeds))]

    def _candidates(self, drafts: list[_Draft]) -> list[Candidate]:
        made: dict[int, Candidate] = {}
        for draft in drafts:
            if draft.status is Status.DUPLICATE:
                continue
            score = Score(draft.status or Status.OK, draft.fitness, draft.per_seed, draft.detail)
            loss = SymbolicLoss(draft.expression, self.task.kind)
            made[draft.proposal.id] = candidate = Candidate(draft.proposal, loss, score)
            if draft.mark:
                self.known[draft.mark] = candidate
        for draft in drafts:
            if draft.status is Status.DUPLICATE:
                original = made.get(int(draft.detail)) or self.known[draft.mark]
                score = replace(original.score, detail=f"same gradient as candidate {original.id}")
                score = replace(score, status=Status.DUPLICATE)
                made[draft.proposal.id] = Candidate(draft.proposal, original.loss, score)
        return [made[d.proposal.id] for d in drafts]


def _mean(costs: Sequence[float]) -> float:
    """Mean cost; infinite if any training diverged."""
    mean = sum(costs) / len(costs)
    return mean if math.isfinite(mean) else math.inf
