"""A target under atheris: `python -m benchmarks.guided_fuzz TARGET INPUTS SECONDS OUT`.

The inputs are those of hypothesis; atheris chooses what hypothesis would have drawn at random, and prefers
what leads to lines of symloss that no input has reached. Not in the package `fuzz`, which would import
symloss before atheris can see it.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["symloss", "lark"]):
    from benchmarks.fuzz.driver import Finding, Result, Trial, attempt, shortened
    from benchmarks.fuzz.targets import TARGETS


def main(target: str, inputs: str, seconds: str, out: str) -> None:
    began, most = time.monotonic(), float(seconds) or float("inf")
    with tempfile.TemporaryDirectory() as folder, TARGETS[target](Path(folder)) as made:
        trial = Trial(made)
        one = attempt(trial, 1, 0).hypothesis.fuzz_one_input

        def over() -> None:
            spent = round(time.monotonic() - began, 1)
            found = tuple(Finding(name, shortened(repr(value))) for name, value in trial.findings.items())
            result = Result(target, "atheris", trial.inputs, spent, found)
            Path(out).write_text(json.dumps(asdict(result)))

        def step(data: bytes) -> None:
            try:
                one(data)
            except BaseException:
                if trial.last is None:
                    raise  # a defect of this program
                trial.keep()
            if trial.inputs >= int(inputs) or time.monotonic() - began > most:
                over()
                os._exit(0)  # Fuzz never returns

        atheris.Setup([sys.argv[0], "-max_len=4096", "-len_control=0", "-verbosity=0"], step)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
