"""Runs exported Python files on prepared inputs. Executed as a script in a process of its own.

    python -I runner.py COUNT MEMORY_BYTES LIBRARY_FOLDER...

It imports nothing of symloss and makes sure that the files cannot either. In the working directory are
folders 0 to COUNT - 1, each with `exported.txt`, `target.txt` and `inputs.npz`, which holds `outputs_0`,
`labels_0`, `outputs_1`, ...; `results.npz` is written, with `value_i_r` and `gradient_i_r` for batch i and
reduction r. The target "onnx" makes `model.onnx` of a PyTorch file, or runs the one that is there.
"""

from __future__ import annotations

import logging
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

if __name__ == "__main__":
    sys.path.extend(sys.argv[3:])  # torch and NumPy may be where -I does not look

import numpy as np

REDUCTIONS = ("mean", "sum", "none")


def run_torch(exported: Any, outputs: Any, labels: Any, reduction: str) -> tuple[Any, Any]:
    """Value and gradient, by autograd, of the exported module; the exported function must give the same."""
    import torch

    leaf = torch.from_numpy(outputs).requires_grad_()
    target = torch.from_numpy(labels)
    value = exported.Loss(reduction=reduction)(leaf, target)
    value.sum().backward()
    assert leaf.grad is not None
    constants = (
        [torch.tensor(exported.CONSTANTS, dtype=torch.float64)] if hasattr(exported, "CONSTANTS") else []
    )
    again = exported.loss(leaf, target, *constants, reduction=reduction)
    if not torch.equal(torch.nan_to_num(again), torch.nan_to_num(value)):
        raise ValueError("the class Loss and the function loss differ")
    return value.detach().numpy(), leaf.grad.numpy()


def run_numpy(exported: Any, outputs: Any, labels: Any, reduction: str) -> tuple[Any, Any]:
    """Value and gradient as the exported functions compute them."""
    with np.errstate(all="ignore"):
        return (
            exported.loss(outputs, labels, reduction=reduction),
            exported.gradient(outputs, labels, reduction=reduction),
        )


def each(run: Callable[[Any, Any, Any, str], tuple[Any, Any]], exported: Any) -> Run:
    """Runs for every reduction."""
    return lambda outputs, labels: [run(exported, outputs, labels, own) for own in REDUCTIONS]


def with_jax(exported: Any, alone: bool = True) -> Run:
    """Value and gradient, by jax.vjp, of the exported function.

    alone: compile it as a whole, which takes half the time of compiling every operation by itself. Of many
           files, most operations are compiled already.
    """
    import jax

    jax.config.update("jax_enable_x64", True)  # type: ignore[no-untyped-call]

    def one(outputs: Any, labels: Any, reduction: str) -> tuple[Any, Any]:
        value, pull_back = jax.vjp(
            lambda z: exported.loss(z, labels, reduction=reduction), jax.numpy.asarray(outputs)
        )
        (slope,) = pull_back(jax.numpy.ones_like(value))
        return value, slope

    def run(outputs: Any, labels: Any) -> list[tuple[Any, Any]]:
        return [one(outputs, labels, own) for own in REDUCTIONS]

    return jax.jit(run) if alone else run


Run = Callable[[Any, Any], Sequence[tuple[Any, Any]]]
"""From outputs and labels to value and gradient for every reduction."""

RUNNERS: dict[str, Callable[[Any, bool], Run]] = {
    "torch": lambda exported, alone: each(run_torch, exported),
    "numpy": lambda exported, alone: each(run_numpy, exported),
    "jax": with_jax,
}


def run_all(exported: Any, target: str, inputs: Mapping[str, Any], alone: bool = True) -> dict[str, Any]:
    """The results for every batch and reduction, as described above; alone: there is no other file."""
    run = RUNNERS[target](exported, alone)
    results = {}
    for i in range(len(inputs) // 2):
        found = run(inputs[f"outputs_{i}"], inputs[f"labels_{i}"])
        for reduction, (value, gradient) in zip(REDUCTIONS, found, strict=True):
            results[f"value_{i}_{reduction}"] = np.asarray(value)
            results[f"gradient_{i}_{reduction}"] = np.asarray(gradient)
    return results


def make_onnx(exported: Any, inputs: Mapping[str, Any], path: str) -> None:
    """Write the exported module as an ONNX model for any batch and any number of classes or outputs."""
    import warnings

    import torch

    logging.disable(logging.WARNING)  # torch's exporter reports libraries that it does not need
    outputs = torch.zeros(4, 3)
    labels = torch.zeros(4, dtype=torch.int64) if inputs["labels_0"].ndim == 1 else torch.zeros(4, 3)
    batch, width = torch.export.Dim("batch", min=2), torch.export.Dim("width", min=2)
    shapes = tuple({0: batch} if own.dim() == 1 else {0: batch, 1: width} for own in (outputs, labels))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            exported.Loss(),
            (outputs, labels),
            dynamo=True,
            dynamic_shapes=shapes,
            input_names=["input", "target"],
            output_names=["loss"],
            verbose=False,
        )
    model = program.model_proto  # type: ignore[union-attr]
    model.metadata_props.add(key="symloss", value=exported.__doc__ or "")
    with open(path, "wb") as stream:
        stream.write(model.SerializeToString())


def run_onnx(path: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a model for every batch, by ONNX Runtime."""
    import onnxruntime

    model = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return {
        f"value_{i}": model.run(None, {"input": inputs[f"outputs_{i}"], "target": inputs[f"labels_{i}"]})[0]
        for i in range(len(inputs) // 2)
    }


def load(text: str, name: str = "exported") -> types.ModuleType:
    """The module that `text` defines. Executes it."""
    module = types.ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)  # noqa: S102 -- executing it is the purpose
    return module


class BlockSymloss:
    """An import finder that refuses symloss, wherever it is installed."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        """Refuse symloss, leave the rest to the other finders."""
        if name.partition(".")[0] == "symloss":
            raise ImportError("exported code must not import symloss")


MAX_FILE = 2**30
"""Largest file that exported code may write, in bytes."""


def limit_memory(num_bytes: int) -> None:
    """Let this process take at most `num_bytes` of memory and no long files, where the system has limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    try:
        resource.setrlimit(resource.RLIMIT_DATA, (num_bytes, num_bytes))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE, MAX_FILE))
    except (ValueError, OSError):  # a stricter limit is set already, or the system has none
        return


def main(count: str, memory: str, *_: str) -> None:
    """The script; see the top of this file."""
    sys.meta_path.insert(0, BlockSymloss())
    limit_memory(int(memory))
    top = os.getcwd()
    for number in range(int(count)):
        run_job(os.path.join(top, str(number)), alone=int(count) == 1)


def run_job(folder: str, alone: bool) -> None:
    """Execute what lies in a folder; alone: there is no other."""
    with open(os.path.join(folder, "target.txt"), encoding="utf-8") as stream:
        target = stream.read()
    with np.load(os.path.join(folder, "inputs.npz"), allow_pickle=False) as arrays:
        inputs = dict(arrays)
    model = os.path.join(folder, "model.onnx")
    exported = None
    if not os.path.exists(model):
        with open(os.path.join(folder, "exported.txt"), encoding="utf-8") as stream:
            exported = load(stream.read())
    if target == "onnx":
        if exported is not None:
            make_onnx(exported, inputs, model)
        results = run_onnx(model, inputs)
    else:
        results = run_all(exported, target, inputs, alone)
    np.savez(os.path.join(folder, "results.npz"), **results)


if __name__ == "__main__":
    main(*sys.argv[1:])
