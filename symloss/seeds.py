"""Formulas to start from, by what a user calls them: a file, a run, a hall of fame, or the catalogue."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from symloss.archive import RunFolder
from symloss.errors import ExpressionError, RunError
from symloss.expr import Expr, bound, guarded, parse_expression, print_expression
from symloss.grammar import Grammar
from symloss.reading.files import read_text
from symloss.records import Kind, ranked
from symloss.search.seeding import derivable

MOST = 50
"""Formulas that are taken from a run, the best ones."""

MAX_BYTES = 2**20
"""Largest file of formulas that is read; parsing takes seconds for as much."""


def load_seeds(source: str, kind: Kind, classes: int) -> dict[Expr, Expr]:
    """The formulas that `source` stands for, each with what it was before it was tuned, if that is known.

    Otherwise a formula stands for itself. Tuning's weights may take a formula out of its own grammar.

    source: "catalogue", the published losses of the task's kind; a run folder, its best candidates; a
            hall of fame of PySR (.csv); or a text file with a formula or a name of the catalogue, such as
            focal(gamma=1), on each line, where # begins a comment.
    kind, classes: of the task that is to be searched on.
    Raises a SymlossError that says what is wrong, and in which line.
    """
    if source == "catalogue":
        from symloss.losses.catalogue import CATALOGUE

        rows = [row for row in CATALOGUE.values() if kind in row.kinds]
        found = _untuned(bound(row.expression, classes) for row in rows)
    elif os.path.isdir(source):
        folder = RunFolder.open(Path(source))
        candidates = ranked(folder.candidates())[:MOST]
        if not candidates:
            raise RunError(folder.nothing_found())
        found = {candidate.loss.expression: candidate.proposal.structure for candidate in candidates}
    elif source.endswith(".csv"):
        from symloss.fitting.pysr_equations import read_hall_of_fame

        found = _untuned(row.expression for row in read_hall_of_fame(Path(source)))
    else:
        found = _untuned(_lines(Path(source), kind, classes))
    usable = {
        guarded(expr): guarded(untuned)
        for expr, untuned in found.items()
        if {"prediction"} <= expr.inputs <= {"prediction", "target"}
    }
    if not usable:
        raise ExpressionError(f"'{source}' holds no formula of the prediction to start from")
    return usable


def texts_of(seeds: Iterable[Expr]) -> tuple[str, ...]:
    """Formulas as a configuration holds them."""
    return tuple(print_expression(seed) for seed in seeds)


def _untuned(formulas: Iterable[Expr]) -> dict[Expr, Expr]:
    return {formula: formula for formula in formulas}


def _lines(path: Path, kind: Kind, classes: int) -> list[Expr]:
    from symloss.losses.catalogue import catalogued, handcrafted

    found = []
    for number, line in enumerate(
        read_text(path, "the file of formulas", ExpressionError, MAX_BYTES).splitlines(), start=1
    ):
        text = line.partition("#")[0].strip()
        if not text:
            continue
        try:
            named = catalogued(text) is not None
            found.append(
                bound(handcrafted(text, kind).expression, classes) if named else parse_expression(text)
            )
        except ExpressionError as error:
            reason = str(error).removeprefix("formula, line 1, ")
            raise ExpressionError(f"{path}, line {number}: {reason}") from None
    return found


@dataclass(frozen=True)
class Sown:
    """What becomes of seeds.

    used: in the grammar's spelling. untuned: how many of them are as they were before they were tuned.
    left_out: how many the grammar cannot derive. too_many: how many exceed the population.
    """

    used: tuple[Expr, ...]
    untuned: int
    left_out: int
    too_many: int

    @property
    def sentence(self) -> str:
        said = f"starting from {len(self.used)} seed{'s' * (len(self.used) != 1)}"
        if self.untuned:
            said += (
                f"; {self.untuned} of them as before they were tuned, "
                "since the grammar cannot derive the weights of tuning"
            )
        if self.left_out:
            said += f"; {self.left_out} left out that the grammar cannot derive"
        if self.too_many:
            said += f"; {self.too_many} left out that exceed the population"
        return said


def sow(seeds: Mapping[Expr, Expr], grammar: Grammar, population: int) -> Sown:
    """The seeds with which a search can start. Raises ExpressionError if there are none.

    seeds: as from `load_seeds`; where the grammar cannot derive a formula, what it was before is taken.
    """
    found: dict[Expr, bool] = {}
    left_out = 0
    for seed, untuned in seeds.items():
        tuned = derivable(grammar, seed)
        spelled = derivable(grammar, untuned) if tuned is None and untuned != seed else tuned
        if spelled is None:
            left_out += 1
        else:
            found.setdefault(spelled, tuned is None)
    if not found:
        raise ExpressionError(
            f"grammar '{grammar.name}' can derive none of the {len(seeds)} seeds; choose another "
            "--grammar, or tune and train them as they are with --method given"
        )
    used = tuple(found)[:population]
    return Sown(used, sum(found[seed] for seed in used), left_out, len(found) - len(used))
