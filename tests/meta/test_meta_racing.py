"""Racing stops what is hopeless; what goes on ends as it would have, but for rounding."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_meta_filters import evaluator, proposals
from test_meta_training import small_task

import symloss.workers.parallel as workers
from symloss.expr import parse_expression
from symloss.meta.plan import Plan
from symloss.meta.racing import Bars, Race, bars, race, race_others, rungs_of
from symloss.meta.settings import Racing, Training, Tuning
from symloss.meta.training import Job, train_and_score
from symloss.records import SENTENCES, Kind, Ledger, Score, Status, ranked
from symloss.tasks import find_metric
from symloss.workers import Lost

TRAINING = Training(steps=40, batch_size=32, learning_rate=0.05)
METRIC = find_metric("cross-entropy", Kind.MULTICLASS)  # fine enough to see a lost momentum
FORMULAS = ["-(y * log(p))", "square(p - y)", "-square(p - y)", "y * (1 - pow(p, 0.7))"]


def contestants(*formulas: str, seeds: int = 2) -> list[list[Job]]:
    return [[Job(parse_expression(f), seed, 0.05) for seed in range(seeds)] for f in formulas]


def raced(limits: Bars, training: Training = TRAINING, formulas=FORMULAS):
    task = small_task()
    return race(task, contestants(*formulas), training, 3, METRIC, limits)


@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_without_a_bar_a_race_is_training(at_once):
    task = small_task()
    training = Training(steps=40, batch_size=32, learning_rate=0.05, models_at_once=at_once)
    jobs = [job for own in contestants(*FORMULAS) for job in own]
    metric = METRIC
    expected = [cost for (cost,) in train_and_score(task, jobs, training, 3, metric, (task.valid,))]
    found = raced(Bars((4, 20), (math.inf, math.inf)), training)
    assert [cost for result in found for cost in result.costs] == expected
    assert all(len(result.curve) == 2 and not result.stopped for result in found)
    assert raced(Bars(), training) == [type(r)(r.costs, ()) for r in found]


@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_what_is_above_the_bar_stops_and_the_others_end_as_they_would_have(at_once):
    training = Training(steps=40, batch_size=32, learning_rate=0.05, models_at_once=at_once)
    free = raced(Bars((4, 20), (math.inf, math.inf)), training)
    bar = sorted(result.curve[1] for result in free)[1]
    held = raced(Bars((4, 20), (math.inf, bar)), training)
    for before, after in zip(free, held, strict=True):
        assert after.curve == before.curve
        assert after.stopped == (before.curve[1] > bar)
        if not after.stopped:
            assert after.costs == pytest.approx(before.costs, rel=1e-4)
    assert {result.stopped for result in held} == {True, False}


def test_everything_may_stop():
    found = raced(Bars((4, 20), (-1.0, math.inf)))
    assert all(result.stopped and len(result.curve) == 1 and result.mean == math.inf for result in found)


def test_what_diverged_is_stopped_and_called_so():
    task = small_task(kind="values")
    jobs = [[Job(parse_expression("square(p - y)"), 0, rate)] for rate in (1e18, 0.01)]
    found = race(task, jobs, TRAINING, 0, find_metric("mse", task.kind), Bars((30, 35), (math.inf, math.inf)))
    assert [result.diverged for result in found] == [True, False]
    assert found[0].costs == ()
    assert all(math.isfinite(cost) for result in found for cost in (*result.costs, *result.curve))


def scored(fitness: float, *curve: float) -> Score:
    return Score(Status.OK, fitness, (fitness,), curve=curve)


def test_bars_are_set_by_the_best_and_only_once_there_are_enough():
    racing = Racing(rungs=(0.1, 0.5), reference=2, margin=0.5)
    training = Training(steps=100)
    scores = [scored(0.1, 0.9, 0.3), scored(0.2, 0.6, 0.4), scored(0.9, 0.95, 0.92)]
    assert bars(scores[:1], racing, training) == Bars((10, 50), (math.inf, math.inf))
    found = bars(scores, racing, training)
    assert found.steps == (10, 50)
    assert found.limits == pytest.approx((0.9 + 0.5 * 0.8, 0.4 + 0.5 * 0.3))
    others = [Score(Status.OUTRUN, None, curve=(0.1, 0.1)), scored(0.0, 0.0)]
    assert bars([*others, *scores], racing, training) == found


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=3, max_size=12),
    st.integers(1, 3),
    st.floats(0, 2),
)
def test_no_bar_would_have_stopped_one_of_those_that_set_it(pairs, reference, margin):
    scores = sorted((scored(fitness, early) for early, fitness in pairs), key=lambda s: s.fitness)
    racing = Racing(rungs=(0.5,), reference=reference, margin=margin)
    (limit,) = bars(scores, racing, Training(steps=10)).limits
    assert all(score.curve[0] <= limit for score in scores[:reference])


def test_rungs_are_whole_steps_within_training():
    assert rungs_of(Racing(rungs=(0.5, 0.1, 0.3)), Training(steps=250)) == (25, 75, 125)
    assert rungs_of(Racing(rungs=(0.1, 0.5)), Training(steps=2)) == (1,)
    assert rungs_of(Racing(rungs=(0.5,)), Training(steps=1)) == ()
    assert rungs_of(Racing(), Training()) == ()


def test_a_hopeless_candidate_costs_a_tenth_and_says_why(monkeypatch):
    monkeypatch.setattr(workers, "WORKERS", 1)  # here and now, so that every step is told
    monkeypatch.setattr(workers, "FORKS", False)
    steps: list[str] = []
    judge = evaluator(
        racing=Racing(rungs=(0.1, 0.3, 0.5), reference=2), tuning=Tuning(steps=0), tick=steps.append
    )
    judge.training = TRAINING
    judge.filters = type(judge.filters)(rejection=False)
    first = judge.evaluate(proposals("-(y * log(p))", "square(p - y)"))
    assert all(c.score.status is Status.OK and len(c.score.curve) == 3 for c in first)
    spent = len(steps)
    steps.clear()
    (hopeless,) = judge.evaluate(proposals("-square(p - y)", first=9))
    assert hopeless.score.status is Status.OUTRUN
    assert hopeless.score.fitness is None
    assert len(hopeless.score.curve) == 1
    assert "part-way" in SENTENCES[Status.OUTRUN]
    assert 0 < len(steps) <= spent / 2 / 10 + 1


def test_without_rungs_there_is_no_racing():
    judge = evaluator(racing=Racing(reference=1))
    judge.filters = type(judge.filters)(rejection=False)
    judge.evaluate(proposals("-(y * log(p))"))
    (bad,) = judge.evaluate(proposals("-square(p - y)", first=9))
    assert bad.score.status is Status.OK
    assert bad.score.curve == ()


@given(st.integers(0, 200), st.integers(1, 40), st.integers(1, 4))
def test_pieces_are_even_in_size_and_in_number(count, at_once, each):
    items = list(range(count))
    pieces = Plan(None, at_once).pieces(items, each)
    assert [item for piece in pieces for item in piece] == items
    sizes = [len(piece) for piece in pieces]
    assert all(0 < size <= max(1, at_once // each) for size in sizes)
    assert not sizes or max(sizes) - min(sizes) <= 1
    assert len(sizes) % 2 == 0 or len(sizes) == count


def test_the_first_networks_of_the_best_set_a_bar_for_the_first():
    racing = Racing(seeds=True, reference=2)
    scores = [
        Score(Status.OK, 0.25, (0.375, 0.125)),
        Score(Status.OK, 0.5, (0.25, 0.75)),
        Score(Status.OK, 0.9, (0.9,)),
    ]
    behind = Score(Status.OUTRUN, 0.1, (0.1,))
    two = Training(seeds=2)
    assert bars([behind, *scores], racing, two) == Bars(first=0.375, rise=0.0625)
    assert bars(scores[:1], racing, two) == Bars(first=math.inf)
    assert bars(scores, racing, Training(seeds=1)) == Bars()
    assert bars(scores, Racing(reference=2), two) == Bars()


def test_what_the_best_cost_before_tuning_sets_a_bar_for_tuning():
    racing = Racing(tuning=True, reference=2, margin=0.5)
    training = Training()
    scores = [
        Score(Status.OK, 0.25, (0.25,), untuned=0.75),
        Score(Status.OK, 0.5, (0.5,), untuned=0.5),
        Score(Status.OK, 0.9, (0.9,), untuned=0.9),
    ]
    assert bars(scores, racing, training) == Bars(untuned=0.75 + 0.5 * 0.5)
    assert bars(scores[:1], racing, training) == Bars()
    assert bars(scores, Racing(reference=2), training) == Bars()
    without = [*scores[:1], Score(Status.OK, 0.3, (0.3,))]  # of a search that did not tune
    assert bars(without, racing, training) == Bars()
    both = bars(scores, Racing(tuning=True, seeds=True, reference=2, margin=0.5), Training(seeds=2))
    assert (both.untuned, both.first) == (1.0, 0.5)


def test_the_other_networks_run_where_the_first_is_not_above_the_limit():
    jobs = contestants(*FORMULAS, "abs(p - y)", seeds=3)
    first = [Race((0.1,), (0.5,)), Race((0.3,), (0.6,)), Race((0.3001,), ()), Race((), (), stopped=True)]
    first.append(Race((0.2,), (0.7,)))
    asked = []

    def train(field):
        asked.extend(field)
        return [Race((0.4, 0.7), ()), Lost("failed", "why"), Race((), (), diverged=True)]

    found = race_others(train, jobs, first, 0.3)
    assert asked == [jobs[0][1:], jobs[1][1:], jobs[4][1:]]
    assert found == [
        Race((0.1, 0.4, 0.7), (0.5,)),
        Lost("failed", "why"),
        Race((0.3001,), (), stopped=True),
        Race((), (), stopped=True),
        Race((), (0.7,), diverged=True),
    ]


def judge_of(racing: Racing, **other):
    judge = evaluator(racing=racing, tuning=Tuning(steps=3, learning_rate=0.1), **other)
    judge.training = Training(steps=40, batch_size=32, learning_rate=0.05, seeds=3)
    judge.filters = type(judge.filters)(rejection=False)
    return judge


def test_where_nobody_is_behind_seeds_race_to_the_same_scores():
    alone, together = judge_of(Racing(seeds=True)), judge_of(Racing())
    for a, b in zip(
        alone.evaluate(proposals(*FORMULAS)), together.evaluate(proposals(*FORMULAS)), strict=True
    ):
        assert a.score.status is b.score.status is Status.OK
        assert a.score.per_seed == pytest.approx(b.score.per_seed, rel=1e-4)
        assert a.loss == b.loss


class Kept(dict):
    """A memory of finished pieces."""

    def known(self, key):
        return self.get(key)

    def add(self, key, value):
        self[key] = value


def test_what_falls_behind_with_its_first_network_is_bred_from_and_does_not_win():
    memory = Kept()
    judge = judge_of(Racing(seeds=True, reference=2), memory=memory)
    good = judge.evaluate(proposals("-(y * log(p))", "square(p - y)"))
    assert all(len(c.score.per_seed) == 3 for c in good)
    memory.clear()
    behind, same = judge.evaluate(proposals("-square(p - y)", "-2 * square(p - y)", first=9))
    assert behind.score.status is Status.OUTRUN
    (cost,) = behind.score.per_seed
    rises = [c.score.fitness - c.score.per_seed[0] for c in good]
    assert behind.score.fitness == pytest.approx(cost + sum(rises) / 2)
    assert same.score.status is Status.DUPLICATE
    assert same.score.fitness == behind.score.fitness
    assert behind not in ranked([*good, behind, same])
    trained = [result for piece in memory.values() for result in piece if isinstance(result, dict)]
    assert sum(len(result["costs"]) for result in trained) == 2  # the formula as it was and as it was tuned


def test_seeds_race_also_where_only_the_tuned_formula_is_trained():
    judge = judge_of(Racing(seeds=True, reference=2))
    judge.tuning = Tuning(steps=3, keep_better=False)
    good = judge.evaluate(proposals("-(y * log(p))", "square(p - y)"))
    assert [len(c.score.per_seed) for c in good] == [3, 3]
    (behind,) = judge.evaluate(proposals("-square(p - y)", first=9))
    assert (behind.score.status, len(behind.score.per_seed)) == (Status.OUTRUN, 1)


@pytest.mark.parametrize("seeds", [False, True])
def test_what_falls_behind_before_tuning_is_scored_as_it_was(seeds):
    """And what does not is tuned as if nobody raced."""
    first = proposals("-(y * log(p))", "square(p - y)")
    second = proposals("-(y * log(p + 0.01))", "-square(p - y)", first=9)
    judge = judge_of(Racing(tuning=True, seeds=seeds, reference=2, margin=0.0))
    judge.evaluate(first)
    good, behind = judge.evaluate(second)
    alone = judge_of(Racing(seeds=seeds, reference=2, margin=0.0))
    alone.evaluate(first)
    same, tuned = alone.evaluate(second)
    assert (good.loss, good.score.fitness) == (same.loss, pytest.approx(same.score.fitness))
    assert good.score.untuned == pytest.approx(same.score.untuned)
    assert good.score.detail == ""
    assert tuned.loss.expression != behind.loss.expression
    assert behind.score.status is (Status.OUTRUN if seeds else Status.OK)
    assert len(behind.score.per_seed) == (1 if seeds else 3)
    assert seeds or "not tuned" in behind.score.detail
    assert behind.score.untuned == (behind.score.per_seed[0] if seeds else behind.score.fitness)
    kept = Ledger([good, behind])
    assert list(kept) == [good, behind]


def test_over_steps_and_seeds_at_once_the_first_network_runs_over_the_rungs():
    judge = judge_of(Racing(seeds=True, rungs=(0.1, 0.5), reference=2))
    good = judge.evaluate(proposals("-(y * log(p))", "square(p - y)"))
    assert [(len(c.score.per_seed), len(c.score.curve)) for c in good] == [(3, 2), (3, 2)]
    again = judge.evaluate(proposals("-(y * log(p + 0.01))", "-square(p - y)", first=9))
    assert [c.score.status for c in again] == [Status.OK, Status.OUTRUN]
    assert len(again[0].score.per_seed) == 3
    assert (again[1].score.per_seed, again[1].score.fitness) == ((), None)
    assert 0 < len(again[1].score.curve) < 3


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        (Race((0.1,), ()), Race((0.2,), ())),
        (Race((0.2,), ()), Race((0.1,), (), stopped=True)),
        (Race((0.2,), (), stopped=True), Race((), (), diverged=True)),
        (Race((0.2,), (), stopped=True), Race((), (), stopped=True)),
    ],
)
def test_one_that_was_stopped_is_worse_than_one_that_was_not(better, worse):
    assert better.rank < worse.rank
