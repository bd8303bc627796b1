"""Searches: valid proposals, the same ones from the same seed, and going on where they stopped."""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import grammars, law

from symloss.expr import Expr, evaluate, parse_expression
from symloss.expr.primitives import FLOATS
from symloss.grammar import admits, derive, load_grammar, parse_grammar, shipped_grammars
from symloss.records import Candidate, Kind, Score, Status, SymbolicLoss
from symloss.search.generate import Generator
from symloss.search.genetic import GeneticSearch
from symloss.search.random_search import RandomSearch
from symloss.search.settings import Genetic, TaylorGLO
from symloss.search.taylorglo import TaylorGLOSearch
from symloss.search.trees import borrowed_randomness, tree_set

GOAL = parse_expression("y * (1 - pow(p, 0.6))")
POINTS = [(p / 10, float(y)) for p in range(1, 10) for y in (0, 1)]


def distance(expr) -> float:
    """How far a formula is from the goal: a stand-in for training that is quick and always the same."""
    total = 0.0
    for p, y in POINTS:
        inputs = {"prediction": p, "target": y}
        try:
            gap = evaluate(expr, inputs, FLOATS, float) - evaluate(GOAL, inputs, FLOATS, float)
        except (ArithmeticError, ValueError):
            return 1e6
        total += min(gap * gap, 100.0)
    return total


def score(proposals, fail_every: int = 0) -> list[Candidate]:
    found = []
    for proposal in proposals:
        failed = fail_every and proposal.id % fail_every == 0
        fate = Score(Status.REJECTED) if failed else Score(Status.OK, distance(proposal.structure))
        found.append(Candidate(proposal, SymbolicLoss(proposal.structure, Kind.MULTICLASS), fate))
    return found


SEARCHES = ["genetic", "random", "taylorglo"]


def make(name: str, grammar: str = "classification", seed: int = 0):
    loaded = load_grammar(grammar)
    if name == "taylorglo":
        return TaylorGLOSearch(20, TaylorGLO(), seed)
    return GeneticSearch(loaded, 20, Genetic(), seed) if name == "genetic" else RandomSearch(loaded, 20, seed)


def run(search, generations: int, structures: list[Expr] | None = None) -> list[list[str]]:
    asked = []
    for _ in range(generations):
        proposals = search.ask()
        if structures is not None:
            structures += [p.structure for p in proposals]
        asked.append([f"{p.id} {p.generation} {p.origin} {p.structure}" for p in proposals])
        search.tell(score(proposals, fail_every=7))
    return asked


@pytest.mark.parametrize(
    ("name", "grammar"),
    [*itertools.product(["genetic", "random"], shipped_grammars()), ("taylorglo", "taylorglo")],
)
def test_proposals_obey_the_grammar(name, grammar):
    search, loaded = make(name, grammar), load_grammar(grammar)
    seen_ids = []
    for _ in range(6):
        proposals = search.ask()
        assert len(proposals) == 20
        for proposal in proposals:
            assert admits(loaded, proposal.structure)
            assert derive(loaded, proposal.structure) is not None
        seen_ids += [p.id for p in proposals]
        search.tell(score(proposals))
    assert seen_ids == list(range(1, 121))


@law
@given(grammars(), st.integers(0, 10))
def test_whatever_is_drawn_from_any_grammar_is_valid(grammar, seed):
    generator = Generator(grammar, random.Random(seed))
    for _ in range(10):
        derivation = generator.ramped()
        assert admits(grammar, derivation.expression)
        trees = tree_set(grammar)
        assert trees.derivation(trees.tree(derivation)) == derivation


@pytest.mark.parametrize("name", SEARCHES)
def test_a_seed_decides_everything(name):
    assert run(make(name), 4) == run(make(name), 4)
    assert run(make(name, seed=1), 2) != run(make(name), 2)


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("after", [1, 3])
def test_a_search_goes_on_where_it_stopped(name, after):
    whole = run(make(name), 5)
    first, structures = make(name), []
    run(first, after, structures)
    second = make(name, seed=99)
    second.restore(json.loads(json.dumps(first.state())), structures)
    assert run(second, 5 - after) == whole[after:]


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("number", ["next_id", "generation"])
def test_a_state_with_a_number_beyond_all_searches_is_refused(name, number):
    search = make(name)
    with pytest.raises(ValueError, match=f"int.*{number}"):
        search.restore({**search.state(), number: 2**63}, [])


@pytest.mark.parametrize("name", SEARCHES)
def test_a_state_does_not_grow_with_the_generations(name):
    search = make(name)
    run(search, 3)
    early = len(json.dumps(search.state()))
    run(search, 30)
    assert len(json.dumps(search.state())) < 1.5 * early


def test_two_processes_with_different_hashes_propose_the_same():
    code = (
        "import sys; sys.path.insert(0, 'tests'); sys.path.insert(0, 'tests/search')\n"
        "from test_search_laws import make, run; print(run(make('genetic', 'evomal'), 4))"
    )
    outs = set()
    for hash_seed in ("1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": "."}
        top = Path(__file__).resolve().parent.parent.parent
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=top, env=environment, capture_output=True, text=True, check=True
        )
        outs.add(done.stdout)
    assert len(outs) == 1
    assert "crossover" in outs.pop()


def test_the_global_generator_is_left_alone():
    random.seed(4)
    expected = random.random()
    random.seed(4)
    run(make("genetic"), 3)
    assert random.random() == expected


def test_borrowed_randomness_continues_the_generator():
    with borrowed_randomness(rng := random.Random(8)):
        inside = random.random()
    other = random.Random(8)
    assert inside == other.random()
    assert rng.random() == other.random()


def test_genetic_programming_beats_random_search():
    def best(name: str, seed: int) -> float:
        search, found = make(name, "evomal", seed), []
        for _ in range(12):
            candidates = score(search.ask())
            found += [c.score.fitness for c in candidates]
            search.tell(candidates)
        return min(found)

    pairs = [(best("genetic", seed), best("random", seed)) for seed in range(8)]
    assert sum(genetic < random_ for genetic, random_ in pairs) >= 6, pairs


def test_every_operation_is_used_and_names_its_parents():
    search = make("genetic")
    origins = []
    for _ in range(12):
        proposals = search.ask()
        origins += [p.origin for p in proposals]
        search.tell(score(proposals))
    kinds = {origin.operation for origin in origins}
    expected = {"random", "crossover", "subtree mutation", "point mutation", "insertion", "shrinking"}
    assert expected | {"constant mutation"} == kinds
    for origin in origins:
        count = {"random": 0, "crossover": 2}.get(origin.operation, 1)
        assert len(origin.parents) == count


def test_the_best_stay_parents():
    search = make("genetic")
    proposals = search.ask()
    candidates = score(proposals)
    search.tell(candidates)
    best = min(candidates, key=lambda c: (c.score.fitness, c.size))
    for _ in range(3):  # everything that follows is worthless
        worse = [
            Candidate(p, SymbolicLoss(p.structure, Kind.MULTICLASS), Score(Status.OK, 1e9))
            for p in search.ask()
        ]
        search.tell(worse)
    fitnesses = [entry[1] for entry in search.state()["parents"]]
    assert best.score.fitness in fitnesses


def test_formulas_to_start_with_are_proposed_first():
    loaded = load_grammar("classification")
    seeds = [parse_expression("y * -log(p)"), parse_expression("sin(p) * y")]  # the second is not derivable
    proposals = GeneticSearch(loaded, 6, Genetic(), 0, seeds).ask()
    assert proposals[0].structure == seeds[0]
    assert proposals[0].origin.operation == "seed"
    assert seeds[1] not in [p.structure for p in proposals]


def test_a_generation_in_which_everything_failed_is_survived():
    search = make("genetic")
    proposals = search.ask()
    search.tell([replace(c, score=Score(Status.FLAT)) for c in score(proposals)])
    assert len(search.ask()) == 20


def test_a_grammar_of_few_formulas_does_not_hang():
    grammar = parse_grammar(
        "height 1..1, at most 1\nsize at most 3\nloss = prediction - target | prediction * target"
    )
    search = GeneticSearch(grammar, 10, Genetic(), 0)
    for _ in range(3):
        proposals = search.ask()
        assert len(proposals) == 10
        search.tell(score(proposals))
