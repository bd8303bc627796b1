"""Where grammars are found: the shipped ones by name, a user's by path."""

from __future__ import annotations

import os
from pathlib import Path

from symloss.errors import GrammarError, did_you_mean
from symloss.expr.text import cut_short
from symloss.grammar.model import Grammar
from symloss.grammar.reader import read_grammar

SUFFIX = ".grammar"


def grammar_folder() -> Path:
    """The folder of the shipped grammars: inside an installed package, or beside it in a source tree."""
    package = Path(__file__).resolve().parent.parent
    installed = package / "grammars"
    return installed if installed.is_dir() else package.parent / "grammars"


def shipped_grammars() -> list[str]:
    """Names of the shipped grammars."""
    return sorted(path.stem for path in grammar_folder().glob(f"*{SUFFIX}"))


def load_grammar(name_or_path: str | Path) -> Grammar:
    """A shipped grammar by its name, or the grammar in a file.

    Raises GrammarError if there is neither, or if the file is wrong.
    """
    text = str(name_or_path)
    if text in shipped_grammars():
        return read_grammar(grammar_folder() / f"{text}{SUFFIX}")
    path = Path(name_or_path)
    if not os.path.exists(path) and path.suffix != SUFFIX and len(path.parts) == 1:
        raise GrammarError(
            f"no grammar '{cut_short(text, 100)}', and no file of that name: "
            f"{did_you_mean(text, shipped_grammars())}"
        )
    return read_grammar(path)
