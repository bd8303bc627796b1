"""An evaluation as a table for terminals, as Markdown, and as LaTeX."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from itertools import count
from typing import TYPE_CHECKING

from symloss.escaping import as_latex_text, as_markdown_code, as_markdown_text
from symloss.evaluation.results import Comparison, Evaluation, Row, TaskResult
from symloss.evaluation.statistics import LEVEL, Ranking, smallest_p
from symloss.tasks.names import cost_name

if TYPE_CHECKING:
    from rich.console import Group, JustifyMethod

Cells = list[list[str]]


def number(value: float) -> str:
    """Four significant digits; a dash for what is not there."""
    return f"{value:.4g}" if math.isfinite(value) else "-"


def p_value(value: float) -> str:
    """A p-value as people write it."""
    return "<0.0001" if value < 0.0001 else f"{value:.4f}"


def loss_header(task: TaskResult) -> list[str]:
    """Names of the columns of `loss_cells`."""
    return [
        "loss",
        *(f"test {cost_name(metric)}" for metric in task.metrics),
        "validation",
        "learning rate",
        "tried",
        "ms/step",
    ]


def loss_cells(task: TaskResult) -> Cells:
    """A row for each loss, best first."""
    return [
        [
            f"{row.name}{' *' if row.judged else ''}{f' ({row.version})' if row.version else ''}",
            *(tested(row, metric) for metric in task.metrics),
            number(row.valid),
            f"{row.learning_rate:g}" + (f", decay {row.weight_decay:g}" if row.weight_decay else ""),
            str(row.tried),
            number(row.step_seconds * 1000) if math.isfinite(row.step_seconds) else "-",
        ]
        for row in task.ranked()
    ]


def tested(row: Row, metric: str) -> str:
    """Mean and standard deviation over seeds, or how many networks diverged."""
    if row.diverged:
        return f"{row.diverged} of {len(row.test[metric])} diverged"
    deviation = row.deviation(metric)
    return number(row.mean(metric)) + (f" ± {deviation:.2g}" if math.isfinite(deviation) else "")


COMPARED = ["loss", "against", "difference", "95 % interval", "Wilcoxon p", "permutation p", "Holm p"]
COMPARED += ["effect", "verdict"]
"""Names of the columns of `compared_cells`."""

SHOWN = [1, 2, 3, 6, 7, 8]
"""Those that a terminal has room for."""


def compared_cells(comparisons: Sequence[Comparison]) -> Cells:
    """A row for each comparison, in the order of the losses."""
    return [
        [
            own.first,
            own.second,
            f"{own.paired.difference:+.4g}" if math.isfinite(own.paired.difference) else "-",
            f"{number(own.paired.low)} to {number(own.paired.high)}",
            p_value(own.paired.wilcoxon),
            p_value(own.paired.permutation),
            p_value(own.corrected),
            f"{own.paired.effect:+.2f}",
            f"{own.verdict} ({own.paired.better}:{own.paired.worse})",
        ]
        for own in comparisons
    ]


EXPLAINED = ("verdict", "effect", "ms/step")
"""Columns whose names do not say enough."""

VERDICT = (
    "a win or loss is one at 5 % by Wilcoxon's signed-rank test after Holm's correction for all comparisons"
)
EFFECT = "effect is the rank-biserial correlation, negative where the judged loss is better"
STEP = " ms/step is the time of a training step of a single network, on one thread or on the GPU."


def protocol(evaluation: Evaluation, shown: Collection[str] = EXPLAINED) -> str:
    """How the numbers came about, in a few sentences. shown: columns, of which no others are explained."""
    comparisons = sum(len(task.comparisons) for task in evaluation.tasks)
    tried = f"{evaluation.choosing_seeds} seed{'s' * (evaluation.choosing_seeds != 1)} a setting"
    words = [
        "* marks what is judged",
        *([VERDICT] if "verdict" in shown else []),
        *([EFFECT] if "effect" in shown else []),
        *(["in brackets the seeds won and lost"] if "verdict" in shown else []),
    ]
    return (
        f"Every loss got its learning rate from the same grid on validation data ({tried}, "
        f"{evaluation.steps} steps), was then trained from {evaluation.seeds} fresh "
        f"seed{'s' * (evaluation.seeds != 1)} and tested once on clean test data. Seeds are paired: equal "
        f"ones start from equal weights and see equal batches. Lower is better; {'; '.join(words)}."
        f"{STEP if 'ms/step' in shown else ''}{too_few(evaluation.seeds, comparisons)}"
    )


def too_few(seeds: int, comparisons: int) -> str:
    """A sentence where no difference could be significant after Holm's correction, however large it is."""
    if not comparisons or smallest_p(seeds) * comparisons < LEVEL:
        return ""
    enough = next(n for n in count(seeds) if smallest_p(n) * comparisons < LEVEL)
    return (
        f" With {seeds} seed{'s' * (seeds != 1)} nothing can be a win or a loss here; "
        f"{enough} or more can show one."
    )


def fitting(header: Sequence[str], cells: Cells, width: int, spare: Sequence[int]) -> list[int]:
    """The columns of a table that a terminal has room for in single lines.

    spare: columns that say how and not what came out, in the order in which they are left out if need be.
    """
    widest = [max(map(len, column)) + 3 for column in zip(header, *cells, strict=True)]
    left = list(range(len(widest)))
    for column in spare:
        if sum(widest[kept] for kept in left) < width:
            break
        left.remove(column)
    return left


def as_rich(evaluation: Evaluation, width: int) -> Group:
    """For a terminal of `width` characters."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    named: set[str] = set()

    def table(header: Sequence[str], cells: Cells, spare: Sequence[int]) -> Table:
        made = Table()
        shown = fitting(header, cells, width, spare)
        named.update(header[column] for column in shown)
        for column in shown:
            # Other columns give way to the names, which say what a row is about.
            kept = column == 0
            justify: JustifyMethod = "left" if kept else "right"
            made.add_column(Text(header[column]), justify=justify, no_wrap=kept, overflow="fold")
        for row in cells:
            made.add_row(*(Text(row[column]) for column in shown))  # not escaped text: :smile: is a picture
        return made

    parts: list[Table | Text] = []
    for task in evaluation.tasks:
        parts.append(Text(f"{task.title}, {task.model}", style="bold"))
        header, rows = loss_header(task), loss_cells(task)
        parts.append(table(header, rows, [len(header) - 1, len(header) - 2]))
        for own in (row for row in task.rows if row.judged):
            compared = [c for c in task.comparisons if c.first == own.name]
            cells = [[row[i] for i in SHOWN] for row in compared_cells(compared)]
            parts.append(Text(f"{own.name} against"))
            names = ["", *(COMPARED[i] for i in SHOWN[1:])]
            parts.append(table(names, cells, [names.index("effect"), names.index("Holm p")]))
    if evaluation.ranking is not None:
        parts.append(Text(ranked_sentence(evaluation.ranking)))
    parts.append(Text(protocol(evaluation, named), style="dim"))
    return Group(*parts)


def ranked_sentence(ranking: Ranking) -> str:
    """Average ranks over tasks, and from which difference on they differ."""
    ranks = ", ".join(f"{name} {rank:.2f}" for name, rank in zip(ranking.names, ranking.ranks, strict=True))
    critical = (
        f"; losses differ at 5 % from a difference of {ranking.critical:.2f} on (Nemenyi; Friedman "
        f"p {p_value(ranking.friedman)})"
        if math.isfinite(ranking.critical)
        else ""
    )
    return f"Average ranks: {ranks}{critical}."


def as_markdown(evaluation: Evaluation) -> str:
    """A section for each task, to be pasted anywhere."""
    lines = [protocol(evaluation), ""]
    for task in evaluation.tasks:
        lines += [f"## {as_markdown_text(task.title)}, {as_markdown_text(task.model)}", ""]
        lines += [f"{as_markdown_text(note, first=True)}." for note in task.notes] + [""] * bool(task.notes)
        lines += pipes(loss_header(task), loss_cells(task))
        lines += ["", *pipes(COMPARED, compared_cells(task.comparisons)), ""]
        lines += [
            f"- {as_markdown_text(row.name)}: {as_markdown_code(row.formula)}"
            for row in task.rows
            if row.formula is not None and row.judged
        ]
        lines.append("")
    if evaluation.ranking is not None:
        lines.append(as_markdown_text(ranked_sentence(evaluation.ranking)))
    return "\n".join(lines).rstrip() + "\n"


def pipes(header: Sequence[str], cells: Cells) -> list[str]:
    """A table as Markdown, in which nothing in the cells is taken for Markdown."""
    names, *shown = [[as_markdown_text(cell) for cell in row] for row in (header, *cells)]
    rows = [names, ["---"] * len(header), *shown]
    return [f"| {' | '.join(row)} |" for row in rows]


def as_latex(evaluation: Evaluation) -> str:
    """A booktabs table for each task, for documents that use the package booktabs."""
    parts = []
    for task in evaluation.tasks:
        verdicts = {own.second: own for own in task.comparisons if own.first == task.rows[0].name}
        measured = cost_name(task.metric)
        lines = [
            rf"% {as_latex_text(f'{task.title}, {task.model}; {measured}')} on test data, lower is better",
            r"\begin{tabular}{lrrrl}",
            r"\toprule",
            rf"Loss & Test {as_latex_text(measured)} & Learning rate & Holm $p$ & \\",
            r"\midrule",
        ]
        for row in task.ranked():
            own = verdicts.get(row.name)
            p = "" if own is None else p_value(own.corrected).replace("<", r"$<$")
            cells = [
                as_latex_text(row.name) + (r"$^{*}$" if row.judged else ""),
                as_latex_text(tested(row, task.metric)).replace("±", r"$\pm$"),
                f"{row.learning_rate:g}",
                p,
                "" if own is None else own.verdict,
            ]
            lines.append(" & ".join(cells) + r" \\")
        parts.append("\n".join([*lines, r"\bottomrule", r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"
