"""A run folder on disk. This is the only module that writes into one.

    run.json          what was asked for: resolved configuration, versions, seed, grammar digest
    grammar.grammar   the grammar, as it was
    candidates.jsonl  every candidate, one JSON object a line, in the order of asking (append-only)
    finalists.jsonl   the second look at the best ones (append-only)
    candidates.csv    the scored candidates, best first (rewritten after each generation)
    events.jsonl      what happened when (append-only; the only file with times in it)
    state.json        where to go on (replaced after each generation)
    pieces.jsonl      finished pieces of the running generation (gone when it is finished)

Lines are flushed before `state.json` is replaced in one step, so a run that dies at any moment can be
continued from the last finished generation: what was written after that is cut off, except for
the pieces of the running one, which need not be trained again.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from symloss.archive.files import (
    append_lines,
    cut_unfinished_line,
    decode,
    read_file,
    read_lines,
    replace_file,
    truncate,
)
from symloss.archive.learned import LearnedFolder
from symloss.archive.new import check_new
from symloss.archive.table import table_text
from symloss.errors import RunError, SymlossError
from symloss.escaping import pasted
from symloss.records import Candidate, Confirmation, Ledger
from symloss.records.lines import (
    CandidateLine,
    FinalistLine,
    confirmation_of,
    finalist_line,
    from_line,
    to_line,
)

T = TypeVar("T")


class SavedState(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a run stands.

    generation: finished ones. candidates_bytes: length of candidates.jsonl. marks: fingerprint -> candidate
    id. search: the searcher's own state. seconds: spent so far. finished: whether there is nothing to do.
    """

    generation: int
    candidates_bytes: int
    marks: dict[str, int]
    search: Any
    seconds: float
    finished: bool


class TaskRecord(msgspec.Struct, frozen=True):
    """The task in `run.json`."""

    name: str
    model: str
    metric: str
    notes: list[str]


class GrammarRecord(msgspec.Struct, frozen=True):
    """The grammar in `run.json`."""

    name: str
    digest: str


class RunRecord(msgspec.Struct, frozen=True):
    """What must be in `run.json`, where more may stand."""

    seed: int
    task: TaskRecord
    grammar: GrammarRecord
    config: dict[str, Any]
    symloss: str | None = None
    versions: dict[str, str] | None = None
    device: str | None = None


LOGS, PIECES = ("candidates.jsonl", "finalists.jsonl", "events.jsonl"), "pieces.jsonl"


class PieceLine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A line of `pieces.jsonl`. value: what the work came to."""

    generation: int
    key: str
    value: Any


class PieceMemory:
    """Keeps the finished pieces of a generation, so that a search which is stopped within it loses none."""

    def __init__(self, path: Path, generation: int) -> None:
        self._path, self._generation = path, generation
        lines = read_lines(path, PieceLine) if os.path.exists(path) else []
        self._known = {line.key: line.value for line in lines if line.generation == generation}

    def known(self, key: str) -> Any:
        return self._known.get(key)

    def add(self, key: str, value: Any) -> None:
        append_lines(self._path, [PieceLine(self._generation, key, value)])


@contextmanager
def _without_collector() -> Iterator[None]:
    """Python's search for unreachable cycles, which takes a third of the time for a large archive, waits."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class RunFolder:
    """A run folder that exists. Make one with `create`, or `open` one."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path, record: dict[str, Any], grammar_text: str) -> RunFolder:
        """A new run folder. Raises RunError, and changes nothing, if `path` exists and is not empty."""
        cls.check_new(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            folder = cls(path)
            for name in LOGS:
                (path / name).touch()
            folder._replace("grammar.grammar", grammar_text.encode())
            # Last, since its presence is what makes the folder a run.
            folder._replace("run.json", msgspec.json.format(msgspec.json.encode(record), indent=2))
        except OSError as error:
            raise RunError(f"cannot write the run folder '{path}': {error.strerror or error}") from error
        return folder

    @classmethod
    def open(cls, path: Path) -> RunFolder:
        """An existing run folder. Raises RunError if `path` is none."""
        if not os.path.isdir(path):
            what = "is a file" if os.path.exists(path) else "does not exist"
            raise RunError(f"'{path}' {what}; a run folder made by 'symloss search --out' was expected")
        if not os.path.isfile(path / "run.json"):
            raise RunError(f"'{path}' is not a run folder: it has no run.json; give the --out of a search")
        if LearnedFolder.is_one(path):
            raise RunError(
                f"'{path}' holds a learned loss, which is a network and has no formulas; "
                f"look at it with: symloss analyze {pasted(path)}"
            )
        return cls(path)

    @classmethod
    def check_new(cls, path: Path) -> None:
        """Raise RunError if `create` would."""
        begun = ["grammar.grammar", ".grammar.grammar.new", ".run.json.new"]
        check_new(path, LOGS, begun, lambda folder: (folder / "run.json").exists())

    def record(self) -> dict[str, Any]:
        """What was asked for, as in `run.json`."""
        record = self._decode("run.json", self._read("run.json"), dict[str, Any])
        try:
            msgspec.convert(record, RunRecord)
        except msgspec.ValidationError as error:
            raise RunError(f"'{self.path / 'run.json'}' is damaged: {error}") from error
        return record

    def grammar_text(self) -> str:
        """The text of the run's grammar."""
        try:
            return self._read("grammar.grammar").decode()
        except UnicodeDecodeError as error:
            raise RunError(f"'{self.path / 'grammar.grammar'}' is damaged: it is not UTF-8") from error

    def ledger(self, state: SavedState) -> Ledger:
        """The candidates that were there when `state` was saved, none of them a finalist yet."""
        try:
            return Ledger(self.candidates(state))
        except ValueError as error:
            raise RunError(f"'{self.path / 'candidates.jsonl'}' is damaged: {error}") from error

    def candidates(self, state: SavedState | None = None) -> list[Candidate]:
        """Every candidate in the order of asking, finalists with their confirmation.

        With `state` only those that were there when it was saved, none of them a finalist yet.
        """
        confirmations = {
            line.id: confirmation_of(line)
            for line in self._lines("finalists.jsonl", FinalistLine, 0 if state else None)
        }
        length = state.candidates_bytes if state else None
        found = []
        with _without_collector():
            for number, line in enumerate(self._lines("candidates.jsonl", CandidateLine, length), start=1):
                try:
                    found.append(from_line(line, confirmations.get(line.id)))
                except SymlossError as error:
                    raise RunError(
                        f"'{self.path / 'candidates.jsonl'}, line {number}' is damaged: {error}"
                    ) from error
        return found

    def add_candidates(self, candidates: Sequence[Candidate]) -> None:
        """Append the candidates of a generation."""
        self._append("candidates.jsonl", [to_line(c) for c in candidates])

    def add_finalists(self, confirmations: Iterable[tuple[int, Confirmation]]) -> None:
        """Append the confirmations of finalists, by candidate id."""
        self._append("finalists.jsonl", [finalist_line(id_, c) for id_, c in confirmations])

    def add_event(self, event: str, **facts: Any) -> None:
        """Append an event with the time of day."""
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        self._append("events.jsonl", [{"time": now, "event": event, **facts}])

    def save_state(
        self, generation: int, marks: dict[str, int], search: Any, seconds: float, finished: bool
    ) -> None:
        """Record that everything up to here is complete."""
        length = (self.path / "candidates.jsonl").stat().st_size
        state = SavedState(generation, length, marks, search, seconds, finished)
        self._replace("state.json", msgspec.json.encode(state))

    def memory(self, generation: int) -> PieceMemory:
        """The finished pieces of a generation that has not been finished."""
        return PieceMemory(self.path / PIECES, generation)

    def forget_pieces(self) -> None:
        """Drop the pieces of a generation: it is finished."""
        try:
            (self.path / PIECES).unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot write into '{self.path}': {error.strerror or error}") from error

    def mend(self) -> list[str]:
        """Cut off lines that a process left unended when it died. What was cut, in words."""
        notes = []
        for name in ("events.jsonl", PIECES):
            path = self.path / name
            if os.path.exists(path) and (count := cut_unfinished_line(path)):
                notes.append(f"the last line of {path} was never ended; its {count} bytes are cut off")
        return notes

    def bytes_on_disk(self) -> int:
        """What the files take."""
        try:
            return sum(own.stat().st_size for own in self.path.iterdir() if own.is_file())
        except OSError as error:
            raise RunError(f"cannot read the folder '{self.path}': {error.strerror or error}") from error

    def state(self) -> SavedState | None:
        """The last saved state; None for a run that did not finish its first generation."""
        if not os.path.exists(self.path / "state.json"):
            return None
        return self._decode("state.json", self._read("state.json"), SavedState)

    def nothing_found(self) -> str:
        """What to say of a run in which no candidate was trained to the end."""
        if self.state() is not None:
            return (
                f"no candidate of '{self.path}' could be trained; what became of each says: "
                f"symloss show {pasted(self.path)} --all"
            )
        stopped = f"the search in '{self.path}' was stopped before its first generation was finished"
        if self.record()["task"].get("given"):
            return f"{stopped}; its data or metric were given in Python, so start it anew there"
        return f"{stopped}; go on with: symloss resume {pasted(self.path)}"

    def cut_back(self, state: SavedState | None) -> None:
        """Drop what an interrupted generation wrote after `state` was saved: call this before going on."""
        path = self.path / "candidates.jsonl"
        length = state.candidates_bytes if state else 0
        if state is None and any(line.generation for line in self._lines(path.name, CandidateLine)):
            raise RunError(
                f"'{self.path}' has candidates of finished generations but no state.json, so it cannot be "
                f"continued; what was found is still there: symloss show {pasted(self.path)}"
            )
        truncate(path, length)
        truncate(self.path / "finalists.jsonl", 0)

    def write_table(self, candidates: Ledger) -> None:
        """Write `candidates.csv`: the scored candidates, best first."""
        self._replace("candidates.csv", table_text(candidates).encode())

    def _append(self, name: str, rows: Sequence[Any]) -> None:
        append_lines(self.path / name, rows)

    def _replace(self, name: str, data: bytes) -> None:
        replace_file(self.path / name, data)

    def _read(self, name: str) -> bytes:
        return read_file(self.path / name)

    def _lines(self, name: str, row: type[T], length: int | None = None) -> list[T]:
        """The rows of a file, or of its first `length` bytes."""
        path = self.path / name
        if length and len(read_file(path)) < length:
            raise RunError(f"'{path}' is shorter than its state.json says; the run cannot be continued")
        return read_lines(path, row, length)

    def _decode(self, where: str, data: bytes, kind: type[T]) -> T:
        return decode(f"{self.path}/{where}", data, kind)
