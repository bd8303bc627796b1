"""A folder is worked in by one process at a time, whatever becomes of that process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys

import pytest
from click.testing import CliRunner

from symloss.archive.holding import LOCK, held
from symloss.cli.main import main
from symloss.errors import RunError

HOLDER = """
import sys, time, os
from pathlib import Path
from symloss.archive.holding import held
with held(Path(sys.argv[1])):
    if len(sys.argv) > 2 and os.fork() == 0:   # a worker, which outlives its parent
        time.sleep(60)
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that holds a folder; its last argument may be given."""
    started = []

    def start(*arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            start_new_session=True,
        )
        started.append(process)
        assert process.stdout.readline() == "held\n"
        return process

    yield start
    for process in started:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()


def test_a_second_process_is_refused_until_the_first_is_killed(tmp_path, holder):
    first = holder()
    with pytest.raises(RunError, match="another process is at work"), held(tmp_path):
        pass
    first.kill()
    first.wait()
    with held(tmp_path):
        assert (tmp_path / LOCK).exists()
    assert not (tmp_path / LOCK).exists()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes cannot be forked here")
def test_workers_that_outlive_their_parent_hold_nothing(tmp_path, holder):
    first = holder("fork")
    first.kill()
    first.wait()
    with held(tmp_path):
        pass


def test_a_held_folder_is_let_go_when_its_work_fails(tmp_path):
    with pytest.raises(ZeroDivisionError), held(tmp_path):
        raise ZeroDivisionError
    with held(tmp_path):
        pass


def test_of_many_processes_one_works_at_a_time(tmp_path):
    """Each of them reads a number and writes it back a little later, one higher."""
    (tmp_path / "count").write_text("0")
    worker = """
import sys, time
from pathlib import Path
from symloss.archive.holding import held
from symloss.errors import RunError
folder, done = Path(sys.argv[1]), 0
while done < 20:
    try:
        with held(folder):
            number = int((folder / "count").read_text())
            time.sleep(0.001)
            (folder / "count").write_text(str(number + 1))
            done += 1
    except RunError:
        time.sleep(0.0005)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    processes = [
        subprocess.Popen([sys.executable, "-c", worker, str(tmp_path)], env=environment) for _ in range(3)
    ]
    assert [process.wait(timeout=120) for process in processes] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "60"


SMALL = "--population 4 --generations 1 --task digits --model linear --train-size 100".split()
SMALL += "--set training.steps=2 --set tuning.steps=0 --set finalists.count=0".split()
JUDGED = "evaluate brier --task digits --model linear --train-size 100 --steps 2 --seeds 2".split()
JUDGED += "--choosing-seeds 1 --set learning_rates=[0.1] --set widen=0 --set curve_points=1".split()


@pytest.mark.parametrize("work", ["search", "evaluate"])
def test_a_command_on_a_folder_that_is_held_says_so_and_changes_nothing(tmp_path, holder, work):
    out = str(tmp_path)
    first = ["search", *SMALL, "--out", out] if work == "search" else [*JUDGED, "--out", out]
    done = CliRunner().invoke(main, first)
    assert done.exit_code == 0, done.output
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert LOCK not in before
    holder()
    again = CliRunner().invoke(main, ["resume", out] if work == "search" else first)
    assert again.exit_code == 1
    assert f"another process is at work in '{out}'" in again.output
    after = {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != LOCK}
    assert after == before
