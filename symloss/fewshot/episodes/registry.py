"""Few-shot data by name. To add some, add a maker, its row, and its line in `names`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from symloss.errors import TaskError, did_you_mean
from symloss.fewshot.episodes import embedded, published
from symloss.fewshot.episodes.episode import FewShotTask
from symloss.fewshot.episodes.plan import Plan
from symloss.fewshot.episodes.spec import FORMS, parse_spec
from symloss.fewshot.episodes.user_folder import PREFIX, from_folder
from symloss.fewshot.episodes.user_function import EpisodeFunction, from_function
from symloss.reading.files import expanded
from symloss.tasks.loading import is_spec, load_callable

Maker = Callable[[Plan, Mapping[str, str]], FewShotTask]

MAKERS: dict[str, Maker] = {
    "glyphs": embedded.glyphs,
    "sinusoids": embedded.sinusoids,
    "omniglot": published.omniglot,
    "mini-imagenet": published.mini_imagenet,
    "tiered-imagenet": published.tiered_imagenet,
    "cifar-fs": published.cifar_fs,
    "fc100": published.fc100,
    "cub": published.cub,
}
"""Each takes what is wanted, and the options that the user wrote behind the name."""


def make_fewshot(
    dataset: str | EpisodeFunction,
    ways: int,
    shots: int,
    queries: int = 15,
    seed: int = 0,
    data: str | Path | None = None,
) -> FewShotTask:
    """Few-shot data by name, or a user's own, ready to be learned from.

    dataset: a name in `FEWSHOT_DATA`, perhaps with options (`glyphs?warp=mild`); `folder:PATH`, a folder of
             class/image files; or a function that makes episodes, or `path/to/file.py:function` or
             `package.module:function` that names one (see `user_function.FunctionEpisodes`).
    ways, shots, queries: classes of an episode, and support and query images of each.
    seed:    decides the episodes.
    data:    folder with data files, searched first.
    Raises:  TaskError in one sentence.
    """
    name = dataset if isinstance(dataset, str) else getattr(dataset, "__name__", "function")
    folder = expanded(data, TaskError) if data is not None else None
    plan = Plan(name, ways, shots, queries, seed, folder)
    if not isinstance(dataset, str):
        return from_function(plan, dataset)
    if dataset.startswith(PREFIX):
        return from_folder(plan)
    if is_spec(dataset):
        return from_function(plan, load_callable(dataset, "few-shot data"))
    name, options = parse_spec(dataset)
    if name not in MAKERS:
        raise TaskError(f"unknown few-shot data '{name}'; {did_you_mean(name, MAKERS)}; your own are {FORMS}")
    return MAKERS[name](plan, options)
