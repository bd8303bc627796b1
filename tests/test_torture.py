"""A short torture: `python -m benchmarks.torture` has many more of these, for every command."""

from __future__ import annotations

import random
import signal

import pytest

from benchmarks.torture.disk import RIGHT
from benchmarks.torture.kills import kills
from benchmarks.torture.page import PARTS, page
from benchmarks.torture.running import Wholes, to_the_end
from benchmarks.torture.victims import NETWORKS, Victim
from benchmarks.torture.writes import sabotaged

TASK = f"--task digits --model linear --train-size 100 {NETWORKS}"
SEARCH = Victim(
    "search",
    f"search {TASK} --population 4 --generations 2 --set training.steps=5 --set training.learning_rate=0.1 "
    "--set tuning.steps=2 --set finalists.count=1",
    ("candidates.jsonl", "candidates.csv", "finalists.jsonl"),
)
EVALUATE = Victim(
    "evaluate",
    f"evaluate brier --against focal {TASK} --seeds 3 --choosing-seeds 1 --steps 5 --set widen=0 "
    "--set learning_rates=[0.1]",
    ("evaluation.json", "trials.jsonl"),
    "evaluation.json",
)


@pytest.fixture(scope="module")
def wholes(tmp_path_factory):
    return Wholes(tmp_path_factory.mktemp("wholes"))


def test_a_killed_search_ends_with_the_files_of_one_left_alone(wholes, tmp_path):
    (row,) = kills([SEARCH], 1, wholes, tmp_path, random.Random(0))
    assert (row.tried, row.right) == (1, 1)


def test_an_evaluation_that_is_killed_within_a_write_loses_nothing(wholes, tmp_path):
    """Half of the third line of its trials is there, then it goes on."""
    out = tmp_path / "run"
    assert sabotaged(EVALUATE, out, wholes, "killed-half-way", 4).code == -signal.SIGKILL
    trials = (out / "trials.jsonl").read_bytes()
    assert trials.count(b"\n") == 2
    assert not trials.endswith(b"\n")
    to_the_end(EVALUATE, out, wholes.materials)
    assert EVALUATE.differing(out, wholes.of(EVALUATE)) == []
    (out / "trials.jsonl").write_bytes(trials)
    assert EVALUATE.differing(out, wholes.of(EVALUATE)) == ["trials.jsonl"]


def test_a_full_disk_is_told_in_a_sentence(wholes, tmp_path):
    own = sabotaged(EVALUATE, tmp_path / "run", wholes, "full", 3)
    assert own.refused
    assert "No space left on device" in own.output


def test_the_page_counts_what_was_lost():
    row = {"what": "a search", "tried": 3, "right": 2, "answer": RIGHT}
    text = page({"kills": {"command": "COMMAND", "machine": "MACHINE", "rows": [row]}})
    assert "Written by `COMMAND` on MACHINE." in text
    assert f"| a search | 3 | 2 | {RIGHT} |" in text
    assert "In all: 3 tried, 1 lost." in text
    assert PARTS["load"][0] not in text
