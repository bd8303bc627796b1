"""Few-shot data that come with symloss: nothing to download."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
from torch import Tensor

from symloss.errors import TaskError
from symloss.fewshot.episodes.assembling import plain_images
from symloss.fewshot.episodes.augmenting import shifted
from symloss.fewshot.episodes.classes import ClassEpisodes, check_sizes, in_halves
from symloss.fewshot.episodes.episode import SPLITS, FewShotTask
from symloss.fewshot.episodes.glyphs import load_glyphs
from symloss.fewshot.episodes.plan import Plan
from symloss.fewshot.episodes.scripts import SCRIPTS
from symloss.fewshot.episodes.sinusoids import Sinusoids
from symloss.fewshot.episodes.spec import check_options
from symloss.fewshot.episodes.warp import find_warp

WARP = "strong"


def sinusoids(plan: Plan, options: Mapping[str, str]) -> FewShotTask:
    """See `Sinusoids`."""
    check_options(plan.label, options, ())
    if plan.ways != 1:
        raise TaskError(
            f"{plan.label} are regression, which has no classes, found {plan.ways} ways; use 1 way"
        )
    sources = [Sinusoids(split, plan.seed, plan.shots, plan.queries) for split in SPLITS]
    return plan.task(sources, notes=("a sine curve for each episode, generated",))


def glyphs(plan: Plan, options: Mapping[str, str]) -> FewShotTask:
    """Characters of fonts, warped; the option `warp` names how strongly (`warp.WARPS`)."""
    check_options(plan.label, options, ("warp",))
    strength = options.get("warp", WARP)
    warp, loaded = find_warp(strength), load_glyphs(plan.data)

    def finish(x: Tensor, y: Tensor, rng: np.random.Generator) -> Tensor:
        return warp(x, rng) if warp else x

    sources = []
    for split in SPLITS:
        classes = {code: drawings[:, None] for code, drawings in loaded.classes(split).items()}
        check_sizes(plan.label, split, list(classes.values()), plan.ways, 2)
        names = [f"U+{code:04X} {chr(code)}" for code in classes]
        sources.append(plan.source(split, list(classes.values()), names, finish, in_halves))
    load = functools.partial(plain_images, sources[0], None)
    return plan.task(sources, _glyph_notes(sources, strength), load, warp or shifted)


def _glyph_notes(sources: list[ClassEpisodes], strength: str) -> tuple[str, ...]:
    found = [f"{len(source.classes)} characters to {source.split}" for source in sources]
    scripts = (f"{split}: {', '.join(s.name for s in SCRIPTS if s.split == split)}" for split in SPLITS)
    return (", ".join(found), *scripts, f"warps: {strength}")
