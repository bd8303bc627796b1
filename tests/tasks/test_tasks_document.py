"""docs/tasks.md names everything that there is."""

import sys

import pytest
from documents import TOP, blocks, run

from symloss.tasks import CORRUPTIONS, METRICS, TASKS
from symloss.tasks.metrics import FAMILIES

TEXT = (TOP / "docs/tasks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "name",
    [
        *TASKS,
        *METRICS,
        *(family.example for family in FAMILIES),
        *(f"--{name.replace('_', '-')}" for name in (*CORRUPTIONS, "train_size")),
    ],
)
def test_a_name_is_in_the_document(name):
    assert f"`{name}`" in TEXT or f"`{name} " in TEXT


def test_the_example_of_a_users_task_runs(tmp_path):
    (example,) = blocks(TEXT, "python")
    (tmp_path / "mytask.py").write_text(example)
    search, evaluate = blocks(TEXT, "sh")[-1].splitlines()
    small = (
        "--population 4 --generations 1 --set training.steps=10 --set tuning.steps=0 --set finalists.count=0"
    )
    symloss = [sys.executable, "-m", "symloss"]
    printed = run([*symloss, *search.split()[1:], *small.split()], tmp_path)
    assert "evomal on mine (mine, mytask.py:cost)" in printed
    small = "--steps 10 --seeds 2 --choosing-seeds 1 --set widen=0"
    command = [*symloss, *evaluate.split()[1:], *small.split()]
    printed = " ".join(run(command, tmp_path, COLUMNS="120").split())
    assert "test mytask.py:cost" in printed
    assert "With 2 seeds nothing can be a win or a loss here; 6 or more can show one." in printed
