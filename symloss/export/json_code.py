"""A loss as JSON: the formula and where it comes from, for programs."""

from __future__ import annotations

import msgspec

from symloss.export.header import Header
from symloss.export.read import JSON_FORMAT, LossFile
from symloss.expr import format_formula, print_expression
from symloss.records import SymbolicLoss


def emit_json(loss: SymbolicLoss, header: Header) -> str:
    """The file's text, which `read_export` reads."""
    stated = LossFile(
        format=JSON_FORMAT,
        name=header.title,
        kind=loss.kind,
        reduction=loss.reduction,
        formula=format_formula(loss.expression),
        expression=print_expression(loss.expression),
        facts=dict(header.facts()),
    )
    return msgspec.json.format(msgspec.json.encode(stated), indent=2).decode() + "\n"
