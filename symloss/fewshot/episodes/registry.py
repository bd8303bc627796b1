"""Few-shot data by name. To add some, add a maker, its row, and its line in `names`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from symloss.errors import TaskError, did_you_mean
from symloss.fewshot.episodes import embedded
from symloss.fewshot.episodes.episode import FewShotTask
from symloss.fewshot.episodes.plan import Plan
from symloss.fewshot.episodes.spec import FORMS, parse_spec

Maker = Callable[[Plan, Mapping[str, str]], FewShotTask]

MAKERS: dict[str, Maker] = {
    "glyphs": embedded.glyphs,
    "sinusoids": embedded.sinusoids,
}
"""Each takes what is wanted, and the options that the user wrote behind the name."""


def make_fewshot(
    dataset: str, ways: int, shots: int, queries: int = 15, seed: int = 0, data: str | Path | None = None
) -> FewShotTask:
    """Few-shot data by name, ready to be learned from.

    dataset: a name in `FEWSHOT_DATA`, perhaps with options (`glyphs?warp=mild`).
    ways, shots, queries: classes of an episode, and support and query images of each.
    seed:    decides the episodes.
    data:    folder with data files, searched first.
    Raises:  TaskError in one sentence.
    """
    plan = Plan(dataset, ways, shots, queries, seed, Path(data).expanduser() if data is not None else None)
    name, options = parse_spec(dataset)
    if name not in MAKERS:
        raise TaskError(f"unknown few-shot data '{name}'; {did_you_mean(name, MAKERS)}; your own are {FORMS}")
    return MAKERS[name](plan, options)
