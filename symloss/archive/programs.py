"""Which program made a run folder, from a look at it: nothing but its `run.json` is read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from symloss.archive.files import decode, read_file
from symloss.errors import RunError

FEWSHOT = "fewshot"
"""What few-shot training writes into the field "program"."""


def is_fewshot(path: Path) -> bool:
    """Whether a folder is a run of few-shot training."""
    if not os.path.isfile(path / "run.json"):
        return False
    try:
        found = decode("run.json", read_file(path / "run.json"), Any)
    except RunError:
        return False
    return isinstance(found, dict) and found.get("program") == FEWSHOT
