"""The benchmark of meta-training: its reference agrees with the engine, and it runs on a small scale."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from test_meta_training import small_task

from benchmarks import plain_loop, tuning
from benchmarks.measure import flops_of_a_step, with_peak_memory
from benchmarks.meta_training import agreement
from benchmarks.pipeline import kept_by_bars, kept_by_halving
from symloss.expr import constants_of, parse_expression
from symloss.meta.choosing import plan_for
from symloss.meta.settings import Racing, Training, Tuning
from symloss.meta.tuning import tune, with_weights
from symloss.records import Candidate, Kind, Origin, Proposal, Score, Status, SymbolicLoss
from symloss.workers import in_parallel

TOP = Path(__file__).resolve().parent.parent.parent
FORMULAS = ["-(y * log(p))", "square(p - y) * 2", "abs(p - 0.9 * y)"]


@pytest.mark.parametrize("model", ["linear", "mlp", "lenet5"])
def test_the_engine_trains_what_the_plain_loop_trains(model):
    task = small_task(model)
    losses = [parse_expression(formula) for formula in FORMULAS]
    assert agreement(task, losses, 10) < 1e-9
    wrong = parse_expression("square(p - y)")
    found = plain_loop.train(SymbolicLoss(wrong, task.kind), task, Training(steps=10, learning_rate=0.01), 0)
    other = plain_loop.train(
        SymbolicLoss(losses[0], task.kind), task, Training(steps=10, learning_rate=0.01), 0
    )
    assert (found(task.valid.x) - other(task.valid.x)).abs().max() > 1e-3


@pytest.mark.parametrize("model", ["linear", "mlp", "lenet5"])
def test_the_engine_tunes_as_the_plain_loop_does_with_create_graph(model):
    task = small_task(model)
    tuning = Tuning(steps=6, batch_size=32, learning_rate=0.01)
    # No constant cancels out of the slope: Adam would make steps of what autograd's rounding leaves of it.
    formulas = ["-(y * log(p + 0.1))", "0.7 * square(p - 0.9 * y)", "tanh(1.5 * abs(p - y)) * (y + 1.1 * p)"]
    losses = [with_weights(parse_expression(formula), "none") for formula in formulas]
    tuned = tune(losses, task, tuning, 3, plan_for(task, Training(batch_size=32)))
    for before, after in zip(losses, tuned, strict=True):
        alone = plain_loop.tune(SymbolicLoss(before, task.kind), task, tuning, 3).expression
        assert constants_of(after) == pytest.approx(constants_of(alone), rel=1e-3, abs=1e-4)
        assert constants_of(after) != constants_of(before)


def test_the_reshuffling_loop_draws_whole_batches_from_the_data():
    task = small_task("linear")
    drawn = list(plain_loop.batches(task.train, 8, 3, 0, reshuffle=True))
    assert [len(y) for _, y in drawn] == [8, 8, 8]
    rows = {tuple(x.flatten().tolist()) for x in task.train.x}
    assert all(tuple(x.flatten().tolist()) in rows for batch, _ in drawn for x in batch)


def test_what_tuning_adds_is_counted_as_by_hand():
    plain, tuned = np.array([0.5, 0.4, 0.2]), np.array([0.25, 0.5, np.inf])
    found = {"untuned": tuning.Outcome(plain, 1.0), "merged": tuning.Outcome(tuned, 2.0)}
    assert tuning.table(found)[2:] == [
        "| untuned |  |  |  | 0.3667 | 1.0 |",
        "| merged | 33% | 67% | 16.7% | 0.2833 | 2.0 |",
    ]


def test_arithmetic_is_counted_as_by_hand():
    """Forward, gradients of the weights, and of the inputs of all layers but the first."""
    task = small_task("mlp")
    forward = [2 * 32 * a * b for a, b in ((64, 64), (64, 64), (64, 3))]
    assert flops_of_a_step(task, 32) == 3 * sum(forward) - forward[0]


def test_memory_of_a_piece_of_work_is_measured():
    def piece(item: int, tick: Callable[[], None]) -> float:
        # 64 MiB: more than malloc ever takes from what it holds already.
        return torch.ones(64 * 2**18).sum().item() / 2

    # Pieces are done in the process that is measured, whose memory they would not be in elsewhere.
    value, memory = with_peak_memory(lambda: sum(in_parallel(piece, range(2), torch.device("cpu"))))
    assert value == 64 * 2**18
    assert memory is None or 60 < memory < 100


def candidate(id_: int, generation: int, fitness: float, *curve: float) -> Candidate:
    expression = parse_expression("p")
    proposal = Proposal(id_, expression, generation, Origin("random"))
    score = Score(Status.OK, fitness, (fitness,), curve=curve)
    return Candidate(proposal, SymbolicLoss(expression, Kind.MULTICLASS), score)


def test_rules_of_stopping_are_replayed_from_scores_on_the_way():
    first = [candidate(1, 0, 0.1, 0.9, 0.5), candidate(2, 0, 0.2, 0.3, 0.25)]
    second = [
        candidate(3, 1, 0.05, 0.95, 0.1),
        candidate(4, 1, 0.9, 0.91, 0.9),
        candidate(5, 1, 0.3, 0.2, 0.3),
    ]
    racing = Racing(rungs=(0.1, 0.5), reference=2, margin=0.0)
    assert kept_by_bars([first, second], racing) == {1: 2, 2: 2, 3: 0, 4: 0, 5: 2}
    assert kept_by_halving([first, second], 2) == {1: 0, 2: 2, 3: 0, 4: 1, 5: 2}
    assert kept_by_halving([first, second], 1) == {1: 0, 2: 2, 3: 0, 4: 2, 5: 2}


@pytest.mark.parametrize("part", ["speed", "growth", "tuning"])
def test_the_benchmark_runs_on_a_small_scale_and_writes_nothing(part):
    before = {path: path.stat().st_mtime_ns for path in (TOP / "docs").iterdir()}
    words = ["tuning", "--quick"] if part == "tuning" else ["meta_training", "--quick", "--only", part]
    command = [sys.executable, "-m", f"benchmarks.{words[0]}", *words[1:]]
    found = subprocess.run(command, capture_output=True, text=True, cwd=TOP, timeout=300, check=False)
    assert found.returncode == 0, found.stderr
    expected = {"speed": "| plain loop |", "growth": "| classes |", "tuning": "| merged |"}
    assert expected[part] in found.stdout
    assert {path: path.stat().st_mtime_ns for path in (TOP / "docs").iterdir()} == before
