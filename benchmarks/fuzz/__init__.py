"""Throws hostile text at everything that reads some, and says what was not answered by one clear sentence.

    python -m benchmarks.fuzz                               every target, 100,000 inputs each
    python -m benchmarks.fuzz --target cli --inputs 2000    one of them
    python -m benchmarks.fuzz --engine atheris              guided by coverage, where atheris is installed

A finding is an input that ends in another exception than a SymlossError (at the command line: in a
traceback), or that takes more than two seconds of the processor. It is shown as small as hypothesis can
make it, a slow one as it was.
"""

from benchmarks.fuzz.driver import Finding, Result, fuzz
from benchmarks.fuzz.targets import TARGETS

__all__ = ["TARGETS", "Finding", "Result", "fuzz"]
