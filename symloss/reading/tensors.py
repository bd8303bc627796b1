"""Tensors in files of `torch.save`, which are zip archives with a pickle that says what is where.

`torch.load(weights_only=True)` executes nothing, but makes whatever such a pickle asks for, of any size: only
tensors, numbers, texts, and lists and dictionaries of them are let through.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from typing import Any

import torch

MAX_PICKLE = 2**22
"""Largest pickle of an archive, in bytes; a hundred bytes stand for a tensor."""

MAX_PARTS = 200_000
"""Most parts of what an archive stands for. A list of lists of lists may have any number, in a few bytes."""

_MADE = re.compile(
    r"torch\._utils _rebuild_(tensor_v2|parameter)|torch \w+Storage|collections OrderedDict|torch Size"
)
"""What a pickle may name."""


def tensors_in(data: bytes, device: torch.device | str = "cpu") -> Any:
    """What was saved. Raises ValueError, in words, for what is no archive of tensors, or damaged."""
    try:
        _check_archive(data)
        found = torch.load(io.BytesIO(data), weights_only=True, map_location=device)
    except Exception as error:  # torch raises many kinds for files that are something else
        raise ValueError(_first_line(error)) from None
    _check_parts(found)
    return found


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _check_archive(data: bytes) -> None:
    """Raise ValueError unless the archive is stored as torch does it, and its pickle is a plain one."""
    if not data.startswith(b"PK"):  # torch's older format is a pickle from its first byte on
        raise ValueError("it is not an archive of tensors")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = archive.infolist()
        packed = [own.filename for own in members if own.compress_type != zipfile.ZIP_STORED]
        if packed or sum(own.file_size for own in members) > len(data):
            raise ValueError("it is compressed, which torch never does")
        pickles = [own for own in members if own.filename.endswith("data.pkl")]
        if len(pickles) != 1 or pickles[0].file_size > MAX_PICKLE:
            raise ValueError(f"it does not have one list of tensors of at most {MAX_PICKLE} bytes")
        _check_names(archive.read(pickles[0]))


def _check_names(pickled: bytes) -> None:
    for operation, argument, _ in pickletools.genops(pickled):  # this reads, and makes nothing
        if operation.name == "GLOBAL" and not _MADE.fullmatch(str(argument)):
            raise ValueError(f"it asks for {str(argument)[:60]!a}, which is no tensor")
        if operation.name in ("STACK_GLOBAL", "INST", "OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4"):
            raise ValueError("it asks for something that is no tensor")


def _check_parts(found: Any) -> None:
    """Raise ValueError if something has very many parts, or a tensor more numbers than are stored for it."""
    rest, count = [found], 0
    while rest:
        part = rest.pop()
        count += 1
        if count > MAX_PARTS:
            raise ValueError(f"it has more than {MAX_PARTS} parts")
        if isinstance(part, torch.Tensor):
            if part.numel() * part.element_size() > part.untyped_storage().nbytes():
                raise ValueError(f"a tensor of shape {tuple(part.shape)} has fewer numbers than that")
        elif isinstance(part, dict):
            rest += [*part.keys(), *part.values()]
        elif isinstance(part, list | tuple | set):
            rest += part
