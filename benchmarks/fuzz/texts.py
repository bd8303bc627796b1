"""Hostile text: what somebody wrote, changed here and there, and words of a language in any order."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

STRANGE = (
    "\x00",
    "\x1b[31m",
    "\r",
    "\n",
    "\t",
    "\x85",
    "\u2028",
    "\u202e",
    "\ufeff",
    "\U0001f600",
    "\u0430",  # looks like an a
    "\u0661",  # a digit, but none of ours
    "\udcff",  # a byte that is no UTF-8
    "'",
    '"',
    '"""',
    "\\",
    "`",
    "%s{0}$x",
    "#",
    "[red]",
    "0" * 400,
    "9" * 5_000,
    "1e999",
    "-1e-999",
    "nan",
    "inf",
    "-0",
    "(" * 300,
    ")" * 300,
    "[" * 300,
    "a" * 3_000,
    "__import__('os')",
    "../../x",
)
"""What breaks programs that read text."""

VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    -1,
    0,
    1,
    2**31,
    2**63,
    2**64,
    10**30,
    1e308,
    -0.0,
    0.5,
    "",
    "x",
    "1",
    "\x1b[31m",
    "\ud800",
    "a" * 3_000,
    [],
    {},
    [[]],
    [None],
    {"": {}},
    {"x": 1},
)
"""Values that stand where others are expected."""


def jumbled(words: Sequence[str], most: int = 30) -> st.SearchStrategy[str]:
    """Words in any order."""
    return st.lists(st.sampled_from([*words, *words, " ", *STRANGE]), max_size=most).map("".join)


@st.composite
def edited(draw: st.DrawFn, originals: Sequence[str], words: Sequence[str]) -> str:
    """One of some texts with a few edits."""
    text = draw(st.sampled_from(originals))
    pieces = st.sampled_from([*words, *STRANGE])
    for _ in range(draw(st.integers(1, 5))):
        at = draw(st.integers(0, len(text)))
        to = min(len(text), at + draw(st.integers(0, 12)))
        match draw(st.integers(0, 4)):
            case 0:
                text = text[:at] + draw(pieces) + text[at:]
            case 1:
                text = text[:at] + text[to:]
            case 2:
                text = text[:at] + draw(pieces) + text[to:]
            case 3:
                text = text[:at] + text[at:to] * draw(st.integers(2, 5)) + text[to:]
            case _:
                text = text[:at] + draw(st.text(max_size=3)) + text[at:]
    return text


@st.composite
def revalued(draw: st.DrawFn, original: Any, values: Sequence[Any] = VALUES) -> Any:
    """Plain data in which some values are others, and some names too."""
    data = json.loads(json.dumps(original))
    for _ in range(draw(st.integers(1, 3))):
        places = list(_places(data))
        if not places:
            break
        holder, key = draw(st.sampled_from(places))
        match draw(st.integers(0, 5)):
            case 0:
                del holder[key]
            case 1 if isinstance(holder, dict):
                holder[draw(st.sampled_from(["", "x", "seed", "$.a[0]", "`b`", "\n"]))] = holder.pop(key)
            case _:
                holder[key] = copy.deepcopy(draw(st.sampled_from(values)))  # it may be changed next
    return data


def _places(data: Any) -> list[tuple[Any, Any]]:
    """Every value in plain data, as what holds it and where."""
    if isinstance(data, dict):
        own = list(data.items())
    elif isinstance(data, list):
        own = list(enumerate(data[:4]))  # of six hundred random numbers each is like the others
    else:
        return []
    return [(data, key) for key, _ in own] + [place for _, value in own for place in _places(value)]


def as_bytes(text: str) -> bytes:
    """The bytes of a text, in which a lone half of a pair stands for a byte that is no UTF-8."""
    return b"".join(bytes([ord(c) & 0xFF]) if 0xD800 <= ord(c) <= 0xDFFF else c.encode() for c in text)
