"""Which characters are classes of the glyphs, and which scripts belong to which split."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass


@dataclass(frozen=True)
class Script:
    """A script, or a kind of sign, and where Unicode has it.

    split:      where it belongs, as a whole.
    ranges:     first and last character of each.
    categories: the first letters of the Unicode categories that are taken: letters and numbers, or symbols.
    """

    name: str
    split: str
    ranges: tuple[tuple[int, int], ...]
    categories: str = "LN"


SCRIPTS = (
    Script("Greek", "test", ((0x0370, 0x03E1), (0x03F0, 0x03FF))),
    Script("Georgian", "test", ((0x10A0, 0x10FF), (0x2D00, 0x2D2F))),
    Script("Hebrew", "test", ((0x0590, 0x05FF),)),
    Script("Tifinagh", "test", ((0x2D30, 0x2D7F),)),
    Script("Armenian", "valid", ((0x0530, 0x058F),)),
    Script("Lao", "valid", ((0x0E80, 0x0EFF),)),
    Script("N'Ko", "valid", ((0x07C0, 0x07FF),)),
    Script("Ogham", "valid", ((0x1680, 0x169F),)),
    Script("Old Italic", "valid", ((0x10300, 0x1032F),)),
    Script("Coptic", "valid", ((0x03E2, 0x03EF), (0x2C80, 0x2CFF))),
    Script("Latin", "train", ((0x0030, 0x02AF), (0x1D00, 0x1EFF), (0x2C60, 0x2C7F), (0xA720, 0xA7FF))),
    Script("Cyrillic", "train", ((0x0400, 0x052F), (0xA640, 0xA69F))),
    Script("Canadian syllabics", "train", ((0x1400, 0x167F),)),
    Script("Arabic", "train", ((0x0600, 0x06FF), (0x0750, 0x077F))),
    Script("Lisu", "train", ((0xA4D0, 0xA4FF),)),
    Script("arrows", "train", ((0x2190, 0x21FF), (0x27F0, 0x27FF), (0x2900, 0x297F)), "S"),
    Script("mathematics", "train", ((0x2200, 0x22FF), (0x27C0, 0x27EF), (0x2A00, 0x2AFF)), "S"),
    Script("pictures", "train", ((0x2600, 0x27BF),), "S"),
)
"""Of two characters that look alike, the script that is named first keeps its own."""


def characters(script: Script) -> list[int]:
    """The codes that may be classes: no letter with an accent, no ligature, no form of another character."""
    return [
        code
        for first, last in script.ranges
        for code in range(first, last + 1)
        if unicodedata.category(chr(code))[0] in script.categories
        and not unicodedata.decomposition(chr(code))
    ]
