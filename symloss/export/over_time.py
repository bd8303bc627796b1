"""A loss whose constants depend on the progress of training, as a PyTorch or NumPy file.

The file is that of a loss with tunable constants, and a table that says what these are at a progress. The
check is the usual one, made at several moments: at each, the file has to equal the loss with the constants of
that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from symloss.errors import ExportError
from symloss.export.forms import Form, careful_form, plain_form
from symloss.export.header import Header
from symloss.export.targets import target_named
from symloss.export.verify import verify_codes
from symloss.export.write import Exported
from symloss.expr import with_constants
from symloss.records import SymbolicLoss

MOMENTS = (0.0, 0.3, 0.7, 1.0)
"""Where the written code is compared with the loss."""

Coefficients = Sequence[Sequence[float]]


def export_over_time(
    loss: SymbolicLoss, coefficients: Coefficients, format: str = "torch", header: Header | None = None
) -> Exported:
    """Write a loss that takes a `progress` in [0, 1], execute the text, and compare it at several moments.

    loss: the formula; its constants do not matter. coefficients: of each of them, by powers of progress.
    Raises ExportError if the format is another one, or if the text does not compute the loss.
    """
    if format not in ("torch", "numpy"):
        raise ExportError(f"a loss that changes with progress is written as torch or numpy, found '{format}'")
    table = tuple(tuple(float(value) for value in row) for row in coefficients)
    begin = at_progress(loss, table, 0.0)
    target, header = target_named(format), header or Header()
    failed: ExportError | None = None
    for make in (careful_form, plain_form):
        form = replace(_form(make, begin), schedule=table)
        text = target.emit(form, header)
        moments = [at_progress(loss, table, moment) for moment in MOMENTS]
        written = [
            (own, text + _bound_to(moment, format), format)
            for own, moment in zip(moments, MOMENTS, strict=True)
        ]
        try:
            found = verify_codes(written)
        except ExportError as error:
            failed = failed or error
            continue
        verdict = f"at progress {', '.join(map(str, MOMENTS))}: {found[0].verdict}"
        text = target.emit(form, replace(header, verified=verdict))
        return Exported(format, target.suffix, text, begin, found[0])
    assert failed is not None
    raise failed


def _form(make: Callable[[SymbolicLoss, bool], Form], loss: SymbolicLoss) -> Form:
    return make(loss, True)


def at_progress(loss: SymbolicLoss, coefficients: Coefficients, progress: float) -> SymbolicLoss:
    """The loss at one moment, its constants computed as the exported files do."""
    constants = [float(np.polynomial.polynomial.polyval(progress, row)) for row in coefficients]
    return replace(loss, expression=with_constants(loss.expression, constants))


def _bound_to(progress: float, format: str) -> str:
    """Lines that give the file's functions a progress, so that they can be called as any loss is."""
    if format == "numpy":
        lines = ["import functools"]
        lines += [
            f"{name} = functools.partial({name}, progress={progress!r})" for name in ("loss", "gradient")
        ]
        return "\n\n" + "\n".join(lines) + "\n"
    return f"""

CONSTANTS = constants_at({progress!r})
_AtProgress = Loss


def Loss(**options):
    module = _AtProgress(**options)
    return lambda input, target: module(input, target, {progress!r})
"""
