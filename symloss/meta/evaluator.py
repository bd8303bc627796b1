"""From proposals to scored candidates: what is cheap and decides much comes first.

formula -> duplicate? -> usable gradient? -> improves free predictions? -> train -> tune -> filter -> train

With racing, training stops under what falls behind. What diverges or is stopped part-way is not tuned; what
falls behind after its first network is, since tuning may mend it, unless racing decides on tuning too. The
better of the formula as it was and as it was tuned is kept.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from torch import Tensor

from symloss.expr import Expr, fold, without_offset
from symloss.meta.choosing import plan_for
from symloss.meta.filters import alike, fingerprint, gradient_status, improves_free_predictions
from symloss.meta.pieces import Memory
from symloss.meta.racing import Bars, Race, bars, race, race_others
from symloss.meta.sample import Sample, normalised, spread_sample, untrained_sample
from symloss.meta.settings import Filters, Racing, Training, Tuning
from symloss.meta.training import Job
from symloss.meta.tuning import tune, with_weights
from symloss.records import Candidate, Ledger, Proposal, Score, Status, SymbolicLoss
from symloss.tasks.metrics import Metric
from symloss.tasks.task import Task
from symloss.workers import Lost, one_thread

NOT_TUNED = "trained and scored, and not tuned, being worse than all of the best were before"


@dataclass
class _Draft:
    """A candidate in the making."""

    proposal: Proposal
    expression: Expr
    status: Status | None = None  # None: not decided yet
    best: Race | None = None  # the training of `expression`, once it has been trained
    detail: str = ""
    mark: str = ""
    untuned: float | None = None

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
                trained = [d for d in drafts if d.status is None]
                hopeful = _worth_tuning(trained, limits)
                tuned = self._trained_tuned(hopeful, limits)
                self._train_others([*trained, *tuned], limits)
                _keep_better(hopeful, tuned)
            else:
                self._tune(drafts)
                self._train(drafts, limits, "tuned")
                self._train_others(drafts, limits)
        for draft in drafts:
            if draft.status is None and draft.best and draft.best.stopped:
                draft.finish(Status.OUTRUN)
            elif draft.status is None:
                draft.finish(Status.OK, draft.detail)
        candidates = self._candidates(drafts, limits.rise)
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

    def _trained_tuned(self, drafts: list[_Draft], limits: Bars) -> list[_Draft]:
        """The same formulas once more, tuned, and trained where that has changed them."""
        again = [_Draft(d.proposal, d.expression) for d in drafts]
        self._tune(again)
        pairs = zip(drafts, again, strict=True)
        self._train(
            [tuned for draft, tuned in pairs if tuned.expression != draft.expression], limits, "tuned"
        )
        return again

    def _train(self, drafts: list[_Draft], limits: Bars, stage: str) -> None:
        """Train what is left, the first network of each where seeds race, and stop what has fallen behind."""
        open_ = [d for d in drafts if d.status is None]
        count = self.training.seeds if limits.first is None else 1
        contestants = [jobs[:count] for jobs in self._contestants(open_)]
        _note(open_, self._raced(contestants, limits, stage))

    def _train_others(self, drafts: list[_Draft], limits: Bars) -> None:
        """Where seeds race, train the other networks of what has not fallen behind."""
        if limits.first is None:
            return
        open_ = [d for d in drafts if d.status is None and d.best is not None]
        first = [d.best for d in open_ if d.best is not None]
        train = functools.partial(self._raced, limits=Bars(), stage="other seeds")
        _note(open_, race_others(train, self._contestants(open_), first, limits.first))

    def _raced(self, contestants: Sequence[Sequence[Job]], limits: Bars, stage: str) -> list[Race | Lost]:
        tick = functools.partial(self.tick, "training")
        training, seed, metric = self.training, self.seed, self.metric
        return race(self.task, contestants, training, seed, metric, limits, tick, self.memory, stage)

    def _contestants(self, drafts: list[_Draft]) -> list[list[Job]]:
        rate = self.training.learning_rate
        assert rate is not None, "a learning rate must have been calibrated"
        seeds = [self.seed + index for index in range(self.training.seeds)]
        return [[Job(d.expression, seed, rate) for seed in seeds] for d in drafts]

    def _candidates(self, drafts: list[_Draft], rise: float) -> list[Candidate]:
        made: dict[int, Candidate] = {}
        for draft in drafts:
            if draft.status is Status.DUPLICATE:
                continue
            score = _score(draft, rise)
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


def _note(drafts: list[_Draft], results: Sequence[Race | Lost]) -> None:
    """What training came to."""
    for draft, result in zip(drafts, results, strict=True):
        if isinstance(result, Lost):
            draft.best = None
            draft.finish(Status(result.how), result.reason)
            continue
        draft.best = result
        if result.diverged:
            draft.finish(Status.DIVERGED)
        elif not result.costs:
            draft.finish(Status.OUTRUN)


def _worth_tuning(drafts: list[_Draft], limits: Bars) -> list[_Draft]:
    """Those that are tuned; notes what all of them cost before."""
    hopeful = []
    for draft in drafts:
        assert draft.best is not None
        draft.untuned = draft.best.mean
        if draft.untuned <= limits.untuned:
            hopeful.append(draft)
        else:
            draft.detail = NOT_TUNED
    return hopeful


def _keep_better(drafts: list[_Draft], tuned: list[_Draft]) -> None:
    """Of a formula as it was and as it was tuned, the one that did better becomes the candidate's."""
    for draft, again in zip(drafts, tuned, strict=True):
        if draft.status is not None or again.best is None:
            continue
        assert draft.best is not None
        if again.best.rank < draft.best.rank:
            draft.expression, draft.best = again.expression, again.best


def _score(draft: _Draft, rise: float) -> Score:
    """rise: what is expected on top of a first network's cost; see `Bars`."""
    assert draft.status is not None
    result = draft.best
    if result is None or not result.costs or draft.status not in (Status.OK, Status.OUTRUN):
        return Score(draft.status, detail=draft.detail, curve=result.curve if result else ())
    fitness = result.mean + (
        rise if result.stopped else 0.0
    )  # or an easy first seed would favour what it stops
    return Score(draft.status, fitness, result.costs, draft.detail, result.curve, draft.untuned)
