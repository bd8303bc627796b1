"""A small picture of a loss: its value over the prediction, for the gallery."""

from __future__ import annotations

import hashlib
import io
import math
import re

from symloss.expr import bound, evaluate
from symloss.expr.primitives import FLOATS
from symloss.records import Kind, SymbolicLoss

CLASSES = 10
"""The number of classes that is drawn where a formula depends on it."""

_POINTS = 200


def curves(loss: SymbolicLoss) -> list[tuple[str, list[float], list[float]]]:
    """Name, abscissae and values of each curve: l(1, p) and l(0, p), or the loss over p - y."""
    expression = bound(loss.expression, CLASSES)

    def value(p: float, y: float) -> float:
        try:
            found = float(evaluate(expression, {"prediction": p, "target": y}, FLOATS, float))
        except (ArithmeticError, ValueError):
            return math.nan
        return found if math.isfinite(found) else math.nan

    if loss.kind is Kind.REGRESSION:
        places = [-4.0 + 8.0 * i / _POINTS for i in range(_POINTS + 1)]
        return [("loss", places, [value(r, 0.0) for r in places])]
    places = [(i + 0.5) / _POINTS for i in range(_POINTS)]
    return [(f"y = {y:g}", places, [value(p, y) for p in places]) for y in (1.0, 0.0)]


def fingerprint(loss: SymbolicLoss) -> str:
    """A digest of what is drawn, to ten digits: the bytes of a picture depend on fonts and versions."""
    numbers = ",".join(f"{v:.10g}" for _, _, values in curves(loss) for v in values)
    return hashlib.sha256(numbers.encode()).hexdigest()[:16]


def sealed(svg: str) -> str:
    """A picture with a digest of itself in the place of the one that it has."""
    blank = _SEAL.sub(f"sealed {'0' * 16}", svg)
    return _SEAL.sub(f"sealed {hashlib.sha256(blank.encode()).hexdigest()[:16]}", svg)


_SEAL = re.compile(r"sealed [0-9a-f]{16}")


def drawn(svg: str) -> str:
    """The fingerprint of what a picture shows; empty if it was changed since it was drawn."""
    found = re.search(r"curves ([0-9a-f]{16}), sealed", svg)
    return found[1] if found and sealed(svg) == svg else ""


def curves_svg(loss: SymbolicLoss) -> str:
    """The picture as SVG, with its fingerprint and a digest of itself in it."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.hashsalt": "symloss", "font.size": 7}):
        figure = Figure(figsize=(2.0, 1.3), layout="constrained")
        axes = figure.add_subplot()
        for (name, places, values), style in zip(curves(loss), ("-", "--"), strict=False):
            axes.plot(places, values, style, label=name, linewidth=1.2)
        regression = loss.kind is Kind.REGRESSION
        axes.set_xlabel("p - y" if regression else "p")
        if not regression:
            axes.legend(frameon=False)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        stream = io.StringIO()
        metadata = {
            "Date": None,
            "Creator": None,
            "Description": f"curves {fingerprint(loss)}, sealed {'0' * 16}",
        }
        figure.savefig(stream, format="svg", metadata=metadata)
    return sealed("".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines()))
