"""The scored candidates of a run as `candidates.csv`, best first."""

from __future__ import annotations

import csv
import io

from symloss.records import Ledger

COLUMNS = "rank,id,fitness,confirmed,learning_rate,size,generation,formula,expression"


def table_text(candidates: Ledger) -> str:
    """The table of the candidates of one run."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS.split(","))
    for rank, (own, second) in enumerate(candidates.ranked_lines(), start=1):
        confirmed = (None, None) if second is None else (second.cost, second.learning_rate)
        described = (own.size, own.generation, own.formula, own.expression)
        writer.writerow((rank, own.id, own.fitness, *confirmed, *described))
    return text.getvalue()
