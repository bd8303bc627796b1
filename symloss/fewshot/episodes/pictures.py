"""Images in files: read when they are wanted, checked, and kept in memory while there is room."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from symloss.errors import TaskError
from symloss.fewshot.episodes.classes import Bytes
from symloss.reading.files import check_ordinary, reason_of

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".webp", ".tif", ".tiff"))

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "WEBP", "TIFF")

MAX_PIXELS = 2**26
"""Largest image that is decoded; a small file may announce any number of pixels."""

MAX_BYTES = 2**28
"""Largest image file that is read."""

ROOM = 2**31
"""Bytes of decoded images that one task keeps."""


@dataclass(frozen=True)
class Look:
    """What images are made into: `channels` (1 grey, 3 colours), and `size` pixels each way.

    size:   the shorter side is resized to it and the middle cut out; None leaves images as they are.
    invert: whether black becomes white, for ink on paper.
    """

    channels: int
    size: int | None = None
    invert: bool = False


@dataclass
class Memory:
    """Decoded images by file. When it is full, others are read again each time."""

    used: int = 0
    images: dict[Path, Bytes] = field(default_factory=dict)

    def keep(self, path: Path, image: Bytes) -> None:
        """Keep an image if there is room."""
        if self.used + image.nbytes <= ROOM:
            self.images[path] = image
            self.used += image.nbytes


@dataclass(frozen=True, eq=False)
class Pictures:
    """The images of one class, in files."""

    paths: Sequence[Path]
    look: Look
    memory: Memory

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, chosen: NDArray[np.int64]) -> Bytes:
        return np.stack([self._image(self.paths[number]) for number in chosen])

    def _image(self, path: Path) -> Bytes:
        found = self.memory.images.get(path)
        if found is None:
            found = read_image(path, self.look)
            self.memory.keep(path, found)
        return found


def read_image(path: Path, look: Look) -> Bytes:
    """(channels, height, width) bytes of an image file.

    Raises: TaskError if it is no image, damaged, or larger than any that is expected.
    """
    with _opened(path) as image:
        try:
            pixels = _resized(image.convert("L" if look.channels == 1 else "RGB"), look.size)
        except Exception as error:  # pillow raises many kinds for damaged files
            raise TaskError(
                f"{path} cannot be decoded: {reason_of(error)}; remove the file or get it again"
            ) from error
    found = np.asarray(pixels, np.uint8)
    found = found[None] if found.ndim == 2 else found.transpose(2, 0, 1)
    return 255 - found if look.invert else found


def image_form(path: Path) -> tuple[int, int, int]:
    """Channels (1 or 3), height and width of an image file, from its header alone."""
    with _opened(path) as image:
        channels = 1 if image.mode in ("1", "L", "LA") else 3
        return channels, image.height, image.width


def _opened(path: Path) -> Any:
    """The pillow image of a file, of which only the header has been read."""
    from PIL import Image, UnidentifiedImageError

    check_ordinary(path, "the image", MAX_BYTES, TaskError)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path, formats=FORMATS)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise TaskError(f"{path} is too large an image: {error}; make it smaller") from error
    except UnidentifiedImageError as error:
        raise TaskError(
            f"{path} is no image of a known kind ({', '.join(FORMATS)}); remove or convert it"
        ) from error
    except Exception as error:
        raise TaskError(
            f"{path} cannot be read: {reason_of(error)}; remove the file or get it again"
        ) from error
    if image.width * image.height > MAX_PIXELS:
        image.close()
        raise TaskError(
            f"{path} has {image.width}x{image.height} pixels, expected at most {MAX_PIXELS}; make it smaller"
        )
    if image.mode.startswith(("I", "F")):
        image.close()
        raise TaskError(f"{path} has more than 8 bits in a channel (mode {image.mode}); convert it to 8 bits")
    return image


def _resized(image: Any, size: int | None) -> Any:
    from PIL import Image

    if size is None or image.size == (size, size):
        return image
    width, height = image.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    middle = image.crop((left, top, left + side, top + side))
    return middle.resize((size, size), Image.Resampling.LANCZOS)
