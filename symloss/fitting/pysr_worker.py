"""Runs PySR on prepared data. Executed as a script in a process of its own, which never imports torch.

    python pysr_worker.py job.json

Works in the current directory: `out/run/hall_of_fame.csv` is written there, also while the search goes on.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any


def main(path: str) -> int:
    """The script; see the top of this file. Returns an exit status."""
    job = json.loads(Path(path).read_text(encoding="utf-8"))
    import numpy as np
    import pysr  # type: ignore[import-not-found,unused-ignore]  # starts Julia

    known = inspect.signature(pysr.PySRRegressor.__init__).parameters
    arguments = {name: value for name, value in job["arguments"].items() if name in known}
    if "parallelism" in arguments:  # its older names would contradict it
        arguments = {k: v for k, v in arguments.items() if k not in ("procs", "multithreading")}
    model = pysr.PySRRegressor(**arguments, extra_sympy_mappings=mappings(job["arguments"]))
    inputs = np.column_stack([job["prediction"], job["target"]])
    try:
        model.fit(inputs, np.array(job["wanted"]), weights=np.array(job["weight"]), variable_names=["p", "y"])
    except Exception as error:  # what PySR makes of its result in Python is not needed
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 0 if list(Path("out").rglob("hall_of_fame.csv*")) else 1
    return 0


def mappings(arguments: dict[str, Any]) -> dict[str, Any]:
    """SymPy's stand-ins for operators that were given as Julia functions; PySR insists on having them."""
    import sympy

    texts = [*arguments["binary_operators"], *arguments["unary_operators"]]
    names = [found[1] for text in texts if (found := re.match(r"(\w+)\(.*\) = ", text))]
    return {name: sympy.Function(name) for name in names}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
