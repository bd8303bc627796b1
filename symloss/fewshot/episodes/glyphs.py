"""Glyphs: more than a thousand characters as classes, drawn from the fonts that matplotlib ships.

Needs no download. Drawn once, kept in a cache, and the same bytes everywhere, which a digest proves.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.fewshot.episodes.drawing import Picture, draw
from symloss.fewshot.episodes.lookalikes import distinct
from symloss.fewshot.episodes.scripts import SCRIPTS, characters
from symloss.reading.arrays import read_arrays
from symloss.tasks.folders import folders, store

FILE = "glyphs.npz"

DIGEST = "ff4cfc36f09bff30d5c9fbde605bd1f465514bf97b662d8a2f3e2ce4cf8ef4ac"
"""Of all pictures and what they show. It changes with the fonts, or with how they are drawn."""

FONTS = (
    *("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSansMono-Bold"),
    *("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic"),
    *("STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "STIXGeneralBolIta"),
)
"""Slanted versions of upright drawings are left out: a warp does as much."""

COMPUTER_MODERN = ("cmr10", "cmb10", "cmti10", "cmss10", "cmtt10", "cmmi10")
"""Beyond ASCII these fonts have characters under the codes of others."""


@dataclass(frozen=True, eq=False)
class Glyphs:
    """pictures: (drawings, 28, 28) bytes, ink 255. codes: (drawings,) the character of each, in groups.
    scripts: (drawings,) index into `SCRIPTS`.
    """

    pictures: Picture
    codes: NDArray[np.int64]
    scripts: NDArray[np.int64]

    def digest(self) -> str:
        """SHA-256 of all numbers."""
        found = hashlib.sha256()
        for array, kind in ((self.pictures, "u1"), (self.codes, "<i8"), (self.scripts, "<i8")):
            found.update(np.ascontiguousarray(array.astype(kind)).tobytes())
        return found.hexdigest()

    def classes(self, split: str) -> dict[int, Picture]:
        """The drawings (n, 28, 28) of each character of a split, by its code."""
        found = {}
        for number, script in enumerate(SCRIPTS):
            if script.split == split:
                for code in np.unique(self.codes[self.scripts == number]):
                    found[int(code)] = self.pictures[self.codes == code]
        return found


def load_glyphs(data: str | Path | None = None) -> Glyphs:
    """The glyphs: from a cache, or drawn (up to a minute) and put there.

    data:   folder of data sets, looked into first.
    Raises: TaskError if the fonts of this matplotlib are not those that symloss knows.
    """
    for folder in folders("glyphs", data):
        kept = _read(folder / FILE)
        if kept is not None:
            return kept
    drawn = draw_glyphs()
    if drawn.digest() != DIGEST:
        raise TaskError(
            f"the glyphs drawn from the fonts of this matplotlib have the digest {drawn.digest()[:12]}, "
            f"expected {DIGEST[:12]}, so results could not be compared with others; install matplotlib 3.8 "
            f"to 3.11 as it was published, or copy {FILE} from another machine into {store('glyphs', data)}"
        )
    with contextlib.suppress(OSError):  # a place that cannot be written costs time, nothing else
        _keep(drawn, store("glyphs", data))
    return drawn


def _read(path: Path) -> Glyphs | None:
    """What a file has, if it is there, whole, and of this version."""
    try:
        found = read_arrays(path, TaskError, "")
        glyphs = Glyphs(found["pictures"], found["codes"], found["scripts"])
        return glyphs if glyphs.digest() == DIGEST else None
    except (TaskError, KeyError, ValueError):
        return None


def _keep(glyphs: Glyphs, folder: Path) -> None:
    """Write in one step, whoever else does the same."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / f"{FILE}.{os.getpid()}.partial"
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, pictures=glyphs.pictures, codes=glyphs.codes, scripts=glyphs.scripts)
        os.replace(partial, folder / FILE)
    finally:
        partial.unlink(missing_ok=True)


def draw_glyphs() -> Glyphs:
    """Draw all characters in all fonts, and leave out those that look like another one."""
    scripts = {code: number for number, script in enumerate(SCRIPTS) for code in characters(script)}
    drawings = _drawings(list(scripts))
    # In the order of the scripts, of which the first keeps its own; a lone drawing makes no class.
    groups = {code: np.stack(drawings[code]) for code in scripts if len(drawings[code]) >= 2}
    kept = distinct(list(groups.values()))
    codes = [code for code, keep in zip(groups, kept, strict=True) if keep]
    each = np.repeat(np.array(codes), [len(groups[code]) for code in codes])
    return Glyphs(
        np.concatenate([groups[code] for code in codes]),
        each,
        np.array([scripts[int(code)] for code in each]),
    )


def _drawings(codes: list[int]) -> dict[int, list[Picture]]:
    """The drawings of each character, all different."""
    import matplotlib as mpl
    from fontTools.ttLib import TTFont

    folder = Path(mpl.get_data_path()) / "fonts" / "ttf"
    found: dict[int, list[Picture]] = defaultdict(list)
    plain = [code for code in codes if code < 128]
    for name in (*FONTS, *COMPUTER_MODERN):
        path = folder / f"{name}.ttf"
        if not path.is_file():
            raise TaskError(f"matplotlib's font {path} is missing; install matplotlib as it was published")
        with _quietly(), TTFont(path, lazy=True) as font:
            for code, picture in draw(font, plain if name in COMPUTER_MODERN else codes):
                if not any(np.array_equal(picture, other) for other in found[code]):
                    found[code].append(picture)
    return found


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without fontTools' remarks on the dates in Computer Modern."""
    log = logging.getLogger("fontTools.ttLib.tables._h_e_a_d")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before
