"""An analysis for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from symloss.expr import short_number
from symloss.records import Kind
from symloss.report.analysis.analysis import Analysis
from symloss.report.analysis.classification import PLACES, Classification, Side
from symloss.report.analysis.limits import Limit
from symloss.report.analysis.pushes import SMALL, UpdateLimit, Updates
from symloss.report.analysis.regression import PLACES as RESIDUALS
from symloss.report.analysis.regression import Regression
from symloss.report.analysis.tails import Tail
from symloss.report.analysis.turns import Turn
from symloss.report.analysis.value_sentences import growth_words, near_words

Facts = Iterable[tuple[str, str]]


def as_text(analysis: Analysis) -> Group:
    """The whole report, for `rich.console.Console.print`."""
    findings = analysis.findings
    parts: list[RenderableType] = [_title(analysis), _conclusion(analysis)]
    if isinstance(findings, Classification):
        parts += _classes(findings)
    else:
        parts += _values(findings)
    return Group(*parts, *_neighbours(analysis))


def _title(analysis: Analysis) -> RenderableType:
    title = Text(analysis.name, style="bold")
    if analysis.name != analysis.formula:
        title.append(f"\n{analysis.formula}", style="not bold")
    kind = analysis.kind.value
    if analysis.kind is Kind.MULTICLASS and isinstance(analysis.findings, Classification):
        kind = f"{kind}, {analysis.findings.classes} classes; summed over classes"
    return title.append(f"\n{kind}", style="not bold dim")


def _conclusion(analysis: Analysis) -> RenderableType:
    lines = Table.grid(padding=(0, 1))
    for sentence in analysis.conclusion:
        lines.add_row(" -", escape(sentence))
    return Padding(lines, (1, 0, 0, 0))


def _heading(words: str) -> RenderableType:
    return Text(f"\n{words}", style="bold")


def _facts(rows: Facts) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(f" {name}", escape(value))
    return table


def _numbers(names: Sequence[str], rows: Iterable[Sequence[float]]) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=True)
    for name in names:
        table.add_column(name, justify="right", header_style="dim")
    for row in rows:
        table.add_row(*map(number, row))
    return table


def number(value: float | None) -> str:
    """A number in four digits; what is only rounding is called zero."""
    if value is None:
        return ""
    return short_number(0.0 if abs(value) < 1e-12 else value)


def yes(value: bool) -> str:
    """A fact in one word."""
    return "yes" if value else "no"


def _neighbours(analysis: Analysis) -> list[RenderableType]:
    if not analysis.neighbours:
        return []
    table = Table(box=None, padding=(0, 1), pad_edge=True)
    for name, side in (("loss", "left"), ("distance", "right"), ("scale", "right")):
        table.add_column(name, justify=side, header_style="dim")  # type: ignore[arg-type]
    for row in analysis.neighbours:
        table.add_row(row.name, f"{row.distance:.3f}", number(row.scale))
    words = "Nearest well-known losses (0 is the same training, 1 has nothing in common)"
    return [_heading(words), table]


# --- classes --------------------------------------------------------------------------------------


def _classes(found: Classification) -> list[RenderableType]:
    curves = found.curves
    columns = (curves.p, curves.loss_true, curves.loss_false, curves.slope_true, curves.slope_false)
    rows = [row for row in zip(*columns, strict=True) if row[0] in PLACES]
    names = ["p", "l(1, p)", "l(0, p)", "dl(1, p)/dp", "dl(0, p)/dp"]
    parts = [_heading("Values and slopes"), _numbers(names, rows)]
    for side in found.sides:
        label = "" if side.label == "any" else f", label {side.label}"
        parts += [_heading(f"Updates of gradient descent{label}"), *_updates(side, found.classes)]
        parts += [_heading(f"What follows for training{label}"), _facts(_training(side))]
    return [*parts, _heading(f"Shape, checked at {found.shape.points} points"), _facts(_shape(found))]


def _updates(side: Side, classes: int) -> list[RenderableType]:
    """The three losses beside each other, and what the guards of operators do to limits."""
    notes: list[str] = []
    tables: list[RenderableType] = []
    for what, words in _quantities(side.updates[0]):
        table = Table(box=None, padding=(0, 1), title=words, title_justify="left", title_style="italic")
        table.add_column("target's p", min_width=10, header_style="dim")
        for row in side.updates:
            table.add_column(row.name, justify="right", min_width=19, header_style="dim")
        table.add_row(f"1/{classes}", *(number(getattr(row.start, what)) for row in side.updates))
        for place, e in enumerate(SMALL):
            table.add_row(f"{1 - e:g}", *(number(getattr(r.near_end[place], what)) for r in side.updates))
        table.add_row("-> 1", *(_ending(row.end, what, notes) for row in side.updates))
        tables.append(table)
    return [*tables, *(Text(f" {note}", style="dim") for note in notes)]


def _quantities(updates: Updates) -> list[tuple[str, str]]:
    if updates.start.other is None:
        return [
            ("target", " update through the output, towards the label"),
            ("gradient", " gradient on the label's logit"),
        ]
    return [
        ("target", " update through the target's output: -dl/dp"),
        ("other", " update through another output, all others being equal"),
        ("gradient", " gradient on the target's logit, through softmax"),
    ]


def _ending(end: UpdateLimit, what: str, notes: list[str]) -> str:
    limit: Limit = getattr(end, what)
    if limit.unguarded is None:
        return limit.words
    note = f"* by the guards of its operators; without them it {Limit(limit.unguarded).words}"
    notes += [] if note in notes else [note]
    return f"{Limit(limit.value).words}*"


def _training(side: Side) -> Facts:
    weights = side.weights
    yield (
        "implied learning-rate factor",
        f"{number(weights.start)} (gradient at the start, cross-entropy's = 1)",
    )
    yield "the same where p -> 0", weights.wrong.words
    yield "the same where p -> 1", weights.fitted.words
    yield "implied label smoothing", "none" if side.smoothing is None else number(side.smoothing)
    yield "stationary at", _turns(side.turns)
    if side.concave:
        where = "; ".join(
            f"{short_number(low, 2)} to {short_number(high, 2)}" for low, high in side.concave[:3]
        )
        yield "convex in the logit margin", f"no, concave for p from about {where}"
    else:
        yield "convex in the logit margin", "yes"


def _turns(turns: Sequence[Turn], most: int = 6) -> str:
    if not turns:
        return "no probability of the target"
    said = []
    for turn in turns[:most]:
        kind = "flat" if turn.kind == "rest" else turn.kind
        said.append(f"{_place(turn)} ({kind}{', a kink' if turn.jump else ''})")
    return "; ".join(said) + (f"; and {len(turns) - most} more" if len(turns) > most else "")


def _place(turn: Turn) -> str:
    return f"{number(turn.low)} to {number(turn.high)}" if turn.is_flat else number(turn.low)


def _shape(found: Classification) -> Facts:
    shape = found.shape
    yield "bounded below", _bound(shape.lowest)
    yield "bounded above", _bound(shape.highest)
    total = "" if shape.label_sum is None else f", the sum over labels is {number(shape.label_sum)}"
    yield "symmetric over labels", yes(shape.symmetric) + total
    yield "monotone in the target's logit", yes(shape.monotone)
    if found.sides[0].updates[0].start.other is not None:
        yield "pushes through", "the target's output alone" if shape.only_target else "all outputs"


def _bound(limit: Limit) -> str:
    def said(value: float) -> str:
        return f"by {number(value)}" if abs(value) < float("inf") else "no"

    paper = (
        ""
        if limit.unguarded is None
        else f" by the guards of its operators; without them {said(limit.unguarded)}"
    )
    return f"{said(limit.value)}{paper}"


# --- values ---------------------------------------------------------------------------------------


def _values(found: Regression) -> list[RenderableType]:
    curve = found.curve
    rows = [
        row for row in zip(curve.residual, curve.loss, curve.influence, strict=True) if row[0] in RESIDUALS
    ]
    words = "Values over the residual r = p - y"
    fixed = "" if found.only_residual else f", at y = {number(found.target)}"
    return [
        _heading(words + fixed),
        _numbers(["r", "l", "influence dl/dr"], rows),
        _heading(f"Shape, checked at {found.points} residuals{fixed}"),
        _facts(_residual_shape(found)),
    ]


def _residual_shape(found: Regression) -> Facts:
    yield "depends on p - y alone", yes(found.only_residual)
    yield "minimum", _lowest(found)
    yield "near zero", near_words(found)
    yield "for r -> -infinity", _tail(found.left)
    yield "for r -> +infinity", _tail(found.right)
    yield "influence bounded", _bound(found.bound)
    yield "redescending", yes(found.redescending)
    yield "even", yes(found.even)
    yield "convex", yes(found.convex)
    if found.quantile is not None:
        yield "aims at", f"quantile {number(found.quantile)}{'' if found.exact else ' of wide noise'}"
    if found.expectile is not None:
        yield "aims at", f"expectile {number(found.expectile)}{'' if found.convex else ' of wide noise'}"


def _lowest(found: Regression) -> str:
    if found.minimum is None or found.smallest is None:
        return "none"
    kink = ", a kink" if found.minimum.jump else ""
    return f"{number(found.smallest)} at r = {_place(found.minimum)}{kink}"


def _tail(tail: Tail) -> str:
    return f"{growth_words(tail)}; influence {tail.influence.words}"
