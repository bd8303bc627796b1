"""The files that a suite ends in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from symloss.archive.files import replace_file
from symloss.benchmark.command import as_command
from symloss.benchmark.job import CaseResult, seconds_spent
from symloss.benchmark.machine import machine
from symloss.benchmark.report import Origins, documents
from symloss.benchmark.suite import Plan
from symloss.export.header import Header
from symloss.gallery import add, write_gallery


def write_results(
    plan: Plan, results: Sequence[CaseResult], out: Path, report: Path, gallery: Path | None, command: str
) -> list[Path]:
    """Write the report, and the discovered losses into a gallery if one is given. Returns the files."""
    searching = sum(search.seconds for result in results for search in result.searches)
    seconds = {"searches": searching, **seconds_spent(out)}
    origins = Origins(plan.title, command, machine(), seconds)
    report.mkdir(parents=True, exist_ok=True)
    written = []
    for name, data in documents(origins, results).items():
        replace_file(report / name, data)
        written.append(report / name)
    if gallery is not None:
        gallery.mkdir(parents=True, exist_ok=True)
        for result in results:
            add(gallery, result.case.name.replace("-", "_"), result.chosen.best.loss, header_of(result))
        written += [gallery / name for name in write_gallery(gallery)]
    return written


def header_of(result: CaseResult) -> Header:
    """What an exported file says about a discovered loss."""
    best, (task,) = result.chosen.best, result.evaluation.tasks
    stated = Header.of_task(task.title, best.loss.kind, task.notes, task.metric, result.chosen.config.seed)
    found_by = as_command(result.chosen.config, result.case.start_from)
    return replace(stated, found_by=found_by).of(best)
