"""The files that an evaluation ends in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from symloss.archive.files import replace_file
from symloss.evaluation.figures import critical_differences, learning_curves
from symloss.evaluation.results import Evaluation
from symloss.evaluation.tables import as_latex, as_markdown


def reports(evaluation: Evaluation) -> dict[str, bytes]:
    """results.json, report.md, report.tex, learning curves of each task, and ranks over several."""
    data = json.dumps(evaluation.as_json(), indent=2, allow_nan=False) + "\n"
    figures = {
        f"curves-{index}.svg": learning_curves(task) for index, task in enumerate(evaluation.tasks, start=1)
    }
    if evaluation.ranking is not None:
        figures["ranks.svg"] = critical_differences(evaluation.ranking)
    return {
        "results.json": data.encode(),
        "report.md": f"# Losses compared\n\n{as_markdown(evaluation)}".encode(),
        "report.tex": as_latex(evaluation).encode(),
        **figures,
    }


def write_reports(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write the files; earlier ones of the same names are replaced."""
    for name, data in files.items():
        replace_file(folder / name, data)
