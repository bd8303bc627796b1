"""Figures of an evaluation: learning curves on validation data, and ranks over several tasks."""

from __future__ import annotations

import io
import math
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from symloss.escaping import on_one_line
from symloss.evaluation.results import TaskResult
from symloss.evaluation.statistics import Ranking

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def learning_curves(task: TaskResult) -> bytes:
    """Mean validation cost over training, a line for each loss, as SVG; equal results give equal bytes."""
    with _plain_text():
        return _as_svg(_curves(task))


def _curves(task: TaskResult) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    rows = task.ranked()
    lines = [
        axes.plot(task.steps, row.curve, linewidth=2.5 if row.judged else 1.2, marker=".")[0] for row in rows
    ]
    axes.set_xlabel("training steps")
    axes.set_ylabel(on_one_line(f"{task.metric} on validation data, mean"))
    axes.set_title(on_one_line(f"{task.title}, {task.model}"))
    # Not by labels of the lines: those that begin with an underscore would be left out.
    axes.legend(lines, [on_one_line(row.name) for row in rows], fontsize="small")
    axes.grid(alpha=0.3)
    return figure


def _plain_text() -> AbstractContextManager[None]:
    """In which names are drawn as they are, whatever their signs, and equal figures have equal bytes."""
    import matplotlib as mpl

    return mpl.rc_context({"svg.hashsalt": "symloss", "text.usetex": False, "text.parse_math": False})


def _as_svg(figure: Figure) -> bytes:
    target = io.BytesIO()
    figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue()


def critical_differences(ranking: Ranking) -> bytes:
    """Demsar's diagram as SVG: average ranks on a line, best to the left; bars join what does not differ."""
    with _plain_text():
        return _as_svg(_diagram(ranking))


def _diagram(ranking: Ranking) -> Figure:
    from matplotlib.figure import Figure

    count = len(ranking.names)
    half = (count + 1) // 2
    bars = len(ranking.groups)
    depth = 0.45 * bars
    figure = Figure(figsize=(8, 1.0 + 0.25 * (half + depth)), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(1 - 0.45 * (count - 1), count + 0.45 * (count - 1))
    axes.set_ylim(-depth - half - 0.5, 2.0)
    axes.axis("off")
    _scale(axes, count)
    if math.isfinite(ranking.critical):
        axes.plot([1, 1 + ranking.critical], [1.5, 1.5], color="black", linewidth=1.5)
        axes.text(1 + ranking.critical / 2, 1.6, f"CD = {ranking.critical:.2f}", ha="center", va="bottom")
    names = map(on_one_line, ranking.names)
    for position, (name, rank) in enumerate(zip(names, ranking.ranks, strict=True)):
        left = position < half
        row = position if left else count - 1 - position
        height, end = -depth - 0.6 - row, 0.9 if left else count + 0.1
        axes.plot([rank, rank, end], [0, height, height], color="0.4", linewidth=0.8)
        words = f"{name}  {rank:.2f}" if left else f"{rank:.2f}  {name}"
        axes.text(end, height, f" {words} ", ha="right" if left else "left", va="center")
    for level, (first, last) in enumerate(ranking.groups, start=1):
        ends = [ranking.ranks[first] - 0.05, ranking.ranks[last] + 0.05]
        axes.plot(ends, [-0.45 * level] * 2, color="black", linewidth=3, solid_capstyle="butt")
    return figure


def _scale(axes: Axes, count: int) -> None:
    axes.plot([1, count], [0, 0], color="black", linewidth=1)
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.2], color="black", linewidth=1)
        axes.text(rank, 0.3, str(rank), ha="center", va="bottom")
