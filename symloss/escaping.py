r"""Text of users' and of files, made safe for what it is written into.

A name may hold anything: signs that steer a terminal, that end a table's cell, or that begin a command. Here
it becomes text that shows what it holds. Python's docstrings are made in `export.header`.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path


def printable(text: str, kept: str = "") -> str:
    r"""`text` with what cannot be seen written out as \xNN, but for the characters in `kept`.

    Terminals obey some of it, and some (such as what reverses the direction of text) shows a reader something
    else than what is there. Half of a pair, which no file can hold, is written out too.
    """
    return "".join(c if c.isprintable() or c in kept else _written_out(c) for c in text)


def _written_out(character: str) -> str:
    return character.encode("unicode_escape").decode()


def on_one_line(text: str) -> str:
    """`text` with single spaces for all white space, and nothing that cannot be seen."""
    return printable(" ".join(text.split()))


_MARKS = "\\`*_|<>[]#~&$"
_BEGINNING = re.compile(r"[-+=]|\d+[.)]")
"""What begins a list, underlines a heading, or rules off a page, where it stands first on a line."""


def as_markdown_text(text: str, first: bool = False) -> str:
    """Text on one line in which nothing is taken for Markdown; first: it is the first on its line."""
    marked = "".join(f"\\{c}" if c in _MARKS else c for c in on_one_line(text))
    found = _BEGINNING.match(marked) if first else None
    return marked if found is None else f"{marked[: found.end() - 1]}\\{marked[found.end() - 1 :]}"


def as_markdown_code(text: str, in_table: bool = False) -> str:
    """Text on one line as it is, between as many backticks as end it nowhere too early.

    in_table: a bar would end the cell, in code as well.
    """
    shown = on_one_line(text)
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", shown)), default=0))
    padding = " " if shown[:1] == "`" or shown[-1:] == "`" or not shown else ""
    code = f"{fence}{padding}{shown}{padding}{fence}"
    return code.replace("|", "\\|") if in_table else code


_TEX = {c: rf"\{c}" for c in "&%$#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{c: f"{{{c}}}" for c in "[]*"},  # part of the command \\ if they begin the next row of a table
}


def as_latex_text(text: str) -> str:
    """Text on one line in which nothing is taken for LaTeX."""
    return "".join(_TEX.get(c, c) for c in on_one_line(text))


def pasted(path: Path | str) -> str:
    """A path as a shell takes it, in commands that are shown to be pasted."""
    return shlex.quote(str(path))
