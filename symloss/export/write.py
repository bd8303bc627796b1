"""From a loss to a checked file."""

from __future__ import annotations

import ast
import contextlib
import os
import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from symloss.errors import ExportError
from symloss.export.header import Header
from symloss.export.rounding import Rounding, round_constants
from symloss.export.targets import Target, target_named
from symloss.export.verify import Verification, verify_code
from symloss.records import Candidate, SymbolicLoss


@dataclass(frozen=True)
class Exported:
    """A loss as text that has passed its check.

    loss:         what the text says, with rounded constants if rounding was asked for.
    verification: the check's outcome; None for a format that cannot be executed.
    rounding:     what rounding cost; None if it was not asked for.
    """

    format: str
    suffix: str
    text: str
    loss: SymbolicLoss
    verification: Verification | None = None
    rounding: Rounding | None = None


def export_code(
    source: SymbolicLoss | Candidate,
    format: str = "torch",
    *,
    digits: int | None = None,
    header: Header | None = None,
) -> Exported:
    """Write a loss in a language, execute the text, and compare it with the loss.

    digits: round the constants to so many significant digits; all digits are kept without it.
    header: facts for the top of the file; those of a candidate are filled in where it has none.
    Raises ExportError if the format is unknown, or if the text does not compute the loss.
    """
    target = target_named(format)
    loss, header = _facts(source, header or Header())
    rounding = None
    if digits is not None:
        rounding = round_constants(loss, digits)
        loss, header = rounding.loss, replace(header, rounding=rounding.sentence)
    draft = target.emit(loss, header)
    if not target.dtypes:
        return Exported(format, target.suffix, draft, loss, None, rounding)
    verification = verify_code(loss, draft, target.name)
    text = target.emit(loss, replace(header, verified=verification.verdict))
    if _code(text) != _code(draft):
        raise ExportError("the header of the exported file changes its code; this is a defect of symloss")
    return Exported(format, target.suffix, text, loss, verification, rounding)


def _facts(source: SymbolicLoss | Candidate, header: Header) -> tuple[SymbolicLoss, Header]:
    if isinstance(source, SymbolicLoss):
        return source, header
    candidate = source.id if header.candidate is None else header.candidate
    fitness = source.score.fitness if header.fitness is None else header.fitness
    rate = header.learning_rate
    if rate is None and source.confirmation is not None:
        rate = source.confirmation.learning_rate
    return source.loss, replace(header, candidate=candidate, fitness=fitness, learning_rate=rate)


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
    overwrite: bool = False,
) -> Exported:
    """`export_code` into a file, which appears whole and only after the check has passed.

    Raises ExportError also if the file exists and is not to be overwritten, or cannot be written.
    """
    path = Path(path)
    _check_free(path, overwrite)
    exported = export_code(source, format, digits=digits, header=header)
    write_text(path, exported.text, overwrite)
    return exported


def _check_free(path: Path, overwrite: bool) -> None:
    if os.path.isdir(path):
        raise ExportError(f"{path} is a folder; give the name of a file")
    if os.path.exists(path) and not overwrite:
        raise ExportError(
            f"{path} exists already and is left as it is; choose another name or allow overwriting"
        )
    if not os.path.isdir(path.parent):
        raise ExportError(f"the folder {path.parent} does not exist")


def write_text(path: Path, text: str, overwrite: bool = False) -> None:
    """Write a whole file or nothing: under another name first, then moved to its place."""
    temporary = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "x", encoding="utf-8", newline="\n") as stream:
            stream.write(text)
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
