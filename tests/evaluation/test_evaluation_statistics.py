"""The statistics of evaluations against worked examples, definitions and SciPy."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from symloss.evaluation.statistics import critical_difference, holm, paired, rank_biserial, ranking

costs = st.lists(st.floats(0, 1).map(lambda c: round(c, 3)), min_size=6, max_size=12)


@settings(deadline=None, max_examples=12)  # each resamples ten thousand times
@given(costs, st.randoms(use_true_random=False))
def test_the_other_way_round_has_the_opposite_sign_and_the_same_p(first, random):
    second = [cost + random.uniform(-0.2, 0.3) for cost in first]
    there, back = paired(first, second), paired(second, first)
    assert there.difference == pytest.approx(-back.difference)
    assert there.effect == pytest.approx(-back.effect)
    assert (there.better, there.worse) == (back.worse, back.better)
    assert there.wilcoxon == pytest.approx(back.wilcoxon)
    assert -1 <= there.effect <= 1
    assert 0 <= there.permutation <= 1


def test_p_values_are_those_of_all_sign_changes():
    """With six pairs both tests can be done by hand: all 64 sign changes are equally likely."""
    first = [0.10, 0.12, 0.11, 0.15, 0.09, 0.14]
    second = [0.13, 0.17, 0.10, 0.22, 0.15, 0.25]
    d = np.subtract(first, second)
    signs = np.array(list(itertools.product([-1, 1], repeat=6)))
    means = (signs * np.abs(d)).mean(axis=1)
    found = paired(first, second)
    assert found.permutation == pytest.approx((np.abs(means) >= abs(d.mean()) - 1e-12).mean())
    ranks = stats.rankdata(np.abs(d))
    sums = (signs * ranks).sum(axis=1)
    assert found.wilcoxon == pytest.approx((np.abs(sums) >= abs((np.sign(d) * ranks).sum())).mean())
    assert found.effect == pytest.approx((np.sign(d) * ranks).sum() / ranks.sum())


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=9))
def test_the_signed_rank_test_is_exact_where_differences_are_tied(steps):
    """Against all sign changes. Error rates are multiples of one over the samples, so ties abound."""
    first = [0.3 + step / 360 for step in steps]
    found = paired(first, [0.3] * len(steps))
    d = np.array([step for step in steps if step], dtype=float)
    ranks = stats.rankdata(np.abs(d))
    signs = np.array(list(itertools.product([-1, 1], repeat=len(d))))
    sums = (signs * ranks).sum(axis=1)
    assert found.wilcoxon == pytest.approx((np.abs(sums) >= abs((np.sign(d) * ranks).sum()) - 1e-9).mean())
    assert (found.better, found.worse) == (sum(s < 0 for s in steps), sum(s > 0 for s in steps))


def test_the_signed_rank_test_without_ties_is_scipys():
    random = np.random.default_rng(0)
    d = random.normal(0.1, 1, size=20)
    assert paired(d, np.zeros(20)).wilcoxon == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)


def test_rounding_in_float32_is_no_difference():
    found = paired([0.1, 0.2, 0.3], [0.1 + 1e-9, 0.2 - 1e-9, 0.3])
    assert (found.better, found.worse, found.wilcoxon) == (0, 0, 1.0)


def test_equal_costs_are_no_difference():
    found = paired([0.1, 0.2, 0.3], [0.1, 0.2, 0.3])
    assert (found.difference, found.wilcoxon, found.permutation, found.effect) == (0.0, 1.0, 1.0, 0.0)
    assert (found.low, found.high) == (0.0, 0.0)


def test_what_diverged_is_worse_than_anything():
    found = paired([math.nan] * 8, [0.9, 0.8, 0.7, 0.95, 0.6, 0.5, 0.4, 0.3])
    assert (found.worse, found.effect) == (8, 1.0)
    assert found.wilcoxon < 0.01
    assert math.isnan(found.difference)
    assert math.isnan(found.permutation)


def test_rank_biserial_of_a_worked_example():
    """Ranks 1 to 4; the second smallest difference is positive: (2 - 1 - 3 - 4) / 10."""
    assert rank_biserial(np.array([-0.1, 0.2, -0.3, -0.4])) == pytest.approx(-0.6)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_follows_its_definition(p):
    corrected = holm(p)
    order = np.argsort(p, kind="stable")
    steps = [min(1.0, max((len(p) - j) * p[order[j]] for j in range(i + 1))) for i in range(len(p))]
    assert [corrected[i] for i in order] == pytest.approx(steps)
    assert all(after >= before for after, before in zip(corrected, p, strict=True))


def test_critical_differences_are_those_of_the_published_table():
    """q of Demsar (2006), table 5: 2.343 for 3 and 2.728 for 5 classifiers."""
    assert critical_difference(3, 10) == pytest.approx(2.343 * math.sqrt(3 * 4 / 60), abs=1e-3)
    assert critical_difference(5, 10) == pytest.approx(2.728 * math.sqrt(5 * 6 / 60), abs=1e-3)


def test_ranking_orders_by_mean_rank_and_joins_what_does_not_differ():
    found = ranking(["bad", "good", "middle"], [[3.0, 1.0, 2.0]] * 8 + [[math.nan, 1.0, 2.0]])
    assert found.names == ("good", "middle", "bad")
    assert found.ranks == (1.0, 2.0, 3.0)
    assert found.friedman < 0.001
    assert found.groups == ((0, 1), (1, 2))  # a rank apart is less than the critical difference of 1.10
    alike = ranking(["a", "b", "c"], [[1.0, 1.0, 1.0]] * 3)
    assert (alike.friedman, alike.groups) == (1.0, ((0, 2),))
