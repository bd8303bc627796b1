"""Figures of an evaluation: learning curves on validation data."""

from __future__ import annotations

import io

from symloss.evaluation.results import TaskResult


def learning_curves(task: TaskResult) -> bytes:
    """Mean validation cost over training, a line for each loss, as SVG; equal results give equal bytes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for row in task.ranked():
        axes.plot(task.steps, row.curve, label=row.name, linewidth=2.5 if row.judged else 1.2, marker=".")
    axes.set_xlabel("training steps")
    axes.set_ylabel(f"{task.metric} on validation data, mean")
    axes.set_title(f"{task.title}, {task.model}")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    target = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "symloss", "text.usetex": False, "text.parse_math": False}):
        figure.savefig(target, format="svg", metadata={"Date": None})
    return target.getvalue()
