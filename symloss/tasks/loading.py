"""Functions that a user names: `path/to/file.py:function` or `package.module:function`.

The only place that executes a user's code, and only for a name that the user gave. Whatever goes
wrong there becomes a TaskError which says where in the user's file.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from symloss.errors import SymlossError, TaskError, a_type, did_you_mean
from symloss.reading.files import expanded

FORMS = "path/to/file.py:function or package.module:function"

# A script that ends in sys.exit() raises SystemExit, which is no Exception.
_FAILURES = (Exception, SystemExit)


def is_spec(text: str) -> bool:
    """Whether `text` names a user's function rather than something built in."""
    return ":" in text or text.endswith(".py")


def load_callable(spec: str, what: str) -> Callable[..., Any]:
    """The function that `spec` names.

    Args:   spec: see the module. what: what it is for, such as "metric"; it starts the messages.
    Raises: TaskError if the file, module or name is missing, its import fails, or it is not callable.
    """
    source, _, name = spec.rpartition(":")
    if not source or not name:
        raise TaskError(f"{what} '{spec}' names no function; write {FORMS}")
    if source.endswith(".py"):
        module = _module_in_file(source, f"{what} '{spec}'")
    else:
        module = _module_on_path(source, f"{what} '{spec}'")
    if not hasattr(module, name):
        functions = [known for known, value in vars(module).items() if callable(value)]
        public = [known for known in functions if not known.startswith("_")] or ["nothing"]
        raise TaskError(f"{what} '{spec}': {source} has no '{name}'; {did_you_mean(name, public)}")
    found = getattr(module, name)
    if not callable(found):
        raise TaskError(f"{what} '{spec}' is {a_type(found)}, expected a function")
    return found  # type: ignore[no-any-return]


def call_user(function: Callable[..., Any], label: str, advice: str, *arguments: Any, **named: Any) -> Any:
    """`function(*arguments, **named)`; what it raises becomes one sentence with the line of the user's file.

    label:  how the sentence begins, such as "metric 'mine.py:cost'".
    advice: how it ends: what the function should do instead.
    """
    try:
        return function(*arguments, **named)
    except SymlossError:
        raise  # a sentence for the user already, such as that of a task whose data cannot be used
    except _FAILURES as error:
        code = getattr(function, "__code__", None)
        file = code.co_filename if code else None
        # A call with the wrong arguments never enters the function: its first line is the place then.
        place = _place(error, [file]) or (f"{file}, line {code.co_firstlineno}" if code else "its call")
        raise TaskError(f"{label} failed at {place}: {_in_words(error)}; {advice}") from error


def source_digest(spec: str) -> str:
    """A digest of the file that holds what `spec` names, in either form; '' where there is no such file.

    What that file imports is not part of it.
    """
    source = spec.rpartition(":")[0]
    path = expanded(source, TaskError)
    if not os.path.isfile(path):
        try:
            found = importlib.util.find_spec(source)
        except (ImportError, ValueError):
            return ""
        path = Path(found.origin) if found is not None and found.origin else path
    return hashlib.sha256(path.read_bytes()).hexdigest() if os.path.isfile(path) else ""


def _module_in_file(source: str, label: str) -> ModuleType:
    path = expanded(source, TaskError).resolve()
    if not os.path.isfile(path):
        raise TaskError(f"{label}: there is no file {path}; write {FORMS}")
    try:
        return _run_file(path, path.stat().st_mtime_ns)
    except _FAILURES as error:
        place = _place(error, [str(path)]) or str(path)
        raise TaskError(f"{label} cannot be imported: {place}: {_in_words(error)}") from error


@functools.lru_cache(maxsize=32)
def _run_file(path: Path, changed: int) -> ModuleType:
    """The module of a file, executed once for each version of it (`changed`: time in ns)."""
    digest = hashlib.sha256(f"{path} {changed}".encode()).hexdigest()[:12]
    found = importlib.util.spec_from_file_location(f"symloss_user_{path.stem}_{digest}", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    sys.modules[module.__name__] = module  # dataclasses look their module up there
    try:
        found.loader.exec_module(module)
    except BaseException:
        del sys.modules[module.__name__]
        raise
    return module


def _module_on_path(source: str, label: str) -> ModuleType:
    try:
        return importlib.import_module(source)
    except _FAILURES as error:
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and (source == missing or source.startswith(f"{missing}.")):
            raise TaskError(
                f"{label}: there is no module '{missing}'; install it, add its folder to PYTHONPATH, "
                "or write path/to/file.py:function"
            ) from error
        place = _place(error, None) or source
        raise TaskError(f"{label} cannot be imported: {place}: {_in_words(error)}") from error


def _place(error: BaseException, files: Iterable[str | None] | None) -> str:
    """'file, line n' of the deepest frame in one of `files` (None: anywhere but here), or ''."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}, line {error.lineno}"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename != __file__]
    frames = [f for f in frames if not f.filename.startswith("<frozen importlib")]
    if files is not None:
        # A decorated function's own file may not occur at all: any frame is better than none.
        frames = [f for f in frames if f.filename in files] or frames
    return f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""


def _in_words(error: BaseException) -> str:
    """Type and message on one line of bearable length."""
    message = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    message = message if len(message) <= 300 else f"{message[:300]}..."
    return f"{type(error).__name__}: {message}" if message else type(error).__name__
