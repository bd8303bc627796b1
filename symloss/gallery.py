"""The gallery: a folder of losses in every language, each file checked, that can be built again.

Handcrafted losses come from the catalogue. Discovered ones come from the folder itself: their JSON files hold
formula and origin, and everything else is written from them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from symloss.errors import ExportError
from symloss.escaping import as_markdown_code, as_markdown_text
from symloss.export.forms import careful_form, plain_form
from symloss.export.header import Header
from symloss.export.read import read_export
from symloss.export.targets import TARGETS
from symloss.export.verify import verify_codes
from symloss.export.write import write_content
from symloss.expr import format_formula
from symloss.losses.catalogue import CATALOGUE
from symloss.records import SymbolicLoss
from symloss.report.curves import curves_svg, drawn, fingerprint
from symloss.sources import catalogue_header

RUN = ("torch", "numpy")
SHOWN = ("latex", "json")
INDEX = "README.md"
LIMIT = 600.0
"""Seconds for executing all files of a gallery."""


_NAME = re.compile(r"[A-Za-z0-9_.-]+")


@dataclass(frozen=True)
class Entry:
    """A loss of the gallery. name: of its files, without their suffixes."""

    name: str
    loss: SymbolicLoss
    header: Header

    @property
    def discovered(self) -> bool:
        return bool(self.header.found_by)

    def file(self, format: str) -> str:
        """The name of its file in a format, or of its picture."""
        return f"{self.name}.svg" if format == "picture" else f"{self.name}{TARGETS[format].suffix}"


def entries(folder: Path) -> list[Entry]:
    """The discovered losses of `folder`, then the catalogue."""
    found = []
    for path in sorted(folder.glob("*.json")):
        stated = read_export(path)
        header = Header.from_facts(stated.name, stated.facts)
        if header.found_by and not _NAME.fullmatch(path.stem):
            raise ExportError(
                f"'{path}' is no name for a loss of the gallery, whose page links to it: "
                "letters, digits, '_', '-' and '.' alone are expected"
            )
        if header.found_by:
            found.append(Entry(path.stem, stated.loss, header))
    rows = [
        Entry(row.name.replace("-", "_"), row.loss(), catalogue_header(row)) for row in CATALOGUE.values()
    ]
    return found + rows


def built(folder: Path) -> dict[str, str]:
    """The text of every file, by name. Executes all code; raises ExportError if any of it is wrong."""
    from symloss.export.simplifying import kept

    chosen = entries(folder)
    jobs = [(entry, format) for entry in chosen for format in RUN]
    forms = [careful_form(entry.loss) for entry, _ in jobs]
    drafts = [TARGETS[format].emit(form, Header()) for (_, format), form in zip(jobs, forms, strict=True)]
    written = [(entry.loss, draft, format) for (entry, format), draft in zip(jobs, drafts, strict=True)]
    files = {INDEX: index(chosen)}
    for (entry, format), form, checked in zip(jobs, forms, verify_codes(written, LIMIT), strict=True):
        header = replace(entry.header, verified=checked.verdict)
        files[entry.file(format)] = TARGETS[format].emit(form, header)
    with kept():
        for entry in chosen:
            for format in SHOWN:
                files[entry.file(format)] = TARGETS[format].emit(plain_form(entry.loss), entry.header)
            files[entry.file("picture")] = curves_svg(entry.loss)
    return files


def write_gallery(folder: Path) -> list[str]:
    """Write every file of the gallery that is missing or different. Returns their names."""
    changed = differences(folder, files := built(folder))
    for name in changed:
        write_content(folder / name, files[name], overwrite=True)
    return changed


def differences(folder: Path, files: dict[str, str]) -> list[str]:
    """Names of files that are not in `folder` as they should be. Pictures are compared by what they show."""
    return [name for name, text in files.items() if not _same(folder / name, text)]


def left_over(folder: Path, files: dict[str, str]) -> list[str]:
    """Names of files in `folder` that belong to no entry."""
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.name not in files)


def _same(path: Path, text: str) -> bool:
    try:
        found = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return False
    if path.suffix == ".svg":
        return drawn(found) == drawn(text)
    return found == text


def add(folder: Path, name: str, loss: SymbolicLoss, header: Header) -> None:
    """State a discovered loss in the folder; `write_gallery` writes the rest."""
    if not header.found_by:
        raise ExportError("a discovered loss of the gallery states the command that found it")
    text = TARGETS["json"].emit(plain_form(loss), header)
    write_content(folder / f"{name}{TARGETS['json'].suffix}", text, overwrite=True)


# --- the index ------------------------------------------------------------------------------------


def index(chosen: Sequence[Entry]) -> str:
    """The table of contents, as Markdown."""
    discovered = [_row(entry) for entry in chosen if entry.discovered]
    known = [_row(entry) for entry in chosen if not entry.discovered]
    return _INDEX.format(discovered="\n".join(discovered), known="\n".join(known)).lstrip()


_HEAD = "| loss | formula | files | |\n|---|---|---|---|"
_INDEX = f"""
# Losses as code

Each file is standalone: copy it. Code was executed in a process without symloss and compared with the
formula, value and gradient; the errors stand in its header, and `symloss verify FILE` repeats the check.
`symloss gallery` writes this folder, `symloss gallery --check` tells whether it is up to date.

p is the prediction (a probability, or a value), y the target, C the number of classes; formulas of
several classes are summed over classes. The lines drawn are the loss of a class whose target is 1 and,
dashed, of one whose target is 0; for regression, the loss over p - y.

## Discovered by symloss

{_HEAD}
{{discovered}}

## Made by hand

{_HEAD}
{{known}}
"""


def _row(entry: Entry) -> str:
    links = [f"[PyTorch]({entry.file('torch')})", f"[NumPy]({entry.file('numpy')})"]
    links += [f"[LaTeX]({entry.file('latex')})", f"[JSON]({entry.file('json')})"]
    header = entry.header
    origin = as_markdown_text(header.task if entry.discovered else header.reference)
    if entry.discovered:
        origin += f"; found by {as_markdown_code(header.found_by, in_table=True)}"
    formula = as_markdown_code(format_formula(entry.loss.expression), in_table=True)
    picture = f"![{entry.name}]({entry.file('picture')})"
    return f"| **{entry.name}**: {origin} | {formula} | {' '.join(links)} | {picture} |"


def checked(folder: Path) -> None:
    """Build the gallery again. Raises ExportError with the names of files that are not up to date."""
    files = built(folder)
    wrong = differences(folder, files)
    extra = left_over(folder, files)
    if wrong or extra:
        reasons = [f"not up to date: {', '.join(wrong)}"] if wrong else []
        reasons += [f"belonging to no loss: {', '.join(extra)}"] if extra else []
        raise ExportError(
            f"{folder} has files {'; and '.join(reasons)}; write them with: symloss gallery {folder}"
        )


__all__ = ["Entry", "add", "built", "checked", "entries", "fingerprint", "index", "write_gallery"]
