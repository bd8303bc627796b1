"""Statistics of costs that are paired by seed. Lower is better; what is not finite is worse than any other.

Tests are SciPy's, but for the signed-rank test with ties. A seed decides initial weights and the order of
batches, so a pair of networks differs in its loss alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Costs = NDArray[np.float64]

SAME = 1e-6
"""Costs that differ by less than this share of the larger one are equal: it is rounding in float32."""

EXACT = 200
"""Pairs up to which the signed-rank test is exact."""

RESAMPLES = 9999
"""Random sign changes of the permutation test and samples of the bootstrap, where not all are tried."""

LEVEL = 0.05
"""Corrected p-values below this are called a win or a loss."""


def smallest_p(seeds: int) -> float:
    """The p-value of the signed-rank test of so many pairs that all differ in the same direction."""
    return 2.0 ** (1 - seeds)


@dataclass(frozen=True)
class Paired:
    """One loss against another over seeds.

    difference: mean of the first minus the second; NaN if a network of either diverged.
    low, high:  95 % bootstrap interval of that mean (percentile); NaN with fewer than two seeds.
    wilcoxon:   two-sided p of the signed-rank test without zeros, exact also where differences are tied.
    permutation: two-sided p of the mean difference under random changes of sign; NaN if a network diverged.
    effect:     matched-pairs rank-biserial correlation (Kerby 2014): share of the rank sum in which the first
                is worse minus that in which it is better, from -1 (always better) to 1.
    better, worse: number of seeds in which the first has the lower or the higher cost.
    """

    difference: float
    low: float
    high: float
    wilcoxon: float
    permutation: float
    effect: float
    better: int
    worse: int


def paired(first: Sequence[float], second: Sequence[float]) -> Paired:
    """Compare costs of the same seeds in the same order."""
    a, b = _comparable(first, second)
    # Error rates are multiples of one over the number of samples. Equal differences must be equal here, or
    # the last bits would rank them.
    unit = SAME * max(float(np.abs([a, b]).max()), np.finfo(np.float64).tiny)
    differences = np.round((a - b) / unit) * unit
    finite = np.isfinite([*first, *second]).all()
    low, high = _interval(differences) if finite else (math.nan, math.nan)
    return Paired(
        float(differences.mean()) if finite else math.nan,
        low,
        high,
        _wilcoxon(differences),
        _permutation(differences) if finite else math.nan,
        rank_biserial(differences),
        int((differences < 0).sum()),
        int((differences > 0).sum()),
    )


def _comparable(first: Sequence[float], second: Sequence[float]) -> tuple[Costs, Costs]:
    """Both with what is not finite replaced by one number that is worse than all others."""
    both = np.array([first, second], dtype=np.float64)
    finite = both[np.isfinite(both)]
    worst = finite.max() + max(1.0, np.ptp(finite)) if finite.size else 1.0
    both = np.where(np.isfinite(both), both, worst)
    return both[0], both[1]


def _interval(differences: Costs) -> tuple[float, float]:
    if len(differences) < 2 or np.ptp(differences) == 0:
        same = float(differences[0]) if len(differences) > 1 else math.nan
        return same, same
    found = stats.bootstrap(
        (differences,), np.mean, n_resamples=RESAMPLES, method="percentile", rng=np.random.default_rng(0)
    ).confidence_interval
    return float(found.low), float(found.high)


def _wilcoxon(differences: Costs) -> float:
    """Of all ways to give the ranks their signs, the share that is as far from balance as this one, or more.

    SciPy's exact test takes ranks for different ones; its approximation makes p fifty times larger for twenty
    seeds. Ties have half ranks, so twice the ranks are counted.
    """
    changed = differences[differences != 0]
    if len(changed) > EXACT:
        return float(stats.wilcoxon(changed, method="asymptotic").pvalue)
    ranks = np.rint(2 * stats.rankdata(np.abs(changed))).astype(int)
    ways = np.ones(1)  # ways[s]: share of the signs with which the positive ranks sum to s
    for rank in ranks:
        ways = (np.pad(ways, (0, rank)) + np.pad(ways, (rank, 0))) / 2
    positive = int(ranks[changed > 0].sum())
    return float(min(1.0, 2 * min(ways[: positive + 1].sum(), ways[positive:].sum())))


def _permutation(differences: Costs) -> float:
    if len(differences) < 2 or not differences.any():
        return 1.0
    found = stats.permutation_test(
        (differences,),
        np.mean,
        permutation_type="samples",  # of a single sample: its signs
        n_resamples=RESAMPLES,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(found.pvalue)


def rank_biserial(differences: Costs) -> float:
    """Between -1 and 1: see `Paired.effect`; 0 if there is no difference at all."""
    changed = differences[differences != 0]
    if not changed.size:
        return 0.0
    ranks = stats.rankdata(np.abs(changed))
    return float((np.sign(changed) * ranks).sum() / ranks.sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being so many, by the step-down method of Holm (1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


@dataclass(frozen=True)
class Ranking:
    """Losses over several tasks, as in Demsar (2006).

    ranks:      average rank of each loss, 1 the best; ties share theirs.
    friedman:   p of Friedman's test that all are alike; 1 with fewer than three losses or two tasks.
    critical:   difference of average ranks from which two losses differ at 5 % (Nemenyi); NaN likewise.
    groups:     runs of losses, as positions in order of rank, that do not differ; the bars of the diagram.
    """

    names: tuple[str, ...]
    ranks: tuple[float, ...]
    friedman: float
    critical: float
    groups: tuple[tuple[int, int], ...]


def ranking(names: Sequence[str], costs: Sequence[Sequence[float]]) -> Ranking:
    """Rank losses by their costs on each task: costs[task][loss]."""
    table = np.array(costs, dtype=np.float64)
    tasks, losses = table.shape
    table = np.where(np.isfinite(table), table, np.inf)
    units = SAME * np.abs(np.where(np.isfinite(table), table, 0)).max(axis=1, keepdims=True)
    table = np.where(np.isfinite(table), np.round(table / np.where(units > 0, units, 1)), np.inf)
    ranks = stats.rankdata(table, axis=1)
    order = np.argsort(ranks.mean(axis=0), kind="stable")
    means = ranks.mean(axis=0)[order]
    tested = losses >= 3 and tasks >= 2
    alike = np.ptp(ranks, axis=1).max() == 0  # then the statistic is 0 / 0
    p = float(stats.friedmanchisquare(*ranks.T).pvalue) if tested and not alike else 1.0
    critical = critical_difference(losses, tasks) if tested else math.nan
    return Ranking(
        tuple(names[i] for i in order), tuple(means.tolist()), p, critical, _groups(means, critical)
    )


def critical_difference(losses: int, tasks: int) -> float:
    """Nemenyi's: q sqrt(k (k + 1) / (6 N)), q from the studentised range with infinite degrees of freedom."""
    q = float(stats.studentized_range.ppf(1 - LEVEL, losses, np.inf)) / math.sqrt(2)
    return q * math.sqrt(losses * (losses + 1) / (6 * tasks))


def _groups(means: Costs, critical: float) -> tuple[tuple[int, int], ...]:
    """The longest runs whose ends differ by less than the critical difference, none inside another."""
    if not math.isfinite(critical):
        return ()  # nothing was tested
    found: list[tuple[int, int]] = []
    for start in range(len(means)):
        end = int(np.searchsorted(means, means[start] + critical, side="left")) - 1
        if end > start and (not found or end > found[-1][1]):
            found.append((start, end))
    return tuple(found)
