"""docs/learned-losses.md: its example runs, its commands are known, and its settings are as it says."""

from __future__ import annotations

import shlex
import sys

import msgspec
from click.testing import CliRunner
from documents import TOP, blocks, run

from symloss.cli import main
from symloss.learning.settings import LearnConfig

PAGE = (TOP / "docs" / "learned-losses.md").read_text(encoding="utf-8")


def test_the_example_runs(tmp_path):
    (example,) = blocks(PAGE, "python")
    shown = run([sys.executable, "-c", example], tmp_path, OMP_NUM_THREADS="1", CUDA_VISIBLE_DEVICES="")
    assert shown.strip() == "True"


def test_commands_have_the_options_that_are_shown():
    (block,) = blocks(PAGE, "sh")
    for line in block.splitlines():
        name, *words = shlex.split(line, comments=True)[1:]
        text = CliRunner().invoke(main, [name, "--help"]).output
        assert all(word in text for word in words if word.startswith("--")), line


def test_settings_and_their_defaults_are_those_of_the_code():
    defaults = msgspec.to_builtins(LearnConfig())
    defaults["network"] = msgspec.to_builtins(LearnConfig().loss_network)
    rows = [line.split("|")[1:3] for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(rows) > 8
    for names, values in rows:
        shown = [value.strip(" `") for value in values.split(",")]
        for name in names.replace("`", "").split(","):
            found = defaults
            for part in name.strip().split("."):
                found = found[part]
            if found is not None:
                told = shown.pop(0).split(" ")[0]
                assert told == str(found) or float(told) == float(found), name
