"""Pieces of work in processes of their own: order, errors, signs of life, and a clean end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import symloss.workers.parallel as workers
from symloss.errors import TaskError, WorkerError
from symloss.workers import in_parallel, one_thread

CPU = torch.device("cpu")


@pytest.fixture(params=["processes", "threads"])
def way(request, monkeypatch):
    """Two at a time, in whichever way, whatever this machine has."""
    monkeypatch.setattr(workers, "WORKERS", 2)
    if request.param == "processes" and not workers.FORKS:
        pytest.skip("processes are not forked here")
    monkeypatch.setattr(workers, "FORKS", request.param == "processes")
    return request.param


def test_results_come_back_in_order(way):
    def work(item: int, tick) -> torch.Tensor:
        time.sleep(0.01 * (5 - item))
        return torch.full((3,), item)

    found = in_parallel(work, range(5), CPU)
    assert [tensor.tolist() for tensor in found] == [[item] * 3 for item in range(5)]
    assert in_parallel(work, [], CPU) == []


def test_every_piece_runs_on_one_thread_and_flushes_the_smallest_numbers(way):
    def work(item: int, tick) -> tuple[int, float]:
        return torch.get_num_threads(), torch.tensor(1e-40).mul(1.0).item()

    assert in_parallel(work, range(3), CPU) == [(1, 0.0)] * 3


@pytest.mark.parametrize("error", [TaskError("no data"), ValueError("broken"), KeyError("missing")])
def test_an_error_reaches_the_caller_as_it_was(way, error):
    def work(item: int, tick) -> int:
        if item == 1:
            raise error
        return item

    with pytest.raises(type(error), match=str(error.args[0])):
        in_parallel(work, range(4), CPU)


def test_an_error_that_cannot_be_sent_is_told_in_words(monkeypatch):
    class StrangeError(Exception):
        def __init__(self, one: int, two: int) -> None:
            super().__init__("strange")

    def work(item: int, tick) -> int:
        raise StrangeError(1, 2)

    monkeypatch.setattr(workers, "WORKERS", 2)
    if not workers.FORKS:
        pytest.skip("processes are not forked here")
    with pytest.raises(WorkerError, match="StrangeError: strange"):
        in_parallel(work, range(2), CPU)


def test_a_process_that_dies_is_named(monkeypatch):
    def work(item: int, tick) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return item

    monkeypatch.setattr(workers, "WORKERS", 2)
    if not workers.FORKS:
        pytest.skip("processes are not forked here")
    with pytest.raises(WorkerError, match="ended by itself"):
        in_parallel(work, range(2), CPU)


def test_signs_of_life_arrive_and_an_interrupt_ends_the_work(way, tmp_path):
    seen = []

    def work(item: int, tick) -> None:
        for _ in range(400):
            time.sleep(0.005)
            tick()
        (tmp_path / str(item)).touch()

    def show() -> None:
        seen.append(1)
        if len(seen) == 3:
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        in_parallel(work, range(4), CPU, show)
    assert time.monotonic() - began < 60
    assert list(tmp_path.iterdir()) == []


def test_settings_of_the_calling_thread_come_back():
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
        assert torch.tensor(1e-40).mul(1.0).item() == 0.0
    assert torch.get_num_threads() == before
    assert torch.tensor(1e-40).mul(1.0).item() > 0.0


ORPHAN = """
import os, sys, time
import torch
import symloss.workers.parallel as workers

workers.WORKERS = 2

def work(item, tick):
    os.write(1, b"%d\\n" % os.getpid())  # one write: two processes' lines stay whole, unbuffered or not
    time.sleep(1.0)
    return torch.zeros(10**6)  # more than a pipe holds

workers.in_parallel(work, range(2), torch.device("cpu"))
"""


def test_processes_end_when_their_parent_is_killed():
    if not workers.FORKS:
        pytest.skip("processes are not forked here")
    with subprocess.Popen([sys.executable, "-c", ORPHAN], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        try:
            children = [int(parent.stdout.readline()) for _ in range(2)]
        finally:
            parent.kill()
    deadline = time.monotonic() + 30
    while any(_alive(child) for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(_alive(child) for child in children)


def _alive(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    try:
        return status.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_process_that_may_have_no_children_works_by_itself(monkeypatch):
    monkeypatch.setattr(workers, "WORKERS", 2)
    monkeypatch.setattr(multiprocessing.current_process(), "_config", {"daemon": True})
    here = os.getpid()
    assert in_parallel(lambda item, tick: os.getpid(), range(2), CPU) == [here, here]
