"""The scored candidates of a run as `candidates.csv`, best first."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from typing import Any

from symloss.archive.lines import to_line
from symloss.records import Candidate, ranked

COLUMNS = "rank,id,fitness,confirmed,learning_rate,size,generation,formula,expression"


class Table:
    """Written after each generation, with every candidate so far.

    Most of a row never changes, and writing formulas is slow: that part is kept for each candidate.
    """

    def __init__(self) -> None:
        self._described: dict[int, str] = {}

    def text(self, candidates: Iterable[Candidate]) -> str:
        """The table of the candidates of one run."""
        rows = [COLUMNS, *(self._row(rank, own) for rank, own in enumerate(ranked(candidates), start=1))]
        return "".join(f"{row}\n" for row in rows)

    def _row(self, rank: int, candidate: Candidate) -> str:
        if candidate.id not in self._described:
            line = to_line(candidate)
            self._described[line.id] = _cells(line.size, line.generation, line.formula, line.expression)
        second = candidate.confirmation
        confirmed = (None, None) if second is None else (second.cost, second.learning_rate)
        changing = _cells(rank, candidate.id, candidate.score.fitness, *confirmed)
        return f"{changing},{self._described[candidate.id]}"


def _cells(*values: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
