"""The Python example of docs/fewshot.md runs."""

import sys

from documents import TOP, blocks, run


def test_the_example_runs(tmp_path):
    (code,) = blocks((TOP / "docs" / "fewshot.md").read_text(), "python")
    assert "squared error" in run([sys.executable, "-c", code], tmp_path)
