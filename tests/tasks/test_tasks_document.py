"""docs/tasks.md names everything that there is."""

import pytest
from documents import TOP

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
