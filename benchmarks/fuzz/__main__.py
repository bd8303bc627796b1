"""The command: `python -m benchmarks.fuzz`."""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.fuzz import TARGETS, Finding, Result, fuzz


def guided(target: str, inputs: int, seconds: float | None) -> Result:
    """The same by atheris, in a process of its own: it has to see every import, and never comes back."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [
            sys.executable,
            "-m",
            "benchmarks.guided_fuzz",
            target,
            str(inputs),
            str(seconds or 0),
            str(out),
        ]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if not out.exists():
            raise SystemExit(f"atheris ended without a result:\n{done.stderr[-2000:]}")
        found = json.loads(out.read_text())
    return Result(**{**found, "findings": tuple(Finding(**own) for own in found["findings"])})


def table(results: Sequence[Result]) -> str:
    """What was tried, in columns."""
    rows = [(own.target, f"{own.inputs:,}", str(len(own.findings)), f"{own.seconds:.0f}") for own in results]
    return "\n".join(
        f"{name:10} {inputs:>10} {findings:>9} {seconds:>8}"
        for name, inputs, findings, seconds in [("target", "inputs", "findings", "seconds"), *rows]
    )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000, help="for each target  [default: 100000]")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--target", choices=sorted(TARGETS), action="append", help="this one; may be repeated"
    )
    parser.add_argument("--minutes", type=float, help="for each target at most")
    parser.add_argument("--engine", choices=["hypothesis", "atheris"], default="hypothesis")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    given = parser.parse_args()
    if given.engine == "atheris" and importlib.util.find_spec("atheris") is None:
        raise SystemExit("atheris is not installed; pip install atheris, or leave --engine out")
    seconds = None if given.minutes is None else given.minutes * 60
    results = []
    for name in given.target or TARGETS:
        if given.engine == "atheris":
            results.append(guided(name, given.inputs, seconds))
        else:
            results.append(fuzz(name, given.inputs, given.seed, seconds))
        for finding in results[-1].findings:
            print(f"{name}: {finding.error}\n    {finding.input}", flush=True)
    print(table(results))
    if given.json is not None:
        given.json.write_text(json.dumps([asdict(own) for own in results], indent=1) + "\n")
    raise SystemExit(any(own.findings for own in results))


if __name__ == "__main__":
    main()
