"""From a loss to a checked file."""

from __future__ import annotations

import ast
import contextlib
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

from symloss.errors import ExportError
from symloss.export.forms import Form, careful_form, plain_form
from symloss.export.header import Header
from symloss.export.rounding import Rounding, round_constants
from symloss.export.targets import Target, target_named
from symloss.export.verify import Verification, verify_code, verify_onnx
from symloss.expr import unguarded
from symloss.records import Candidate, Kind, SymbolicLoss

Rescore: TypeAlias = Callable[[SymbolicLoss], str]
"""From a loss whose constants were changed to a sentence on its metric."""


@dataclass(frozen=True)
class Exported:
    """A loss as content of a file that has passed its check.

    loss:         what the text says, with rounded constants if rounding was asked for.
    verification: the check's outcome; None for a format that cannot be executed.
    rounding:     what rounding cost; None if it was not asked for.
    """

    format: str
    suffix: str
    content: str | bytes
    loss: SymbolicLoss
    verification: Verification | None = None
    rounding: Rounding | None = None

    @property
    def text(self) -> str:
        """The content of a format that is text."""
        assert isinstance(self.content, str)
        return self.content


def export_code(
    source: SymbolicLoss | Candidate,
    format: str = "torch",
    *,
    digits: int | None = None,
    header: Header | None = None,
    guards: bool = True,
    learnable: bool = False,
    standalone: bool = False,
    rescore: Rescore | None = None,
) -> Exported:
    """Write a loss in a language, execute the text, and compare it with the loss.

    digits: round the constants to so many significant digits; all digits are kept without it.
    header: facts for the top of the file; those of a candidate are filled in where it has none.
    guards: keep the floor of logarithms of probabilities, as the search had it; see `expr.guards`.
    learnable: PyTorch only: constants are parameters of the module, to be trained further.
    standalone: LaTeX only: a whole document.
    rescore: is called with the loss as it is written, and says what that costs in the metric.
    Raises ExportError if the format is unknown, or if the text does not compute the loss.
    """
    target = target_named(format)
    if learnable and target.name != "torch":
        raise ExportError(f"only the format torch can have learnable constants, found format '{target.name}'")
    if standalone and target.name != "latex":
        raise ExportError(f"only the format latex can be a standalone document, found format '{target.name}'")
    loss, header = _facts(source, header or Header())
    rounding = None
    if digits is not None:
        rounding = round_constants(loss, digits)
        loss, header = rounding.loss, replace(header, rounding=rounding.sentence)
    if not guards:
        loss, header = _without_guards(loss, header)
    if target.binary:
        return _onnx(loss, header, rounding, rescore)
    if not target.dtypes:
        text = target.emit(plain_form(loss), _rescored(header, loss, rescore))
        if standalone:
            from symloss.export.latex import standalone_document

            text = standalone_document(text)
        return Exported(format, target.suffix, text, loss, None, rounding)
    form, verification = verified_form(loss, target, learnable)
    header = _rescored(replace(header, verified=verification.verdict), loss, rescore)
    text = target.emit(form, header)
    if _code(text) != _code(target.emit(form, Header())):
        raise ExportError("the header of the exported file changes its code; this is a defect of symloss")
    return Exported(format, target.suffix, text, loss, verification, rounding)


_LEARNED = (
    "where constants can be learned, nothing is taken for granted about them, not even about the 1 in 1 - p; "
    "export it without learnable constants"
)


def _rescored(header: Header, loss: SymbolicLoss, rescore: Rescore | None) -> Header:
    """The header with what rescoring says. It takes its time, so nothing that can fail comes after it."""
    return header if rescore is None else replace(header, rescored=rescore(loss))


def _onnx(loss: SymbolicLoss, header: Header, rounding: Rounding | None, rescore: Rescore | None) -> Exported:
    """An ONNX model of the checked PyTorch file, itself run and compared."""
    target = target_named("onnx")
    form, _ = verified_form(loss, target_named("torch"))
    header = _rescored(header, loss, rescore)
    model, verification = verify_onnx(loss, target.emit(form, header))
    return Exported("onnx", target.suffix, model, loss, verification, rounding)


def verified_form(loss: SymbolicLoss, target: Target, learnable: bool = False) -> tuple[Form, Verification]:
    """The careful form if its code equals the loss everywhere, otherwise the plain one if that does.

    Raises ExportError, with the difference of the plain form, if neither does.
    """
    try:
        form = careful_form(loss, learnable)
        return form, verify_code(loss, target.emit(form, Header()), target.name)
    except ExportError as error:
        form = plain_form(loss, learnable)
        try:
            return form, verify_code(loss, target.emit(form, Header()), target.name)
        except ExportError:
            raise ExportError(f"{error}; {_LEARNED}" if learnable else str(error)) from None


def _without_guards(loss: SymbolicLoss, header: Header) -> tuple[SymbolicLoss, Header]:
    """The loss with the floors of its logarithms left out where they can be."""
    if loss.kind is Kind.REGRESSION:
        raise ExportError(
            "a loss for regression has no logarithm of a probability whose floor could be left out"
        )
    exact = unguarded(loss.expression)
    if exact == loss.expression:
        raise ExportError("the formula has no logarithm of a probability whose floor could be left out")
    sentence = "left out of the logarithms of probabilities, which the search limited to 1e-7 and more"
    return replace(loss, expression=exact), replace(header, guards=sentence)


def _facts(source: SymbolicLoss | Candidate, header: Header) -> tuple[SymbolicLoss, Header]:
    return (source, header) if isinstance(source, SymbolicLoss) else (source.loss, header.of(source))


def _code(text: str) -> str:
    """What a Python file does: all of it except its docstring."""
    tree = ast.parse(text)
    return ast.dump(ast.Module(tree.body[1:], []))


def write_export(
    source: SymbolicLoss | Candidate,
    path: str | os.PathLike[str],
    format: str = "torch",
    *,
    digits: int | None = None,
    header: Header | None = None,
    guards: bool = True,
    learnable: bool = False,
    standalone: bool = False,
    rescore: Rescore | None = None,
    overwrite: bool = False,
) -> Exported:
    """`export_code` into a file, which appears whole and only after the check has passed.

    Raises ExportError also if the file exists and is not to be overwritten, or cannot be written.
    """
    path = Path(path)
    _check_free(path, overwrite)
    exported = export_code(
        source,
        format,
        digits=digits,
        header=header,
        guards=guards,
        learnable=learnable,
        standalone=standalone,
        rescore=rescore,
    )
    write_content(path, exported.content, overwrite)
    return exported


def _check_free(path: Path, overwrite: bool) -> None:
    if os.path.isdir(path):
        raise ExportError(f"{path} is a folder; give the name of a file")
    if os.path.exists(path) and not overwrite:
        raise ExportError(
            f"{path} exists already and is left as it is; choose another name, or allow it by --overwrite "
            "(in Python overwrite=True)"
        )
    if not os.path.isdir(path.parent):
        raise ExportError(f"the folder {path.parent} does not exist")


def write_content(path: Path, content: str | bytes, overwrite: bool = False) -> None:
    """Write a whole file or nothing: under another name first, then moved to its place."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as stream:
            stream.write(content.encode() if isinstance(content, str) else content)
            stream.flush()
            os.fsync(stream.fileno())
        _check_free(path, overwrite)  # the verification took seconds; somebody may have been faster
        os.replace(temporary, path)
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise ExportError(f"cannot write {path}: {error}") from None
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def suggested_name(target: Target, candidate: int | None) -> str:
    """A file name for an export that was not given one."""
    return f"loss{'' if candidate is None else f'_{candidate}'}{target.suffix}"
