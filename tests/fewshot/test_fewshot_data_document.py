"""docs/fewshot-data.md: names everything that there is, and its examples run."""

import re
import sys

import pytest
from documents import TOP, blocks, run

from symloss.fewshot.episodes import FEWSHOT_DATA
from symloss.fewshot.episodes.episode import SPLITS
from symloss.fewshot.episodes.scripts import SCRIPTS
from symloss.fewshot.episodes.warp import WARPS

TEXT = (TOP / "docs/fewshot-data.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", FEWSHOT_DATA)
def test_a_name_is_in_the_document(name):
    assert re.search(rf"^\| `{name}` \|", TEXT, flags=re.MULTILINE)


def test_the_document_has_the_scripts_and_the_warps():
    for split in SPLITS:
        assert f"- {split}: {', '.join(s.name for s in SCRIPTS if s.split == split)}\n" in TEXT
    assert all(f"warp={name}" in TEXT for name in WARPS)
    extreme, strong, mild = WARPS["extreme"], WARPS["strong"], WARPS["mild"]
    assert (extreme.rotation, extreme.shear, extreme.shift, extreme.scale) == (90, 1.0, 0.3, 0.8)
    assert (strong.rotation, strong.shear, strong.shift, strong.scale) == (40, 0.5, 0.2, 0.4)
    assert (mild.rotation, mild.shear, mild.shift, mild.scale) == (15, 0.2, 0.1, 0.15)


def test_the_examples_run(tmp_path):
    first, own = blocks(TEXT, "python")
    printed = run([sys.executable, "-c", f"{first}\n{own}"], tmp_path)
    assert printed.splitlines() == [
        "(5, 1, 28, 28) [0, 1, 2, 3, 4]",
        "(75, 1, 28, 28)",
        "multiclass (4,) (15, 4)",
    ]
