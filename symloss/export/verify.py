"""The check behind every export: the written code runs by itself and must equal the search's loss.

The text is executed in a new process that cannot import symloss, on a grid of ordinary and extreme
inputs, ties and exact probabilities. Value and gradient are compared with `SymbolicLossModule`.
"""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch

from symloss.errors import ExportError
from symloss.export import expected, runner
from symloss.export.expected import TOLERANCES
from symloss.export.grid import Batch, batches
from symloss.export.read import MAX_BYTES, read_export
from symloss.export.targets import Target, target_named
from symloss.reading.arrays import read_arrays
from symloss.reading.files import read_bytes
from symloss.records import Kind, SymbolicLoss
from symloss.workers import one_thread

TIME_LIMIT = 120.0
"""Seconds that the exported code may take, importing its library included."""

MEMORY_LIMIT = 8 * 2**30
"""Bytes that the exported code may take, its library included."""


@dataclass(frozen=True)
class Errors:
    """The worst differences found in one precision; none of the gradient where there is none."""

    dtype: str
    tolerance: float
    value_absolute: float = 0.0
    value_relative: float = 0.0
    gradient_absolute: float | None = None
    gradient_relative: float | None = None

    @property
    def sentence(self) -> str:
        value = f"{self.dtype}: value {_bound(self.value_relative, self.tolerance)}"
        if self.gradient_relative is None:
            return value
        return f"{value}, gradient {_bound(self.gradient_relative, self.tolerance)}"


@dataclass(frozen=True)
class Verification:
    """What was compared, and how well it agreed. Exists only for code that passed.

    target: name of the exported language. points: samples compared, over all batches and precisions.
    """

    target: str
    points: int
    errors: tuple[Errors, ...]

    @property
    def verdict(self) -> str:
        """One sentence, the same on every machine that rounds a little differently."""
        found = "; ".join(error.sentence for error in self.errors)
        return (
            f"executed on its own at {self.points} points (ordinary, extreme, ties) and equal to symloss's "
            f"evaluation of this formula, worst relative errors {found}"
        )


def _bound(error: float, tolerance: float) -> str:
    """A power of ten that is larger, a tenth of the tolerance at least: below, processors differ."""
    least = round(math.log10(tolerance)) - 1
    own = math.floor(math.log10(error)) + 1 if error else least
    return f"under 1e{max(own, least)}"


@dataclass(frozen=True)
class Check:
    """One batch in one precision."""

    batch: Batch
    dtype: str

    def inputs(self) -> tuple[Any, Any]:
        """Outputs and labels as the exported code receives them."""
        labels = self.batch.labels
        whole = np.issubdtype(labels.dtype, np.integer)
        return self.batch.outputs.astype(self.dtype), labels if whole else labels.astype(self.dtype)


def checks(loss: SymbolicLoss, dtypes: Sequence[str]) -> list[Check]:
    """Every batch of the grid in every precision."""
    return [Check(batch, dtype) for dtype in dtypes for batch in batches(loss.kind)]


def verify_code(
    loss: SymbolicLoss,
    text: str,
    format: str = "torch",
    time_limit: float = TIME_LIMIT,
    memory_limit: int = MEMORY_LIMIT,
) -> Verification:
    """Execute `text` and compare. Raises ExportError with the first difference, or why it did not run."""
    (verification,) = verify_codes([(loss, text, format)], time_limit, memory_limit)
    return verification


def verify_codes(
    written: Sequence[tuple[SymbolicLoss, str, str]],
    time_limit: float = TIME_LIMIT,
    memory_limit: int = MEMORY_LIMIT,
) -> list[Verification]:
    """`verify_code` of several losses, texts and formats, all executed in one process."""
    wanted = [checks(loss, target_named(format).dtypes) for loss, _, format in written]
    jobs = [Job(text, format, inputs_of(own)) for (_, text, format), own in zip(written, wanted, strict=True)]
    results = execute(jobs, time_limit, memory_limit)
    with one_thread():
        return [
            compare(loss, format, own, found)
            for (loss, _, format), own, found in zip(written, wanted, results, strict=True)
        ]


def verify_file(path: Path) -> Verification:
    """Execute an exported file and compare it with the formula that it states. Raises ExportError."""
    found = read_export(path)
    if found.model is not None:
        return verify_onnx(found.loss, model=found.model)[1]
    if not target_named(found.format or "torch").dtypes:
        raise ExportError(f"{path} states a loss and has no code that could be executed")
    return verify_code(found.loss, found.text, found.format or "torch")


def verify_onnx(
    loss: SymbolicLoss, text: str = "", model: bytes | None = None, time_limit: float = TIME_LIMIT
) -> tuple[bytes, Verification]:
    """Make an ONNX model of a PyTorch file's text, or take `model`; run it and compare its values.

    Raises ExportError for the first difference. An ONNX model has no gradient, and takes class ids where a
    loss takes classes.
    """
    hard = [
        check
        for check in checks(loss, ("float32",))
        if len(check.batch.outputs) > 1
        and (loss.kind is not Kind.MULTICLASS or np.issubdtype(check.batch.labels.dtype, np.integer))
    ]
    (found,) = execute([Job(text, "onnx", inputs_of(hard), model)], time_limit, MEMORY_LIMIT)
    with one_thread():
        pairs = [(check.batch, check.dtype) for check in hard]
        scales = expected.scales(loss, pairs, shaken=True)
        worst = {"value_absolute": 0.0, "value_relative": 0.0}
        for i, (check, scale) in enumerate(zip(hard, scales, strict=True)):
            values, slopes = expected.expected(loss, check.batch, torch.float32)
            value, _ = expected.reduced(values, slopes, loss.reduction)
            shrink = values.size if loss.reduction == "mean" else 1
            size = scale.value if loss.reduction == "none" else scale.value.sum() / shrink
            _note(worst, "value", "onnx", check, loss.reduction, value, found.get(f"value_{i}"), size)
    points = sum(len(check.batch.outputs) for check in hard)
    return found["model"], Verification("onnx", points, (Errors("float32", TOLERANCES["float32"], **worst),))


def inputs_of(wanted: Sequence[Check]) -> dict[str, Any]:
    """The arrays that `runner` reads."""
    arrays = {}
    for i, check in enumerate(wanted):
        arrays[f"outputs_{i}"], arrays[f"labels_{i}"] = check.inputs()
    return arrays


@dataclass(frozen=True)
class Job:
    """A text (or an ONNX model) to execute, its target, and the arrays that `runner` reads."""

    text: str
    target: str
    inputs: Mapping[str, Any]
    model: bytes | None = None


def execute(jobs: Sequence[Job], time_limit: float, memory_limit: int) -> list[dict[str, Any]]:
    """The results of each text, run in a process of its own, away from symloss."""
    names = "/".join(dict.fromkeys(job.target for job in jobs))
    with ExitStack() as stack:
        top = stack.enter_context(tempfile.TemporaryDirectory(prefix="symloss-verify-"))
        for i, job in enumerate(jobs):
            (folder := Path(top) / str(i)).mkdir()
            (folder / "exported.txt").write_text(job.text, encoding="utf-8")
            (folder / "target.txt").write_text(job.target, encoding="utf-8")
            np.savez(folder / "inputs.npz", **job.inputs)
            if job.model is not None:
                (folder / "model.onnx").write_bytes(job.model)
        targets = [target_named("numpy"), *(target_named(job.target) for job in jobs)]
        libraries = [_folder_of(target) for target in targets]
        command = [sys.executable, "-I", runner.__file__, str(len(jobs)), str(memory_limit)]
        said = stack.enter_context((Path(top) / "stderr").open("w+b"))
        try:
            done = subprocess.run(  # noqa: S603 -- our own interpreter, no shell
                [*command, *dict.fromkeys(libraries)],
                cwd=top,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,  # a file, whose size the process has limited; a pipe would fill our memory
                timeout=time_limit,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ExportError(
                f"the exported {names} code did not finish within {time_limit:g} seconds"
            ) from None
        found = [Path(top) / str(i) / "results.npz" for i in range(len(jobs))]
        if done.returncode != 0 or not all(path.exists() for path in found):
            reason = _last_line(said) or f"exit status {done.returncode}"
            raise ExportError(f"the exported {names} code cannot be run by itself: {reason}")
        return [_result(path.parent) for path in found]


def _last_line(said: IO[bytes]) -> str:
    """The end of what a process said."""
    said.seek(max(0, said.seek(0, os.SEEK_END) - 10_000))
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _result(folder: Path) -> dict[str, Any]:
    """The arrays that were written, and the model if one was made."""
    found: dict[str, Any] = dict(
        read_arrays(folder / "results.npz", ExportError, "the exported code has written something else")
    )
    model = folder / "model.onnx"
    if not model.exists():
        return found
    return {**found, "model": read_bytes(model, "", MAX_BYTES, ExportError)}


def _folder_of(target: Target) -> str:
    """The folder in which a target's library is installed, found without importing it."""
    library = target.library
    found = importlib.util.find_spec(library)
    if found is None or found.origin is None:
        raise ExportError(
            f"{target.name} code is checked by running it, and {library} is not installed; "
            f"pip install {target.packages or library}"
        )
    return str(Path(found.origin).parents[1])


def compare(
    loss: SymbolicLoss, target: str, wanted: Sequence[Check], results: Mapping[str, Any]
) -> Verification:
    """The worst differences between `results` and the loss. Raises ExportError for one that is too large."""
    pairs = [(check.batch, check.dtype) for check in wanted]
    try:
        return _compare(loss, target, wanted, results, expected.scales(loss, pairs))
    except ExportError:  # is it more than what a rounding error here or there would make?
        return _compare(loss, target, wanted, results, expected.scales(loss, pairs, shaken=True))


def _compare(
    loss: SymbolicLoss,
    target: str,
    wanted: Sequence[Check],
    results: Mapping[str, Any],
    scales: Sequence[expected.Scale],
) -> Verification:
    worst: dict[str, dict[str, float]] = {check.dtype: {} for check in wanted}
    for i, (check, scale) in enumerate(zip(wanted, scales, strict=True)):
        dtype: torch.dtype = getattr(torch, check.dtype)
        values, slopes = expected.expected(loss, check.batch, dtype)
        for reduction in runner.REDUCTIONS:
            value, gradient = expected.reduced(values, slopes, reduction)
            shrink = values.size if reduction == "mean" else 1
            value_scale = scale.value if reduction == "none" else scale.value.sum() / shrink
            for name, right, size in [
                ("value", value, value_scale),
                ("gradient", gradient, scale.gradient / shrink),
            ]:
                found = results.get(f"{name}_{i}_{reduction}")
                _note(worst[check.dtype], name, target, check, reduction, right, found, size)
    points = sum(len(check.batch.outputs) for check in wanted)
    return Verification(target, points, tuple(Errors(d, TOLERANCES[d], **e) for d, e in worst.items()))


def _note(
    worst: dict[str, float],
    name: str,
    target: str,
    check: Check,
    reduction: str,
    right: Any,
    found: Any,
    size: Any,
) -> None:
    """Keep the worst difference so far. Raises ExportError if one is too large."""
    tolerance = TOLERANCES[check.dtype]
    absolute, relative, where = _difference(right, found, size)
    if not relative <= tolerance:
        raise ExportError(
            f"the exported {target} code differs from the loss that the search used: its {name} "
            f"{where} ({check.batch.name} inputs, {check.dtype}, reduction {reduction}; "
            f"relative error {relative:.1e}, allowed {tolerance:.0e})"
        )
    for kind, error in (("absolute", absolute), ("relative", relative)):
        worst[f"{name}_{kind}"] = max(worst.get(f"{name}_{kind}", 0.0), error)


def _difference(right: Any, found: Any, size: Any) -> tuple[float, float, str]:
    """Worst absolute and relative difference, and where it is, in words.

    Where the right number is not finite, the found one must not be either.
    """
    if found is None or found.shape != right.shape or found.dtype.kind not in "biuf":
        shape = "nothing" if found is None else f"{found.dtype} of shape {found.shape}"
        return math.inf, math.inf, f"has {shape} instead of shape {right.shape}"
    right, found = np.atleast_1d(right).astype(float), np.atleast_1d(found).astype(float)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        absolute = np.where(right == found, 0.0, np.abs(right - found))
        relative = absolute / np.broadcast_to(size, right.shape)
    both_lost = ~np.isfinite(right) & ~np.isfinite(found)
    one_lost = np.isfinite(right) != np.isfinite(found)
    absolute[both_lost], relative[both_lost] = 0.0, 0.0
    absolute[one_lost], relative[one_lost] = math.inf, math.inf
    index = np.unravel_index(int(relative.argmax()), relative.shape)
    place = ", ".join(str(int(k)) for k in index)
    where = f"is {found[index]:.6g} instead of {right[index]:.6g} at index ({place})"
    return float(absolute.max()), float(relative.max()), where
