"""Figures and animations of a learned loss, in files."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from symloss.archive.files import replace_file
from symloss.errors import ReportError
from symloss.report.analysis.figure import FORMATS, check_file
from symloss.report.learned import Moment, draw_moment, draw_surface

FRAMES, MILLISECONDS = 60, 120


def check(file: Path, overwrite: bool = False) -> None:
    """Raises ReportError if neither a figure nor an animation can go into this file."""
    if file.suffix.lower() != ".gif":
        check_file(file, overwrite)
        return
    if os.path.exists(file) and not overwrite:
        raise ReportError(
            f"'{file}' exists already and is left as it is; choose another name or overwrite it"
        )
    if not os.path.isdir(file.parent):
        raise ReportError(f"the folder '{file.parent}' does not exist")


def save_learned(moments: Sequence[Moment], name: str, file: Path, overwrite: bool = False) -> None:
    """Draw a figure, or an animation into a .gif. Raises ReportError if the file cannot be written."""
    check(file, overwrite)
    replace_file(
        file, _animated(moments, name) if file.suffix.lower() == ".gif" else _drawn(moments, name, file)
    )


def _drawn(moments: Sequence[Moment], name: str, file: Path) -> bytes:
    ending = file.suffix.lower()
    data = io.BytesIO()
    draw_surface(moments, name).savefig(data, format=ending[1:], metadata=FORMATS[ending])
    return data.getvalue()


def _animated(moments: Sequence[Moment], name: str) -> bytes:
    from PIL import Image

    stride = -(-len(moments) // FRAMES)
    numbers = [*range(0, len(moments), stride)]
    frames: list[Any] = []
    for number in numbers:
        data = io.BytesIO()
        draw_moment(moments, number, name).savefig(data, format="png")
        frames.append(Image.open(data).convert("P", palette=Image.Palette.ADAPTIVE))
    out = io.BytesIO()
    frames[0].save(out, format="GIF", save_all=True, append_images=frames[1:], duration=MILLISECONDS, loop=0)
    return out.getvalue()
