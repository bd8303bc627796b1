"""The languages that losses are exported to. A new one joins by being listed here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from symloss.errors import ExportError, did_you_mean
from symloss.export.forms import Form
from symloss.export.header import Header
from symloss.export.jax_code import emit_jax
from symloss.export.json_code import emit_json
from symloss.export.latex import emit_latex
from symloss.export.numpy_code import emit_numpy
from symloss.export.pytorch import emit_for_onnx, emit_torch


@dataclass(frozen=True)
class Target:
    """One language.

    emit:   writes a loss, with its header, as the text of a file.
    dtypes: precisions in which the file is executed and compared; empty for what cannot be executed.
    library: what must be installed for that.
    binary:  True for a model that is made of the text.
    packages: what to install for that, if it is more than the library.
    """

    name: str
    suffix: str
    emit: Callable[[Form, Header], str]
    dtypes: tuple[str, ...] = ()
    library: str = "torch"
    binary: bool = False
    packages: str = ""


_ROWS = [
    Target("torch", ".py", emit_torch, ("float64", "float32")),
    Target("numpy", "_numpy.py", emit_numpy, ("float64",), library="numpy"),
    Target("jax", "_jax.py", emit_jax, ("float64", "float32"), library="jax"),
    Target(
        "onnx",
        ".onnx",
        emit_for_onnx,
        library="onnxruntime",
        binary=True,
        packages="onnx onnxscript onnxruntime",
    ),
    Target("json", ".json", lambda form, header: emit_json(form.loss, header)),
    Target("latex", ".tex", lambda form, header: emit_latex(form.loss, header)),
]

TARGETS: dict[str, Target] = {row.name: row for row in _ROWS}


def target_of(file: str) -> Target:
    """The target whose files have such names; PyTorch for names that say nothing."""
    fitting = [row for row in _ROWS if file.endswith(row.suffix)]
    return max(fitting, key=lambda row: len(row.suffix), default=TARGETS["torch"])


def target_named(name: str) -> Target:
    """The row of `name`. Raises ExportError, with the nearest known name, if there is none."""
    if name not in TARGETS:
        raise ExportError(f"unknown format '{name}': {did_you_mean(name, TARGETS)}")
    return TARGETS[name]
