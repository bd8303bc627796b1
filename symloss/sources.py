"""Losses by what a user calls them: a run, an exported file, a name of the catalogue, or a formula."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from symloss import __version__
from symloss.archive import RunFolder
from symloss.errors import ExpressionError, RunError, SymlossError, did_you_mean
from symloss.escaping import pasted
from symloss.export.header import Header
from symloss.expr import format_formula, parse_expression
from symloss.expr.text import cut_short
from symloss.records import Candidate, Kind, SymbolicLoss, ranked

if TYPE_CHECKING:
    from symloss.losses.published import Handcrafted


BALANCED = re.compile(r"balanced ?\(\s*(.+?)\s*\)", re.DOTALL)
"""A loss whose samples are weighted by class while networks train; no operator of formulas is called so."""


@dataclass(frozen=True)
class LoadedLoss:
    """A loss, what it is called, and what is known of it.

    candidate: the candidate of a run, if it is one. row: the row of the catalogue, likewise.
    """

    loss: SymbolicLoss
    name: str
    header: Header = field(default_factory=Header)
    candidate: Candidate | None = None
    row: Handcrafted | None = None

    def _repr_latex_(self) -> str:
        return self.loss._repr_latex_()


def load_loss(
    source: str, kind: Kind | None = None, rank: int | None = None, id: int | None = None
) -> LoadedLoss:
    """The loss that `source` stands for.

    source: a run folder (its best candidate, or that of `rank` or `id`), an exported `.py` or `.json` file, a
            name of the catalogue such as "focal" or "focal(gamma=1)", or the text of a formula, which needs
            `kind`.
    kind:   also chooses among the kinds of a catalogue's loss.
    Raises a SymlossError that says what is missing.
    """
    path = Path(source)
    if os.path.isdir(path):
        return _from_run(path, rank, id)
    if rank is not None or id is not None:
        raise RunError(f"a rank or id chooses among the candidates of a run, and '{source}' is no run folder")
    if path.suffix in (".py", ".json", ".tex", ".onnx") or os.path.isfile(path):
        return _from_file(path)
    return _from_text(source, kind)


def _from_run(path: Path, rank: int | None, id_: int | None) -> LoadedLoss:
    folder = RunFolder.open(path)
    table = ranked(folder.candidates())
    if not table:
        raise RunError(folder.nothing_found())
    candidate = _chosen(path, table, rank, id_)
    return LoadedLoss(candidate.loss, f"candidate {candidate.id} of {path}", header_of(folder), candidate)


def header_of(folder: RunFolder) -> Header:
    """What a run says about all of its candidates."""
    record = folder.record()
    task = record.get("task", {})
    name, metric = str(task.get("name", "")), str(task.get("metric", ""))
    kind = next((own for own in Kind if own.value == task.get("kind")), Kind.MULTICLASS)
    notes, outputs = task.get("notes"), task.get("outputs")
    notes = map(str, notes) if isinstance(notes, list) else ()
    outputs = outputs if isinstance(outputs, int) else None
    versions = record.get("versions")
    versions = versions if isinstance(versions, dict) else {}
    config = record.get("config")
    training = config.get("training") if isinstance(config, dict) else None
    training = training if isinstance(training, dict) else {}
    return Header.of_task(
        name, kind, notes, metric, record.get("seed"), outputs, versions=versions, training=training
    )


def catalogue_header(row: Handcrafted) -> Header:
    """What is known of a handcrafted loss."""
    return Header(title=row.text, reference=row.reference)


def _chosen(path: Path, table: list[Candidate], rank: int | None, id_: int | None) -> Candidate:
    if id_ is not None:
        for candidate in table:
            if candidate.id == id_:
                return candidate
        raise RunError(
            f"'{path}' has no candidate {id_} that was trained to the end; see: symloss show {pasted(path)}"
        )
    position = rank or 1
    if position > len(table):
        raise RunError(
            f"'{path}' has {len(table)} scored candidates, found rank {position}: symloss show {pasted(path)}"
        )
    return table[position - 1]


def _from_file(path: Path) -> LoadedLoss:
    from symloss.export.read import read_export

    found = read_export(path)
    # What was said of that file, its check and its rounding, is not said of another one.
    header = Header.from_facts(found.name or str(path), found.facts)
    header = replace(header, version=__version__, guards="", rounding="", rescored="", verified="")
    return LoadedLoss(found.loss, str(path), header)


def _from_text(text: str, kind: Kind | None) -> LoadedLoss:
    from symloss.losses.catalogue import CATALOGUE, catalogued, handcrafted

    if BALANCED.fullmatch(text):
        raise ExpressionError(
            f"'{cut_short(text, 100)}' weights samples while networks train, which is for evaluate and "
            "score; name the loss in it"
        )
    if re.fullmatch(r"[^()\s]+\.py:\w+", text):
        raise ExpressionError(
            f"'{cut_short(text, 100)}' names a function, which evaluate, score and distill take; here "
            "it must be a formula, or what has one"
        )
    row = catalogued(text)
    if row is not None:
        row = row if kind is None else handcrafted(text, kind)
        return LoadedLoss(row.loss(kind), row.text, catalogue_header(row), row=row)
    try:
        expression = parse_expression(text)
    except SymlossError as error:
        if _is_path(text) or text.replace("-", "").replace("_", "").isalnum():
            raise ExpressionError(
                f"'{cut_short(text, 100)}' is no run folder, no exported file and no loss of the catalogue: "
                f"{did_you_mean(text, CATALOGUE)}"
            ) from None
        raise error from None
    if kind is None:
        kinds = ", ".join(k.value for k in Kind)
        raise ExpressionError(f"a formula needs its kind of task, which is one of: {kinds}")
    return LoadedLoss(
        SymbolicLoss(expression, kind), format_formula(expression), Header(title="A loss function")
    )


def _is_path(text: str) -> bool:
    """Whether a text that is no formula looks like a path, as "runs/first" does and "p/2" does not."""
    if os.sep not in text or re.search(r"[()*+]|\s/", text):
        return False
    try:
        parse_expression(text.replace(os.sep, "*"))
    except SymlossError:
        return True
    return False
