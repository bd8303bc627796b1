"""Exported files read back into losses. Nothing in them is executed."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from symloss.errors import ExportError, ExpressionError
from symloss.expr import constants_of, parse_expression, with_constants
from symloss.reading.files import json_value, read_bytes, read_text
from symloss.records import Kind, SymbolicLoss

if TYPE_CHECKING:
    from torch import nn

MAX_BYTES = 4 * 2**20
"""Largest file that is read."""


@dataclass(frozen=True)
class ExportedFile:
    """What an exported file says about itself.

    format: name of the target that wrote it. name: what it calls its loss.
    """

    path: Path
    text: str
    format: str
    loss: SymbolicLoss
    name: str = ""
    learnable: bool = False
    facts: dict[str, str] = field(default_factory=dict)
    model: bytes | None = None

    def _repr_latex_(self) -> str:
        return self.loss._repr_latex_()


def read_export(path: Path) -> ExportedFile:
    """The loss that an exported `.py` or `.json` file states.

    Raises ExportError if it is no such file.
    """
    if path.suffix == ".onnx":
        return _from_onnx(path)
    text = read_text(path, "", ExportError, MAX_BYTES)
    if path.suffix == ".json":
        return _from_json(path, text)
    if path.suffix != ".py":
        raise ExportError(
            f"{path} cannot be read back; the .py, .json and .onnx files of 'symloss export' can"
        )
    return _from_python(path, text)


# --- Python ---------------------------------------------------------------------------------------


def _from_python(path: Path, text: str) -> ExportedFile:
    docstring = docstring_of(text)
    facts = facts_of(docstring)
    name = docstring.partition(":")[0]
    learnable = facts.get("learnable") == "yes"
    return ExportedFile(path, text, facts.get("format", ""), _stated(path, facts), name, learnable, facts)


def docstring_of(text: str) -> str:
    """The docstring of a Python file; '' if it has none. What stands behind it is not looked at.

    By its tokens, since a parser of Python can be made to exhaust the stack, which ends the process.
    """
    found = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type in (tokenize.COMMENT, tokenize.NL):
                continue
            if found:
                return inspect.cleandoc(found) if token.type in _ENDS else ""
            value = ast.literal_eval(token.string) if token.type == tokenize.STRING else None
            if not isinstance(value, str):
                return ""
            found = value
    except (SyntaxError, ValueError, tokenize.TokenError):  # no Python, or not what we write
        pass
    return ""


_ENDS = (tokenize.NEWLINE, tokenize.ENDMARKER)


def facts_of(docstring: str) -> dict[str, str]:
    """The lines `name: value` of a header, with those indented below; the first of a name counts."""
    facts: dict[str, str] = {}
    name = ""
    for line in docstring.splitlines()[1:]:
        found = re.match(r"([a-z_ ]+): (.*)$", line)
        if found:
            name = "" if found[1] in facts else found[1]
            facts.setdefault(found[1], found[2])
        elif name and line.startswith("    "):
            facts[name] += f" {line.strip()}"
        else:
            name = ""
    return facts


def _stated(path: Path, facts: dict[str, str]) -> SymbolicLoss:
    if "kind" not in facts or "expression" not in facts:
        raise ExportError(
            f"{path} was not written by 'symloss export': its docstring states no kind and expression"
        )
    if "over time" in facts:
        raise ExportError(
            f"{path} states a loss whose constants change over training, so it is not one formula"
        )
    try:
        kind = Kind(facts["kind"])
        return SymbolicLoss(parse_expression(facts["expression"]), kind, facts.get("reduction", "mean"))
    except (ValueError, ExpressionError) as error:
        raise ExportError(f"{path} states a loss that cannot be read: {error}") from None


# --- JSON -----------------------------------------------------------------------------------------


class LossFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The fields of an exported `.json` file, in this order."""

    format: str
    name: str
    kind: Kind
    reduction: str
    formula: str
    expression: str
    facts: dict[str, str] = {}


def _from_json(path: Path, text: str) -> ExportedFile:
    try:
        stated = msgspec.json.decode(text, type=LossFile)
        json_value(text)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise ExportError(
            f"{path} is not a loss written by 'symloss export --format json': {error}"
        ) from None
    if stated.format != JSON_FORMAT:
        raise ExportError(f"{path} has format '{stated.format}', expected '{JSON_FORMAT}'")
    facts = {"kind": stated.kind.value, "expression": stated.expression, "reduction": stated.reduction}
    return ExportedFile(path, text, "json", _stated(path, facts), stated.name, facts=stated.facts)


JSON_FORMAT = "symloss loss 1"


# --- ONNX -----------------------------------------------------------------------------------------


def _from_onnx(path: Path) -> ExportedFile:
    """The loss that a model's metadata state. A model is data: reading it executes nothing."""
    try:
        import onnx
    except ImportError:
        raise ExportError(f"reading {path} needs onnx, which is not installed; pip install onnx") from None
    content = read_bytes(path, "", MAX_BYTES, ExportError)
    try:
        model = onnx.load_model_from_string(content)
        stated = {entry.key: entry.value for entry in model.metadata_props}.get("symloss", "")
    except Exception:  # the parser of protocol buffers has errors of its own
        raise ExportError(f"{path} is not an ONNX model") from None
    facts = facts_of(stated)
    return ExportedFile(path, "", "onnx", _stated(path, facts), stated.partition(":")[0], model=content)


# --- constants that were trained further ----------------------------------------------------------


def from_torch(module: nn.Module) -> SymbolicLoss:
    """The loss of a module with the constants that it has now.

    module: the `Loss` of an exported file that was imported, or of `to_torch`, or a `SymbolicLossModule`.
    Raises ExportError if it is neither.
    """
    import sys

    from symloss.export.module import TorchLoss
    from symloss.losses.symbolic import SymbolicLossModule

    if isinstance(module, SymbolicLossModule | TorchLoss):
        return module.to_symbolic()
    home = sys.modules.get(type(module).__module__)
    docstring = getattr(home, "__doc__", None) or getattr(type(module), "__doc__", None) or ""
    facts = facts_of(docstring)
    if "expression" not in facts:
        raise ExportError(f"{type(module).__name__} is not the module of a file written by 'symloss export'")
    loss = _stated(Path(f"<{type(module).__module__}>"), facts)
    constants = getattr(module, "constants", None)
    return loss if constants is None else with_values(loss, constants.detach().double().tolist())


def with_values(loss: SymbolicLoss, values: list[float]) -> SymbolicLoss:
    """`loss` with its constants, in the order of its formula, replaced."""
    expected = len(constants_of(loss.expression))
    if len(values) != expected:
        raise ExportError(f"the formula has {expected} constants, found {len(values)}")
    try:
        return replace(loss, expression=with_constants(loss.expression, values))
    except ExpressionError as error:
        raise ExportError(f"the constants cannot be used: {error}") from None


def constants_in(path: Path) -> list[float]:
    """The constants in a file of trained weights, saved by `torch.save(module.state_dict(), path)`.

    Only tensors are read, nothing is unpickled beyond them. Raises ExportError if there are none.
    """
    import torch

    from symloss.reading.tensors import tensors_in

    try:
        state = tensors_in(read_bytes(path, "", MAX_BYTES, ExportError))
    except ValueError as error:
        raise ExportError(f"{path} is not a file of tensors saved by torch.save: {error}") from None
    constants = state.get("constants") if isinstance(state, dict) else None
    if not isinstance(constants, torch.Tensor) or constants.dim() != 1:
        raise ExportError(
            f"{path} has no tensor 'constants', as an exported module with learnable constants has"
        )
    return [float(value) for value in constants.double().tolist()]
