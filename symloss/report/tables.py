"""Candidates as rows: for JSON, for terminals, and for notebooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from symloss.expr import format_formula, print_expression
from symloss.records import SENTENCES, Candidate, Status

if TYPE_CHECKING:
    from rich.table import Table

    from symloss.archive import SavedState


def as_row(candidate: Candidate) -> dict[str, Any]:
    """A candidate as plain data. `fitness` and `confirmed` are costs, null where there is none.

    `confirmed` is what finalists are ordered by, with its standard error over so many `seeds`.
    """
    score, confirmed = candidate.score, candidate.confirmation
    return {
        "id": candidate.id,
        "formula": format_formula(candidate.loss.expression),
        "expression": print_expression(candidate.loss.expression),
        "fitness": score.fitness,
        "size": candidate.size,
        "confirmed": confirmed.cost if confirmed else None,
        "standard_error": confirmed.standard_error if confirmed else None,
        "seeds": confirmed.seeds if confirmed else None,
        "learning_rate": confirmed.learning_rate if confirmed else None,
        "kind": candidate.loss.kind.value,
        "status": score.status.value,
        "detail": score.detail or SENTENCES[score.status],
        "generation": candidate.proposal.generation,
        "operation": candidate.proposal.origin.operation,
        "parents": list(candidate.proposal.origin.parents),
    }


def candidate_table(candidates: Sequence[Candidate], statuses: bool = False) -> Table:
    """A rich table of candidates in the given order."""
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for name in ("rank", "id", "confirmed", "fitness", "lr", "size"):
        table.add_column(name, justify="right")
    if statuses:
        table.add_column("status")
    table.add_column("formula", overflow="fold")
    for rank, candidate in enumerate(candidates, start=1):
        row = as_row(candidate)
        cells = [
            str(rank),
            str(candidate.id),
            with_error(row["confirmed"], row["standard_error"]),
            *(short(row[k]) for k in ("fitness", "learning_rate")),
        ]
        cells.append(str(candidate.size))
        cells += [candidate.score.status.value] if statuses else []
        table.add_row(*cells, escape(row["formula"]))
    return table


def short(value: float | None) -> str:
    """A number in four digits, or nothing."""
    return "" if value is None else f"{value:.4g}"


def with_error(value: float | None, error: float | None) -> str:
    """A number with its standard error, of which two digits say enough, or nothing."""
    return short(value) if error is None else f"{short(value)} ± {error:.2g}"


def summary_lines(
    record: Mapping[str, Any], state: SavedState | None, candidates: Sequence[Candidate]
) -> list[str]:
    """What a run searched, and how far it came."""
    task = record.get("task", {})
    grammar = record.get("grammar", {})
    counts = Counter(c.score.status for c in candidates)
    told = ", ".join(f"{counts[status]} {status.value}" for status in Status if counts[status])
    if state is None:
        standing = "not one generation is finished"
    else:
        several = "s" * (state.generation != 1)
        standing = f"{state.generation} generation{several}{'' if state.finished else ', not finished'}"
    lines = [
        f"{task.get('name')} ({task.get('model')}), metric {task.get('metric')}, "
        f"grammar {grammar.get('name')}, seed {record.get('seed')}",
        *(f"  {note}" for note in task.get("notes", [])),
        *([f"  determinism: {record['determinism']}"] if "determinism" in record else []),
        f"{standing}: {len(candidates)} candidates" + (f" ({told})" if told else ""),
    ]
    return lines
