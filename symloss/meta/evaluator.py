"""From proposals to scored candidates: what is cheap and decides much comes first.

formula -> duplicate? -> usable gradient? -> improves free predictions? -> train -> tune -> filter -> train

With racing, training stops under what falls behind. Only what was trained to the end is tuned, and the
better of the formula as it was and as it was tuned is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from symloss.expr import Expr, fold, without_offset
from symloss.meta.filters import alike, fingerprint, gradient_status, improves_free_predictions
from symloss.meta.pieces import Memory
from symloss.meta.plan import plan_for
from symloss.meta.racing import Bars, Race, bars, race
from symloss.meta.sample import Sample, normalised, spread_sample, untrained_sample
from symloss.meta.settings import Filters, Racing, Training, Tuning
from symloss.meta.training import Job
from symloss.meta.tuning import tune, with_weights
from symloss.records import Candidate, Ledger, Proposal, Score, Status, SymbolicLoss
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Task
from symloss.workers import Lost, one_thread


@dataclass
class _Draft:
    """A candidate in the making."""

    proposal: Proposal
    expression: Expr
    status: Status | None = None  # None: not decided yet
    best: Race | None = None  # the training of `expression`, once it has been trained
    detail: str = ""
    mark: str = ""

    def finish(self, status: Status, detail: str = "") -> None:
        self.status, self.detail = status, detail


@dataclass
class Evaluator:
    """Scores proposals on a task. The same proposals in the same order get the same scores, if `training`
    says how networks are grouped; if that is left to measurement, the last bits may differ.

    task:   its data decides the device.
    metric: the cost that candidates are compared by, on validation data.
    seed:   of initial weights, batch order and samples: common to all candidates.
    ledger: everything that was evaluated. known: fingerprint -> candidate id in it: the memory that makes a
            duplicate free. Both can be saved and given to a new evaluator.
    memory: keeps pieces of work of the generation that is evaluated: see `each_result`.
    tick:   called with the name of the stage now and then while work goes on, for progress displays.
    """

    task: Task
    metric: Metric
    training: Training = field(default_factory=Training)
    tuning: Tuning = field(default_factory=Tuning)
    filters: Filters = field(default_factory=Filters)
    racing: Racing = field(default_factory=Racing)
    seed: int = 0
    tick: Callable[[str], None] = lambda stage: None
    known: dict[str, int] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    memory: Memory | None = None

    def __post_init__(self) -> None:
        self._start: Sample = untrained_sample(self.task, self.filters.sample, self.seed)
        self._spread: Sample = spread_sample(self.task, self.filters.sample, self.seed)

    def evaluate(self, proposals: Sequence[Proposal]) -> list[Candidate]:
        """Candidates in the order of `proposals`, whose ids ascend and are greater than those before."""
        drafts = [_Draft(p, fold(without_offset(fold(p.structure)))) for p in proposals]
        limits = bars((c.score for c in self.ledger.cheapest()), self.racing, self.training)
        with one_thread():
            self._filter(drafts)
            if self.tuning.steps and self.tuning.keep_better:
                self._train(drafts, limits, "untuned")
                self._retrain([d for d in drafts if d.status is None], limits)
            else:
                self._tune(drafts)
                self._train(drafts, limits, "tuned")
        for draft in drafts:
            if draft.status is None:
                draft.finish(Status.OK)
        candidates = self._candidates(drafts)
        self.ledger.extend(candidates)
        return candidates

    def distinct(self, candidates: Iterable[Candidate], most: int, distance: float) -> list[Candidate]:
        """The first `most` of scored candidates, without those that train nearly as an earlier one does.

        distance: the least difference of their gradients on a sample, as a share of their size.
        """
        found: list[tuple[Candidate, Tensor]] = []
        with one_thread():
            for candidate in candidates:
                if len(found) == most:
                    break
                gradient = self._spread.gradients([candidate.loss.expression])[0]
                if not any(alike(gradient, own, distance, self.training.normalise) for _, own in found):
                    found.append((candidate, gradient))
        return [candidate for candidate, _ in found]

    def _filter(self, drafts: list[_Draft]) -> None:
        gradients = self._spread.gradients([d.expression for d in drafts])
        first: dict[str, int] = {}
        for draft, gradient, status in zip(drafts, gradients, gradient_status(gradients), strict=True):
            if status is not Status.OK:
                draft.finish(status)
                continue
            draft.mark = fingerprint(gradient, self.filters.digits, self.training.normalise)
            if not self.filters.duplicates:
                continue
            original = self.known.get(draft.mark) or first.get(draft.mark)
            if original is None:
                first[draft.mark] = draft.proposal.id
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
        tuned = tune(
            before,
            self.task,
            self.tuning,
            self.seed,
            plan,
            lambda: self.tick("tuning"),
            self.training.step_time_limit,
            self.memory,
        )
        for draft, expr in zip(open_, tuned, strict=True):
            if isinstance(expr, Lost):
                draft.finish(Status(expr.how), expr.reason)
            else:
                draft.expression = fold(without_offset(fold(expr)))
        open_ = [d for d in open_ if d.status is None]
        if not open_:
            return
        gradients = self._spread.gradients([d.expression for d in open_])
        for draft, status in zip(open_, gradient_status(gradients), strict=True):
            if status is not Status.OK:
                draft.finish(status)
        self._reject(open_)

    def _retrain(self, drafts: list[_Draft], limits: Bars) -> None:
        """Tune formulas that have been trained, train them again, and keep the better of the two."""
        again = [_Draft(d.proposal, d.expression) for d in drafts]
        self._tune(again)
        pairs = zip(drafts, again, strict=True)
        changed = [tuned for draft, tuned in pairs if tuned.expression != draft.expression]
        self._train(changed, limits, "tuned")
        for draft, tuned in zip(drafts, again, strict=True):
            assert draft.best is not None
            if tuned.best is not None and tuned.best.mean < draft.best.mean:
                draft.expression, draft.best = tuned.expression, tuned.best

    def _train(self, drafts: list[_Draft], limits: Bars, stage: str) -> None:
        """Train what is left, and stop what has fallen behind."""
        open_ = [d for d in drafts if d.status is None]
        if not open_:
            return
        seeds = [self.seed + index for index in range(self.training.seeds)]
        rate = self.training.learning_rate
        assert rate is not None, "a learning rate must have been calibrated"
        contestants = [[Job(d.expression, seed, rate) for seed in seeds] for d in open_]
        tick = lambda: self.tick("training")  # noqa: E731
        results = race(
            self.task, contestants, self.training, self.seed, self.metric, limits, tick, self.memory, stage
        )
        for draft, result in zip(open_, results, strict=True):
            if isinstance(result, Lost):
                draft.finish(Status(result.how), result.reason)
                continue
            draft.best = result
            if result.stopped:
                draft.finish(Status.DIVERGED if result.diverged else Status.OUTRUN)

    def _candidates(self, drafts: list[_Draft]) -> list[Candidate]:
        made: dict[int, Candidate] = {}
        for draft in drafts:
            if draft.status is Status.DUPLICATE:
                continue
            score = _score(draft)
            loss = SymbolicLoss(draft.expression, self.task.kind)
            made[draft.proposal.id] = candidate = Candidate(draft.proposal, loss, score)
            if draft.mark:
                self.known[draft.mark] = candidate.id
        for draft in drafts:
            if draft.status is Status.DUPLICATE:
                original = made.get(int(draft.detail)) or self.ledger.with_id(self.known[draft.mark])
                score = replace(original.score, detail=f"same gradient as candidate {original.id}")
                score = replace(score, status=Status.DUPLICATE)
                made[draft.proposal.id] = Candidate(draft.proposal, original.loss, score)
        return [made[d.proposal.id] for d in drafts]


def _score(draft: _Draft) -> Score:
    assert draft.status is not None
    result = draft.best
    if result is None or draft.status is not Status.OK:
        return Score(draft.status, detail=draft.detail, curve=result.curve if result else ())
    return Score(draft.status, result.mean, result.costs, draft.detail, result.curve)
