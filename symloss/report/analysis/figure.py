"""An analysis as one figure of two panels."""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symloss.errors import ReportError
from symloss.report.analysis.analysis import Analysis
from symloss.report.analysis.classification import Classification, Side
from symloss.report.analysis.regression import SHOWN, Regression

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLUE, ORANGE, PURPLE = "#0072B2", "#D55E00", "#CC79A7"
"""Told apart by people who do not see all colours (Okabe and Ito), and by their lightness in print."""

STYLE: Any = {
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.6,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "symloss",
}


FORMATS: dict[str, dict[str, None]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
"""Endings of files, with what is left out of them: dates would make every figure a different file."""


def draw(analysis: Analysis) -> Figure:
    """The figure: values on the left, what they do to the network's output on the right."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.0, 2.9), layout="constrained", dpi=200)
        left, right = figure.subplots(1, 2)
        if isinstance(analysis.findings, Classification):
            _values(left, analysis.findings)
            _gradients(right, analysis.findings)
        else:
            _loss(left, analysis.findings)
            _influence(right, analysis.findings)
    return figure


def check_file(file: Path, overwrite: bool = False) -> None:
    """Raises ReportError if no figure can go into this file."""
    if file.suffix.lower() not in FORMATS:
        raise ReportError(f"a figure's name ends in {', '.join(FORMATS)}, found '{file}'")
    if os.path.isdir(file):
        raise ReportError(f"'{file}' is a folder; give the name of a file")
    if os.path.exists(file) and not overwrite:
        raise ReportError(
            f"'{file}' exists already and is left as it is; choose another name or overwrite it"
        )
    if not os.path.isdir(file.parent):
        raise ReportError(f"the folder '{file.parent}' does not exist")


def save(analysis: Analysis, file: Path, overwrite: bool = False) -> None:
    """Draw into a file, the same bytes each time; its ending says the format.

    Raises ReportError if it cannot be written, or exists and is not to be overwritten.
    """
    import matplotlib as mpl

    check_file(file, overwrite)
    drawn = io.BytesIO()
    with mpl.rc_context(STYLE):
        draw(analysis).savefig(drawn, format=file.suffix[1:].lower(), metadata=FORMATS[file.suffix.lower()])
    try:
        with open(file, "wb" if overwrite else "xb") as stream:
            stream.write(drawn.getvalue())
    except OSError as error:
        raise ReportError(f"cannot write '{file}': {error.strerror}") from None


def _values(axes: Any, found: Classification) -> None:
    curves = found.curves
    several = found.sides[0].updates[0].start.other is not None
    true, false = ("the target", "another class") if several else ("label 1", "label 0")
    axes.plot(curves.p, curves.loss_true, color=BLUE, label=f"$l(1, p)$, {true}")
    axes.plot(curves.p, curves.loss_false, color=ORANGE, linestyle="--", label=f"$l(0, p)$, {false}")
    axes.set(xlabel="probability $p$", ylabel="loss", xlim=(0, 1))
    axes.set_ylim(*_range([*_inner(curves.p, curves.loss_true), *_inner(curves.p, curves.loss_false)]))
    axes.legend()


def _gradients(axes: Any, found: Classification) -> None:
    shown: list[float] = []
    for own, color in zip(found.sides, (BLUE, PURPLE), strict=False):
        words = "this loss" if own.label == "any" else f"this loss, label {own.label}"
        axes.plot(own.probability, _broken(own), color=color, linewidth=2.2, label=words)
        _mark(axes, own, color)
        shown += _inner(own.probability, own.gradient["this loss"])
    side = found.sides[0]
    # Thin and on top: a loss that equals one of them shows both.
    for name, color, dash in (("cross-entropy", "black", "--"), ("label smoothing 0.1", ORANGE, "-.")):
        gradient = side.gradient[name]
        axes.plot(side.probability, gradient, color=color, linestyle=dash, linewidth=1.0, label=name)
        shown += gradient
    axes.axhline(0, color="black", linewidth=0.8)
    axes.set(xlabel="probability of the target", ylabel="gradient on its logit", xlim=(0, 1))
    axes.set_ylim(*_range(shown))
    axes.legend()


def _inner(probabilities: Sequence[float], values: Sequence[float]) -> list[float]:
    """The values that decide how far an axis goes: not those next to 0 and 1, where there may be poles."""
    return [value for p, value in zip(probabilities, values, strict=True) if 0.02 <= p <= 0.99]


def _broken(side: Side) -> list[float]:
    """The gradient, with a gap where it jumps."""
    gradient = list(side.gradient["this loss"])
    for turn in side.turns:
        before = [i for i, p in enumerate(side.probability) if p < turn.low]
        if turn.jump and before:
            gradient[before[-1]] = math.nan
    return gradient


def _mark(axes: Any, side: Side, color: str) -> None:
    """Where the probability comes to rest."""
    if side.held is None:
        return
    axes.plot([side.held.low], [0], marker="o", markersize=5, color=color, markeredgecolor="white", zorder=5)
    axes.annotate(
        f"rests at {side.held.low:.3g}",
        (side.held.low, 0),
        xytext=(-5, 5),
        textcoords="offset points",
        ha="right",
        fontsize=8,
        color=color,
    )


def _loss(axes: Any, found: Regression) -> None:
    residual, loss, _ = _near(found)
    axes.plot(residual, loss, color=BLUE)
    axes.set(xlabel=_residual(found), ylabel="loss", xlim=(-SHOWN, SHOWN))
    axes.set_ylim(*_range(loss))


def _influence(axes: Any, found: Regression) -> None:
    residual, _, influence = _near(found)
    low, high = _range(influence)
    axes.axhline(0, color="black", linewidth=0.8)
    axes.plot(residual, influence, color=BLUE, linewidth=2.2, label="this loss")
    for name, values, color, dash in (
        ("squared error / 2", list(residual), "black", "--"),
        ("absolute error", [math.copysign(1.0, r) for r in residual], ORANGE, "-."),
    ):
        axes.plot(residual, values, color=color, linestyle=dash, linewidth=1.0, label=name)
    axes.set(xlabel=_residual(found), ylabel="influence $dl/dr$", xlim=(-SHOWN, SHOWN))
    axes.set_ylim(min(low, -1.3), max(high, 1.3))
    axes.legend(loc="upper left")


def _near(found: Regression) -> tuple[list[float], list[float], list[float]]:
    curve = found.curve
    points = zip(curve.residual, curve.loss, curve.influence, strict=True)
    residual, loss, influence = zip(*[point for point in points if abs(point[0]) <= SHOWN], strict=True)
    return list(residual), list(loss), list(influence)


def _residual(found: Regression) -> str:
    return "residual $r = p - y$" + ("" if found.only_residual else f", $y = {found.target:g}$")


def _range(values: Sequence[float]) -> tuple[float, float]:
    """Limits of an axis with some air."""
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return -1.0, 1.0
    low, high = min(finite), max(finite)
    air = 0.06 * (high - low) or 1.0
    return low - air, high + air
