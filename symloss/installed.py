"""What this installation of symloss has: libraries, devices, data. Nothing heavy is started to find out."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from symloss import __version__
from symloss.fitting.pysr_there import INSTALL_JULIA, INSTALL_PYSR, pysr_state
from symloss.tasks.folders import folders

LIBRARIES = ("torch", "numpy", "scipy", "sympy", "deap", "scikit-learn")
OPTIONAL = {
    "tensorboard": "pip install tensorboard, to watch train-loss and fewshot",
    "jax": "pip install 'symloss[jax]', to check exported JAX files",
    "onnx": "pip install 'symloss[onnx]', to make ONNX models",
    "onnxruntime": "pip install 'symloss[onnx]', to check ONNX models",
    "pyarrow": "pip install 'symloss[tables]', to read Parquet files",
    "torchvision": "pip install 'symloss[data]', to fetch published images",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report. found: None where there is nothing. advice: what to type then, and what for."""

    name: str
    found: str | None
    advice: str = ""


def findings() -> list[Finding]:
    """Everything that a user may want to know when something does not work."""
    state = pysr_state()
    return [
        Finding("symloss", __version__),
        Finding("python", platform.python_version()),
        *(Finding(name, _version(name)) for name in LIBRARIES),
        _cuda(),
        *(_optional(name, advice) for name, advice in OPTIONAL.items()),
        Finding("pysr", state.pysr, "" if state.pysr else f"{INSTALL_PYSR}, for distill --engine pysr"),
        Finding("julia", state.julia, "" if state.julia else f"{INSTALL_JULIA}; needed by pysr alone"),
        *_folders(),
    ]


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _optional(name: str, advice: str) -> Finding:
    found = _version(name)
    return Finding(name, found, "" if found else advice)


def _cuda() -> Finding:
    import torch

    if not torch.cuda.is_available():
        built = torch.version.cuda
        why = "no device is visible" if built else "this torch is built without it; see https://pytorch.org"
        return Finding("cuda", None, why)
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return Finding("cuda", f"{torch.version.cuda}: {', '.join(names)}")


def _folders() -> list[Finding]:
    return [
        Finding("data folder", f"{folder}{'' if os.path.isdir(folder) else ' (not there)'}")
        for folder in folders("")
    ]
