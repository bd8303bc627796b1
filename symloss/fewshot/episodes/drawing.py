"""Characters drawn from the outlines of a font, to the same bytes on every machine.

Fonts are drawn a little differently by every version of every library. Here a picture is made of outlines (by
fontTools, exact), of additions, multiplications and divisions (the same in IEEE arithmetic wherever they are
done one by one), and of counting.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE = 28
"""Pixels of a picture each way."""

BOX = 20
"""Pixels of the larger side of a character, which is drawn in the middle, as in MNIST."""

FINE = 8
"""A pixel is judged at FINE x FINE places."""

PIECES = 4
"""Straight lines in the place of one curve."""

Point = tuple[float, float]
Line = tuple[Point, Point]
Picture = NDArray[np.uint8]


def draw(font: Any, codes: Iterable[int]) -> Iterator[tuple[int, Picture]]:
    """(code, picture (28, 28)) of those of the characters that the fontTools font has, and that show ink."""
    from fontTools.pens.recordingPen import DecomposingRecordingPen

    glyphs, names = font.getGlyphSet(), font.getBestCmap()
    for code in codes:
        if code not in names:
            continue
        pen = DecomposingRecordingPen(glyphs)
        glyphs[names[code]].draw(pen)
        lines = list(_lines(pen.value))
        if lines:
            yield code, fill(lines)


def _lines(drawn: Sequence[tuple[str, tuple[Any, ...]]]) -> Iterator[Line]:
    """The straight lines of an outline as fontTools records it: of TrueType, so curves are quadratic."""
    here: Point = (0.0, 0.0)
    start = here
    for verb, points in drawn:
        if verb == "moveTo":
            start = here = points[0]
        elif verb == "lineTo":
            yield here, points[0]
            here = points[0]
        elif verb == "qCurveTo":
            if points[-1] is None:  # a closed curve without any point on it
                start = here = _middle(points[-2], points[0])
            for control, end in _segments([*points[:-1], points[-1] or here]):
                yield from _curve(here, control, end)
                here = end
        elif verb in ("closePath", "endPath") and here != start:
            yield here, start


def _segments(points: Sequence[Point]) -> Iterator[tuple[Point, Point]]:
    """(control, end) of each piece: between two controls the curve goes through their middle."""
    *controls, last = points
    for control, following in itertools.pairwise(controls):
        yield control, _middle(control, following)
    yield controls[-1], last


def _middle(a: Point, b: Point) -> Point:
    return (a[0] + b[0]) / 2, (a[1] + b[1]) / 2


def _curve(a: Point, control: Point, b: Point) -> Iterator[Line]:
    before = a
    for step in range(1, PIECES + 1):
        t = step / PIECES
        p, q, r = (1 - t) * (1 - t), 2 * t * (1 - t), t * t
        after = (p * a[0] + q * control[0] + r * b[0], p * a[1] + q * control[1] + r * b[1])
        yield before, after
        before = after


def fill(lines: Sequence[Line]) -> Picture:
    """The inside of closed outlines, ink 255, in the middle of a picture and as large as the box.

    A place is inside if outlines wind around it. Where lines cross a row of places, each of them changes the
    number of windings of all places to its right by one.
    """
    ends = np.array(lines, np.float64)  # (lines, 2, xy)
    low, high = ends.min((0, 1)), ends.max((0, 1))
    scale = BOX * FINE / float(max(high - low))
    ends = (ends - (low + high) / 2) * scale * (1, -1) + SIDE * FINE / 2
    places = np.arange(SIDE * FINE) + 0.5
    (x0, y0), (x1, y1) = ends[:, 0].T, ends[:, 1].T
    crossing, row = np.nonzero((y0[:, None] <= places) != (y1[:, None] <= places))
    x0, y0, x1, y1 = (part[crossing] for part in (x0, y0, x1, y1))
    x = x0 + (places[row] - y0) * (x1 - x0) / (y1 - y0)
    column = np.ceil(x - 0.5).astype(np.int64)
    change = np.zeros((SIDE * FINE, SIDE * FINE + 1), np.int64)
    np.add.at(change, (row, column), np.where(y1 > y0, 1, -1))
    inside = change.cumsum(1)[:, :-1] != 0
    counts = inside.reshape(SIDE, FINE, SIDE, FINE).sum((1, 3))
    return np.asarray(counts * 255 // FINE**2, np.uint8)
