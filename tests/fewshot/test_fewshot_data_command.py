"""`symloss fewshot data`."""

import pytest
from click.testing import CliRunner
from episode_helpers import write_classes
from PIL import Image

from symloss.cli.fewshot_data import command
from symloss.fewshot.episodes import FEWSHOT_DATA

FUNCTION = """
import numpy as np

def episode(split, rng):
    sides = []
    for each in (1, 2):
        y = np.arange(3).repeat(each)
        sides.append((rng.normal(y[:, None], 1.0, (len(y), 4)), y))
    return sides
"""


def run(*words):
    return CliRunner().invoke(command, list(map(str, words)))


def test_data_are_listed():
    result = run()
    assert result.exit_code == 0
    assert all(name in result.output for name in FEWSHOT_DATA)


@pytest.mark.parametrize("split", ["train", "valid", "test"])
def test_glyphs_are_shown(tmp_path, split):
    result = run("--dataset", "glyphs", "--png", tmp_path / "sheet.png", "--split", split)
    assert result.exit_code == 0, result.output
    assert "1032 characters to train, 141 characters to valid, 179 characters to test" in result.output
    assert "test: Greek, Georgian, Hebrew, Tifinagh" in result.output
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (16 * 30 + 4, 4 * (5 * 30 + 4))


def test_a_folder_and_a_function_are_shown(tmp_path):
    write_classes(tmp_path / "data", [f"c{n:02}" for n in range(12)])
    result = run("--dataset", f"folder:{tmp_path / 'data'}", "--ways", 2, "--queries", 3)
    assert result.exit_code == 0, result.output
    assert "multiclass, inputs 1x6x6\n2-way 1-shot, 3 queries of each class" in result.output
    (tmp_path / "mine.py").write_text(FUNCTION)
    result = run("--dataset", f"{tmp_path / 'mine.py'}:episode", "--ways", 3, "--queries", 2)
    assert result.exit_code == 0, result.output
    assert "multiclass, inputs 4" in result.output


def test_a_sheet_needs_data():
    result = run("--png", "sheet.png")
    assert result.exit_code == 2
    assert "--png needs --dataset NAME" in result.output
