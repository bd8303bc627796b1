"""Candidates under which training fails: recorded as that, and the search goes on."""

from __future__ import annotations

import os
import time

import pytest
import torch

import symloss.workers.parallel as workers
from symloss.config import resolve
from symloss.errors import RunError, StoppedError, TaskError
from symloss.meta.pieces import each_result
from symloss.meta.plan import Plan
from symloss.records import Status
from symloss.run import start
from symloss.workers import Lost, attempted, stopping

CPU = torch.device("cpu")


def hang(item):
    time.sleep(60)


def end(item):
    os._exit(3)


def leave(item):
    raise SystemExit(2)


def crowd_out(item):
    raise MemoryError


def fail(item):
    raise TaskError("no such cost")


WAYS = {"failed": (fail, leave), "out-of-memory": (crowd_out,), "killed": (end,), "timed-out": (hang,)}


@pytest.mark.parametrize(
    ("how", "break_"),
    [(how, own) for how, ways in WAYS.items() for own in ways],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_bad_item_is_lost_and_its_neighbours_are_not(how, break_, monkeypatch):
    if not workers.FORKS:
        pytest.skip("processes are not forked here")
    monkeypatch.setattr(workers, "WORKERS", 2)
    monkeypatch.setattr("symloss.workers.processes.PATIENCE", 0.05)

    def work(piece, tick):
        for item in piece:
            if item == 3:
                break_(item)
        return [item * 10 for item in piece]

    found = each_result(Plan(None, 4), work, range(8), int, CPU, stage="test", time_limit=0.5)
    assert [own for own in found if not isinstance(own, Lost)] == [0, 10, 20, 40, 50, 60, 70]
    assert isinstance(found[3], Lost)
    assert found[3].how == how
    assert Status(found[3].how).value == how
    assert len(found[3].reason.splitlines()) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_where_nothing_is_forked_errors_are_recorded_too(count, monkeypatch):
    monkeypatch.setattr(workers, "FORKS", False)
    monkeypatch.setattr(workers, "WORKERS", count)

    def work(item, tick):
        if item == 1:
            raise ValueError("broken\nin two lines")
        return None

    found = attempted(work, range(3), CPU)
    assert found == [None, Lost("failed", "ValueError: broken in two lines"), None]


def test_a_piece_that_was_killed_once_is_repeated_alone(monkeypatch, tmp_path):
    if not workers.FORKS:
        pytest.skip("processes are not forked here")
    monkeypatch.setattr(workers, "WORKERS", 2)

    def work(item, tick):
        mark = tmp_path / f"{item}"
        if item == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), 9)
        return item

    assert workers.in_parallel(work, range(4), CPU) == [0, 1, 2, 3]
    assert (tmp_path / "1").exists()


def test_when_asked_to_stop_what_runs_is_finished_and_told(monkeypatch):
    monkeypatch.setattr(workers, "WORKERS", 2)
    done = []
    with pytest.raises(StoppedError), stopping(lambda: bool(done)):
        attempted(lambda item, tick: item, range(10), CPU, done=lambda index, result: done.append(result))
    assert 1 <= len(done) < 10


TASK = """
import symloss

def make():
    import numpy as np
    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    return symloss.task_from_arrays(x, x.sum(1), model="linear")

def metric(outputs, targets):
    cost = float(abs(outputs - targets).mean())
    {break_}
    return cost
"""

SETTINGS = {
    "model": None,
    "grammar": "regression",
    "population": 6,
    "generations": 4,
    "training": {"steps": 10, "learning_rate": 0.05, "step_time_limit": 2.0},
    "tuning": {"steps": 0},
    "filters": {"rejection": False},
    "finalists": {"count": 1, "seeds": 2},
}


def settings(tmp_path, break_):
    file = tmp_path / "mine.py"
    file.write_text(TASK.format(break_=break_))
    return resolve(SETTINGS, {"task": f"{file}:make", "metric": f"{file}:metric"})


BROKEN = "import os, multiprocessing as m\n    if m.parent_process() is not None{when}: {what}"


@pytest.mark.parametrize("what", ["raise ValueError('no such cost')", "os._exit(1)"], ids=["raises", "exits"])
def test_a_search_in_which_everything_fails_stops_and_says_why(tmp_path, what):
    if not workers.FORKS:
        pytest.skip("processes are not forked here")
    config = settings(tmp_path, BROKEN.format(when="", what=what))
    with pytest.raises(RunError, match="failed in 2 generations in a row"):
        start(config, tmp_path / "run")


def test_a_search_in_which_something_fails_goes_on(tmp_path):
    if not workers.FORKS:
        pytest.skip("processes are not forked here")
    when = " and 0.9 < cost < 1.2"
    config = settings(tmp_path, BROKEN.format(when=when, what="raise ValueError('no such cost')"))
    outcome = start(config, tmp_path / "run")
    statuses = [c.score.status for c in outcome.candidates]
    assert outcome.complete
    assert Status.FAILED in statuses
    assert Status.OK in statuses
    failed = next(c for c in outcome.candidates if c.score.status is Status.FAILED)
    assert "mine.py, line" in failed.score.detail
    assert "no such cost" in failed.score.detail
