"""A ledger holds what was put into it, and ranks as a list of candidates is ranked."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import expressions, law

from symloss.expr import PREDICTION, call
from symloss.records import (
    Candidate,
    Confirmation,
    Kind,
    Ledger,
    Origin,
    Proposal,
    Score,
    Status,
    SymbolicLoss,
    ranked,
)

costs = st.sampled_from([0.0, 0.1, 0.25, 1e300]) | st.floats(0, 10)


@st.composite
def scores(draw):
    if draw(st.booleans()):
        per_seed = tuple(draw(st.lists(costs, min_size=1, max_size=3)))
        return Score(Status.OK, per_seed[0], per_seed, curve=tuple(draw(st.lists(costs, max_size=2))))
    status = draw(st.sampled_from([own for own in Status if own is not Status.OK]))
    return Score(status, None, detail=draw(st.text(max_size=5)))


@st.composite
def several(draw):
    """Candidates with ascending ids that have gaps, some of them confirmed."""
    found, id_ = [], 0
    for _ in range(draw(st.integers(0, 5))):
        id_ += draw(st.integers(1, 3))
        structure = draw(expressions(max_leaves=4))
        loss = SymbolicLoss(call("mul", PREDICTION, draw(expressions(max_leaves=2))), Kind.MULTICLASS)
        score = draw(scores())
        second = st.none() | st.builds(Confirmation, st.none() | costs, st.just(0.1), st.just(5), st.just(2))
        confirmation = draw(second) if score.status is Status.OK else None
        origin = Origin("crossover", (1, 2))
        found.append(Candidate(Proposal(id_, structure, 3, origin), loss, score, confirmation))
    return found


@law
@given(several())
def test_what_was_put_in_comes_out(candidates):
    ledger = Ledger(candidates)
    assert list(ledger) == candidates
    assert ledger[1:-1] == candidates[1:-1]
    assert [ledger.with_id(own.id) for own in candidates] == candidates
    assert ledger.statuses() == Counter(own.score.status for own in candidates)


@law
@given(several())
def test_it_ranks_as_a_list_does(candidates):
    ledger = Ledger(candidates)
    assert list(ledger.ranked()) == ranked(candidates)
    assert [line.id for line, _ in ledger.ranked_lines()] == [own.id for own in ranked(candidates)]
    assert [second for _, second in ledger.ranked_lines()] == [own.confirmation for own in ranked(candidates)]
    scored = [own for own in candidates if own.score.status is Status.OK]
    assert list(ledger.cheapest()) == sorted(scored, key=lambda own: own.score.fitness)


@law
@given(several())
def test_its_front_is_what_no_smaller_one_reaches(candidates):
    front = Ledger(candidates).front()
    scored = [own for own in candidates if own.score.status is Status.OK]
    for own in scored:
        better = [
            other
            for other in scored
            if (other.score.fitness, other.size) < (own.score.fitness, own.size)
            or (other.score.fitness == own.score.fitness and other.size == own.size and other.id < own.id)
        ]
        smaller = [other for other in better if other.size <= own.size]
        assert (own in front) is not bool(smaller)


@law
@given(several(), st.randoms(use_true_random=False))
def test_a_second_look_may_come_later(candidates, rng):
    bare = [Candidate(own.proposal, own.loss, own.score) for own in candidates]
    ledger = Ledger()
    cut = rng.randint(0, len(bare))
    ledger.extend(bare[:cut])
    ledger.extend(bare[cut:])
    ledger.confirm({own.id: own.confirmation for own in candidates if own.confirmation is not None})
    assert list(ledger) == candidates


def test_ids_ascend_and_unknown_ones_are_refused():
    loss = SymbolicLoss(PREDICTION, Kind.BINARY)
    made = [Candidate(Proposal(i, PREDICTION, 0, Origin("x")), loss, Score(Status.FLAT)) for i in (2, 5)]
    ledger = Ledger(made)
    for id_ in (1, 3, 6):
        with pytest.raises(LookupError, match=f"no candidate {id_}"):
            ledger.with_id(id_)
    with pytest.raises(ValueError, match="candidate 2 comes after candidate 5"):
        ledger.extend(made[:1])
