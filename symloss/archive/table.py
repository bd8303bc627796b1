"""The scored candidates of a run as `candidates.csv`, best first."""

from __future__ import annotations

import csv
import io

from symloss.records import Ledger

COLUMNS = "rank,id,fitness,confirmed,standard_error,seeds,learning_rate,size,generation,formula,expression"


def table_text(candidates: Ledger) -> str:
    """The table of the candidates of one run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS.split(","))
    for rank, (own, second) in enumerate(candidates.ranked_lines(), start=1):
        confirmed: tuple[float | None, ...] = (None,) * 4
        if second is not None:
            confirmed = (second.cost, second.standard_error, second.seeds, second.learning_rate)
        described = (own.size, own.generation, own.formula, own.expression)
        writer.writerow((rank, own.id, own.fitness, *confirmed, *described))
    return text.getvalue()
