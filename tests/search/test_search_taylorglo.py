"""TaylorGLO: the polynomial against its paper, what its numbers change, and CMA-ES against DEAP's own."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest
import torch
from deap import cma

from symloss.errors import ConfigError
from symloss.expr import constants_of, evaluate, parse_expression
from symloss.expr.primitives import FLOATS
from symloss.grammar import derive, load_grammar
from symloss.losses import SymbolicLossModule
from symloss.losses.tape import slope_tape
from symloss.records import Candidate, Kind, Score, Status, SymbolicLoss
from symloss.search.settings import TaylorGLO
from symloss.search.taylorglo import (
    NUMBERS,
    Point,
    TaylorGLOSearch,
    polynomial,
    rise,
    trains_at_the_start,
)

DRAWN = random.Random(3)
VECTORS = [[DRAWN.gauss(0, 1.2) for _ in range(NUMBERS)] for _ in range(6)]
POINTS = [(p, y) for p in (0.07, 0.4, 0.93) for y in (0.0, 1.0)]
# A loss that the paper's authors found on MNIST, in the order t0 to t7.
MNIST = [-10.9408, 7.5216, 8.2896, 0.2415, 7.8726, 8.9666, 2.0184, 7.0513]


def valued(expr, p, y):
    return evaluate(expr, {"prediction": p, "target": y}, FLOATS, float)


def test_the_loss_of_the_paper_is_written_as_in_the_paper():
    for f, y in POINTS:
        inside = (
            8.2896 * (f - 7.5216)
            + 0.2415 * (f - 7.5216) ** 2
            + 7.8726 * (f - 7.5216) ** 3
            + 8.9666 * (y + 10.9408) * (f - 7.5216)
            + 2.0184 * (y + 10.9408) * (f - 7.5216) ** 2
            + 7.0513 * (y + 10.9408) ** 2 * (f - 7.5216)
        )
        assert valued(polynomial(MNIST), f, y) == pytest.approx(-inside, rel=1e-12)


@pytest.mark.parametrize("t", VECTORS)
def test_the_push_on_a_probability_is_minus_the_slope(t):
    expr = polynomial(t)
    numbers = torch.tensor(constants_of(expr), dtype=torch.float64).unbind()
    for p, y in POINTS:
        prediction, target = (torch.tensor([[number]], dtype=torch.float64) for number in (p, y))
        assert rise(t, p, y) == pytest.approx(-slope_tape(expr)(prediction, target, numbers).item(), rel=1e-9)


def gradients(t, kind=None):
    """dl/dp at scattered points, or the gradient on a network's outputs."""
    if kind is None:
        p, y = (torch.tensor(column, dtype=torch.float64)[:, None] for column in zip(*POINTS, strict=True))
        expr = polynomial(t)
        return slope_tape(expr)(p, y, torch.tensor(constants_of(expr), dtype=torch.float64).unbind())
    module = SymbolicLossModule(SymbolicLoss(polynomial(t), kind))
    outputs = torch.linspace(-2, 2, 12, dtype=torch.float64).sin().view(4, 3).requires_grad_()
    labels = torch.tensor([0, 2, 1, 1]) if kind is Kind.MULTICLASS else (outputs.detach() > 0.3).double()
    (found,) = torch.autograd.grad(module(outputs, labels), outputs)
    return found


def changes(t, index, kind=None):
    """By how much the gradient changes with the number of this index."""
    moved = list(t)
    moved[index] += 0.1
    return (gradients(moved, kind) - gradients(t, kind)).abs().max().item()


@pytest.mark.parametrize("index", range(NUMBERS))
def test_all_eight_numbers_change_the_gradient(index):
    """In the published reimplementation t2, t3 and t4 changed nothing."""
    for t in VECTORS:
        assert changes(t, index) > 1e-3
        assert changes(t, index, Kind.BINARY) > 1e-5


@pytest.mark.parametrize("index", range(NUMBERS))
def test_behind_a_softmax_all_but_the_linear_term_change_the_gradient(index):
    """Probabilities sum to one, so a constant slope moves nothing."""
    for t in VECTORS:
        found = changes(t, index, Kind.MULTICLASS)
        assert found < 1e-14 if index == 2 else found > 1e-5


@pytest.mark.parametrize("classes", [2, 10])
def test_the_invariant_is_that_of_the_paper(classes):
    """As the authors' code writes it: with the coefficients of the expanded polynomial."""
    seen = set()
    for _ in range(200):
        t = t0, t1, t2, t3, t4, t5, t6, t7 = [DRAWN.gauss(0, 1.2) for _ in range(NUMBERS)]
        c1 = -2 * t1 * t3 + 2 * t0 * t1 * t6 + t2 - t5 * t0 + t7 * t0**2 + 3 * t4 * t1**2
        ch, chh, chy = 2 * t3 - 2 * t6 * t0 - 6 * t4 * t1, 3 * t4, 2 * t6
        cy, cyy = -2 * t1 * t6 + t5 - 2 * t7 * t0, t7
        n = classes
        broken = cy + cyy + chy / n < (n - 2) * (c1 + ch / n + chh / n**2)
        assert trains_at_the_start(t, classes) == (not broken)
        seen.add(broken)
    assert seen == {True, False}


# --- the search -----------------------------------------------------------------------------------


def judged(proposals, cost) -> list[Candidate]:
    """Candidates whose cost is `cost(proposal)`; rejected where that is None."""
    found = []
    for proposal in proposals:
        value = cost(proposal)
        fate = Score(Status.REJECTED) if value is None else Score(Status.OK, value)
        found.append(Candidate(proposal, SymbolicLoss(proposal.structure, Kind.MULTICLASS), fate))
    return found


def away(proposal) -> float:
    """Mean squared distance of a loss from cross-entropy at a few points, up to an offset."""
    gaps = [valued(proposal.structure, p / 10, 1.0) + math.log(p / 10) for p in range(1, 10)]
    gaps += [valued(proposal.structure, p / 10, 0.0) for p in range(1, 10)]
    mean = sum(gaps) / len(gaps)
    return sum((gap - mean) ** 2 for gap in gaps) / len(gaps)


def test_proposals_are_the_polynomial_and_obey_the_grammar_of_its_name():
    search, grammar = TaylorGLOSearch(7, TaylorGLO(), 0), load_grammar("taylorglo")
    for generation in range(3):
        proposals = search.ask()
        assert [(p.generation, p.origin.operation) for p in proposals] == [(generation, "cma-es")] * 7
        for proposal in proposals:
            found = derive(grammar, proposal.structure)
            assert found is not None
            assert found.expression == proposal.structure
        search.tell(judged(proposals, away))


def test_the_first_generation_is_spread_about_zero_as_in_the_paper():
    search = TaylorGLOSearch(4000, TaylorGLO(), 0)
    search.ask()
    numbers = np.array(search._points)
    assert np.abs(numbers.mean(axis=0)).max() < 0.1
    assert np.abs(numbers.std(axis=0) - 1.2).max() < 0.1
    narrow = TaylorGLOSearch(4000, TaylorGLO(sigma=0.3), 0)
    narrow.ask()
    assert np.abs(np.array(narrow._points).std(axis=0) - 0.3).max() < 0.05


def test_the_strategy_is_that_of_deap(monkeypatch):
    """DEAP alone, with its global generator replaced, goes the same way."""
    search = TaylorGLOSearch(9, TaylorGLO(), 5)
    strategy = cma.Strategy([0.0] * NUMBERS, 1.2, lambda_=9)
    for generation in range(6):
        numbers = np.random.default_rng([5, generation, 0])
        monkeypatch.setattr("numpy.random.standard_normal", numbers.standard_normal)
        points = strategy.generate(Point)
        proposals = search.ask()
        assert [p.structure for p in proposals] == [polynomial(point) for point in points]
        for point, proposal in zip(points, proposals, strict=True):
            point.fitness.values = (away(proposal),)
        strategy.update(points)
        search.tell(judged(proposals, away)[::-1])  # in any order
        assert search._strategy.centroid.tolist() == strategy.centroid.tolist()


def test_it_comes_nearer_than_random_numbers():
    def best(learns: bool, seed: int) -> float:
        search, found = TaylorGLOSearch(12, TaylorGLO(), seed), []
        for _ in range(60):
            proposals = search.ask()
            found += [away(p) for p in proposals]
            search.tell(judged(proposals, away if learns else lambda p: None))
        return min(found)

    ratios = [best(True, seed) / best(False, seed) for seed in range(3)]
    assert max(ratios) < 0.5, ratios


def test_what_was_not_scored_is_worst_and_a_duplicate_has_its_score():
    """Only candidates whose t3 is negative are scored; half of those are duplicates of others."""
    search = TaylorGLOSearch(20, TaylorGLO(), 2)
    for _ in range(12):
        proposals = search.ask()
        numbers = {point.candidate: point for point in search._points}
        told = judged(proposals, lambda p, numbers=numbers: 0.5 if numbers[p.id][3] < 0 else None)
        told = [
            Candidate(c.proposal, c.loss, Score(Status.DUPLICATE, c.score.fitness)) if c.id % 2 else c
            for c in told
        ]
        search.tell(told)
    assert search._strategy.centroid[3] < -2


def test_a_generation_in_which_nothing_was_scored_teaches_nothing():
    search = TaylorGLOSearch(6, TaylorGLO(), 2)
    before = search.state()["strategy"]
    first = search.ask()
    search.tell(judged(first, lambda p: None))
    assert search.state()["strategy"] == before
    assert not {p.structure for p in search.ask()} & {p.structure for p in first}


@pytest.mark.parametrize(
    "lost", [{"sigma": 1e-12}, {"sigma": 1e9}, {"diagD": 0}, {"centroid": 1e12}], ids=str
)
def test_a_search_that_lost_itself_starts_again(lost):
    search = TaylorGLOSearch(6, TaylorGLO(), 2)
    search.tell(judged(search.ask(), away))
    state = search.state()
    ((name, value),) = lost.items()
    if name == "sigma":
        state["strategy"]["sigma"] = value
    else:
        state["strategy"][name][0] = value
    search.restore(state, [])
    search.tell(judged(search.ask(), away))
    assert search.state()["strategy"]["sigma"] == 1.2
    assert search.state()["strategy"]["centroid"] == [0.0] * NUMBERS
    assert len(search.ask()) == 6


def test_a_long_search_without_a_goal_keeps_proposing():
    """With costs that mean nothing the distribution wanders; every proposal is still a loss."""
    for seed in range(3):
        search, costs = TaylorGLOSearch(3, TaylorGLO(), seed), random.Random(seed)
        for _ in range(400):
            proposals = search.ask()
            assert len(proposals) == 3
            search.tell(judged(proposals, lambda p, costs=costs: costs.random()))


def test_the_global_generators_are_left_alone():
    np.random.seed(4)
    random.seed(4)
    expected = (np.random.rand(), random.random())
    np.random.seed(4)
    random.seed(4)
    search = TaylorGLOSearch(6, TaylorGLO(), 2)
    for _ in range(3):
        search.tell(judged(search.ask(), away))
    assert (np.random.rand(), random.random()) == expected


def test_a_state_is_plain_json_and_goes_on_bit_for_bit():
    settings = TaylorGLO(invariant=True)
    whole = TaylorGLOSearch(8, settings, 7, classes=10)
    for _ in range(9):
        whole.tell(judged(whole.ask(), away))
        other = TaylorGLOSearch(8, settings, 99, classes=10)
        other.restore(json.loads(json.dumps(whole.state())), [])
        assert other.state() == whole.state()
        assert other.ask() == whole.ask()


@pytest.mark.parametrize(
    "damage", [{"centroid": [1.0]}, {"C": [[1.0]]}, {"sigma": "wide"}, {"pc": "long"}], ids=str
)
def test_a_damaged_state_is_refused(damage):
    search = TaylorGLOSearch(8, TaylorGLO(), 7)
    state = search.state()
    state["strategy"].update(damage)
    with pytest.raises((TypeError, ValueError)):
        search.restore(state, [])


def test_what_breaks_the_invariant_is_not_proposed_and_counts_as_worst():
    search = TaylorGLOSearch(20, TaylorGLO(invariant=True), 0, classes=10)
    ids, shares = [], []
    for _ in range(10):
        proposals = search.ask()
        allowed = [point for point in search._points if trains_at_the_start(point, 10)]
        assert [polynomial(point) for point in allowed] == [p.structure for p in proposals]
        shares.append(len(allowed) / 20)
        ids += [p.id for p in proposals]
        search.tell(judged(proposals, lambda p: 1.0))  # the invariant is all that is selected for
    assert ids == list(range(1, len(ids) + 1))
    assert shares[0] < 0.8
    assert shares[-1] > shares[0]


def test_settings_that_make_no_sense_are_refused():
    with pytest.raises(ConfigError, match="'taylorglo' needs a population of at least 2, found 1"):
        TaylorGLOSearch(1, TaylorGLO(), 0)
    with pytest.raises(ConfigError, match=r"'taylorglo\.invariant' is about classes"):
        TaylorGLOSearch(5, TaylorGLO(invariant=True), 0, classes=None)


def test_the_squared_error_is_a_polynomial_of_it():
    """So it is a search for regression as well, though the paper is about classes."""
    t = [0.0, 0.0, 0.0, -1.0, 0.0, 2.0, 0.0, 0.0]
    for p, y in [(0.3, -1.2), (-2.0, 0.7)]:
        assert rise(t, p, y) == pytest.approx(2 * (y - p))
        difference = valued(polynomial(t), p, y) - valued(parse_expression("square(p - y)"), p, y)
        assert difference == pytest.approx(-y * y)
