"""What stands at the top of an exported file, made safe for the language around it."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from symloss import __version__
from symloss.errors import ExportError
from symloss.escaping import printable
from symloss.export.forms import Form
from symloss.expr import OPERATORS, Call, format_formula, print_expression, short_number, walk
from symloss.expr.operators import Operator
from symloss.records import Candidate, Kind, SymbolicLoss
from symloss.tasks.names import STANDARDISED, cost_name

_LABELS = {"version": "symloss", "found_by": "found by", "trained_with": "trained with"}

DECISIVE = ("torch", "numpy", "deap")
"""Libraries whose version decides the last bits of a search, or what it proposes."""

MAX_FACT = 1000
"""Longest fact that is written, in characters."""


@dataclass(frozen=True)
class Header:
    """Where a loss comes from. Facts left empty are not written.

    title:    what it is, on the first line. reference: where it was published.
    found_by: the command that found it.
    data:     what happened to the data it was found on. classes: how many those have.
    fitness:  the metric's value on validation data that the search reached. confirmed: the same from fresh
              seeds at that learning rate, if it was a finalist.
    learning_rate: the best of those tried with this loss, a place to start from.
    trained_with: the optimiser of its networks, to which the learning rate belongs.
    libraries: those that it was found with, and their versions.
    guards:   what was done to the protection of logarithms, in a sentence.
    rounding: what rounding the constants cost, in a sentence. rescored: and in the metric, likewise.
    verified: the verdict of the check of this file, in a sentence; `write` fills it in.
    """

    title: str = "A loss function discovered by symloss"
    reference: str = ""
    found_by: str = ""
    candidate: int | None = None
    task: str = ""
    data: str = ""
    classes: int | None = None
    metric: str = ""
    fitness: float | None = None
    confirmed: float | None = None
    learning_rate: float | None = None
    trained_with: str = ""
    seed: int | None = None
    libraries: str = ""
    version: str = __version__
    guards: str = ""
    rounding: str = ""
    rescored: str = ""
    verified: str = ""

    def of(self, candidate: Candidate) -> Header:
        """This header with what a candidate knows of itself; what stands here already stays."""
        known = replace(
            self,
            candidate=candidate.id if self.candidate is None else self.candidate,
            fitness=candidate.score.fitness if self.fitness is None else self.fitness,
        )
        second = candidate.confirmation
        if second is None or self.learning_rate is not None:
            return known
        return replace(known, confirmed=second.cost, learning_rate=second.learning_rate)

    @staticmethod
    def of_task(
        name: str,
        kind: Kind,
        notes: Iterable[str],
        metric: str,
        seed: int | None,
        outputs: int | None = None,
        *,
        versions: Mapping[str, str] | None = None,
        training: Mapping[str, Any] | None = None,
    ) -> Header:
        """What is said of a loss that was found on a task.

        outputs: of its networks, where that is known. versions: of libraries; those that decide are told.
        training: settings of how networks are trained.
        """
        known = versions or {}
        return Header(
            task=name,
            data="; ".join(notes),
            classes=outputs if kind is Kind.MULTICLASS else None,
            metric=cost_name(metric),
            seed=seed,
            trained_with=_optimiser(training or {}),
            libraries=", ".join(f"{library} {known[library]}" for library in DECISIVE if library in known),
        )

    @property
    def standardised(self) -> str:
        """The note on how the targets of regression were standardised, or nothing."""
        return next((note for note in self.data.split("; ") if note.startswith(STANDARDISED)), "")

    @staticmethod
    def from_facts(title: str, facts: Mapping[str, str]) -> Header:
        """The header that has these facts. Raises ExportError if one of them has another form."""
        names = {label: name for name, label in _LABELS.items()}
        known = {names.get(label, label): text for label, text in facts.items()}
        readers = {
            "candidate": int,
            "classes": int,
            "seed": int,
            "fitness": float,
            "confirmed": float,
            "learning_rate": float,
        }
        try:
            values = {
                field.name: readers.get(field.name, str)(known[field.name])
                for field in fields(Header)
                if field.name in known
            }
        except ValueError as error:
            raise ExportError(f"the facts of '{title}' cannot be read: {error}") from None
        return Header(**{**values, "title": title})

    def facts(self) -> list[tuple[str, str]]:
        """Name and text of every fact that is known, each text safe on one line of any comment."""
        known = [(field.name, getattr(self, field.name)) for field in fields(self) if field.name != "title"]
        return [
            (_LABELS.get(name, name), one_line(str(value)))
            for name, value in known
            if value not in (None, "")
        ]


def _optimiser(training: Mapping[str, Any]) -> str:
    """Stochastic gradient descent with its settings, in words; nothing where they are not known."""
    if not {"momentum", "nesterov", "batch_size"} <= set(training):
        return ""
    words = ["SGD"]
    if training["momentum"]:
        words += [f"{'Nesterov ' * bool(training['nesterov'])}momentum {training['momentum']}"]
    return ", ".join([*words, f"batches of {training['batch_size']}"])


def one_line(text: str) -> str:
    r"""`text` on one line of printable characters, the others escaped as \xNN, and not endless.

    Line ends would leave a comment; invisible characters (such as those that reverse the direction
    of text) would show a reader something else than what is there.
    """
    shown = printable(text)
    return shown if len(shown) <= MAX_FACT else f"{shown[: MAX_FACT - 3]}..."


def python_docstring(lines: list[str]) -> str:
    """The docstring that shows `lines`, whatever they contain."""
    escaped = "\n".join(lines).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped}\n"""'


ENTRIES = {
    Kind.MULTICLASS: (
        "the sum over classes of",
        "p = softmax(outputs), y = 1 for the true class and 0 for the others",
    ),
    Kind.BINARY: ("these values", "p = sigmoid(output), y = 1 or 0"),
    Kind.REGRESSION: ("these values", "p = the predicted value, y = the true value"),
}
_IN_UNITS = (
    "Both are in the units of the search, which took the mean stated under data from all targets and divided "
    "by the standard deviation. Scale your targets likewise, or this is another loss."
)
_COUNTED = ", and C is the number of classes"
"""For each kind: what is summed, and how outputs and labels become p and y."""


def guarded_operators(loss: SymbolicLoss) -> list[Operator]:
    """The operators of `loss` that are not quite what their names say, in the order of the table."""
    used = {node.operator for node in walk(loss.expression) if isinstance(node, Call)}
    return [row for row in OPERATORS.values() if row.guarded and row.name in used]


def described(form: Form, header: Header, format: str) -> list[str]:
    """The lines of the docstring at the top of a Python file."""
    loss = form.loss
    summed, entry = ENTRIES[loss.kind]
    whole = {"mean": "the mean of ", "sum": "the sum of ", "none": ""}
    formula = textwrap.wrap(format_formula(loss.expression), 92, subsequent_indent="    ")
    lines = [f"{one_line(header.title)}: {whole[loss.reduction]}{summed}", ""]
    lines += [f"    {line}" for line in formula]
    lines += ["", f"where {entry}{_COUNTED if 'classes' in loss.expression.inputs else ''}."]
    if loss.kind is Kind.REGRESSION and header.standardised:
        lines += textwrap.wrap(_IN_UNITS, 100)
    lines += _scheduled(form)
    lines += [_meaning(row) for row in guarded_operators(loss)]
    lines += ["", f"format: {format}", f"kind: {loss.kind.value}", f"reduction: {loss.reduction}"]
    if form.schedule is not None:
        lines += ["over time: yes, the expression is that at progress 0"]
    elif form.tunable:
        lines += ["learnable: yes"]
    lines += [f"expression: {print_expression(loss.expression)}"]
    for name, text in header.facts():
        lines += textwrap.wrap(f"{name}: {text}", 100, subsequent_indent="    ")
    return lines


def _scheduled(form: Form) -> list[str]:
    """How the constants depend on the progress of training, if they do."""
    if form.schedule is None:
        return []
    lines = [
        "",
        "Those are the constants at the start. In their order, at the progress t from 0 to 1, they are",
        "",
    ]
    for row in form.schedule:
        terms = [short_number(value) + ("", " t", " t^2", " t^3")[power] for power, value in enumerate(row)]
        lines.append("    " + " + ".join(terms).replace("+ -", "- "))
    return [*lines, ""]


def _meaning(row: Operator) -> str:
    return f"{row.name}({', '.join('ab'[: row.arity])}) means {row.meaning}."
