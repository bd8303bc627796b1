"""Run folders with files that somebody has changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from hypothesis import strategies as st

from benchmarks.fuzz.texts import as_bytes, edited, revalued
from symloss.archive import RunFolder
from symloss.archive.learned import LearnedFolder, Snapshot, Visits
from symloss.config import TaskSettings, resolve
from symloss.evaluation.folder import Circumstances, EvaluationFolder, Record
from symloss.evaluation.settings import EvaluationSettings
from symloss.evaluation.training import Trained
from symloss.learning.loading import load_learned
from symloss.learning.settings import LearnConfig
from symloss.losses.neural.settings import NetworkSettings
from symloss.making import task_of
from symloss.records import Candidate, Confirmation, Kind, Proposal, Score, Status, SymbolicLoss, ranked
from symloss.report.tables import as_row, summary_lines
from symloss.run import SearchRun, resume, start
from symloss.run_record import config_of

WORDS = (
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    "null",
    "true",
    "-",
    "1e400",
    '"id":',
    "\\u0000",
    "\\ud800",
    "prediction",
)


GRAMMAR = """height 1..2, at most 4
loss = square(real - real) | neg(target * log(real))
real = prediction | target | real * real | uniform(-1, 1)
"""
"""Small, so that most of the time goes into reading what is changed."""


def make_run(path: Path, method: str = "evomal") -> None:
    """A search that was stopped before its last generation, by the real code but for the training."""
    grammar = path.with_name("small.grammar")
    grammar.write_text(GRAMMAR)
    config = resolve(
        {
            "task": "digits",
            "model": "linear",
            "train_size": 100,
            "grammar": None if method == "taylorglo" else str(grammar),
            "method": method,
            "population": 4,
            "generations": 3,
            "training": {"learning_rate": 0.1, "network": "chain", "models_at_once": 2},
        }
    )
    done = [0]

    def scored(self: Any, proposals: Sequence[Proposal]) -> list[Candidate]:
        done[0] += 1
        return [
            Candidate(
                own, SymbolicLoss(own.structure, Kind.MULTICLASS), Score(Status.OK, 0.5 / own.id, (0.5,))
            )
            for own in proposals
        ]

    with mock.patch("symloss.meta.evaluator.Evaluator.evaluate", scored):
        start(config, path, stop=lambda: done[0] >= 2)
    folder = RunFolder.open(path)
    folder.add_finalists([(1, Confirmation(0.25, 0.1, 10, 2))])
    folder.memory(2).add("key", {"value": [0.5]})


def make_learned(path: Path) -> None:
    """A learned loss with two snapshots."""
    network = NetworkSettings(hidden=1)
    config = LearnConfig(task="digits", network=network)
    task = {"name": "digits", "kind": "multiclass", "num_outputs": 10, "model": "linear", "metric": "error"}
    import msgspec

    record = {
        "method": "adalfl",
        "seed": 0,
        "task": {**task, "digest": "0"},
        "network": msgspec.to_builtins(network),
        "versions": {},
        "config": msgspec.to_builtins(config),
    }
    folder = LearnedFolder.create(path, record)
    weights = (0.5,) * network.size
    visits = Visits((0.0, 1.0), (0.0, 0.5, 1.0), ((1, 2),))
    folder.add_snapshots([Snapshot(0, 0.0, weights), Snapshot(10, 1.0, weights, visits)])


def make_evaluation(path: Path) -> None:
    """An evaluation of which one group is trained."""
    settings = EvaluationSettings(losses=("focal",), tasks=(TaskSettings(),))
    circumstances = Circumstances("0", {"focal": "x"}, "cpu", "chain", 2)
    EvaluationFolder.create(path, Record(settings, {"torch": "2"}, (circumstances,))).add(
        "key", (Trained(0.5),)
    )


def make_fewshot(path: Path) -> None:
    """Few-shot training before its first checkpoint."""
    from symloss.fewshot.folder import Data, create, new_record
    from symloss.fewshot.settings import method_settings

    data = Data(dataset="sinusoids", ways=5, shots=1, queries=15)
    create(path, new_record(method_settings("maml"), data, "cpu", (1,), True))


def read_search(path: Path) -> None:
    """All that is read of a search, first to look at it, then to go on with it."""
    folder = RunFolder.open(path)
    candidates = folder.candidates()
    for row in map(as_row, ranked(candidates)):
        json.dumps(row, allow_nan=False)
    summary_lines(folder.record(), folder.state(), candidates)
    config_of(folder)
    resume(path, force=True)


def read_evaluation(path: Path) -> None:
    EvaluationFolder.open(path)


def read_learned(path: Path) -> None:
    found = load_learned(path)
    found.loss()
    found.identity()


def read_fewshot(path: Path) -> None:
    from symloss.archive.programs import is_fewshot
    from symloss.fewshot.folder import read_record, read_state

    if is_fewshot(path):
        read_record(path)
        read_state(path)


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], None]]] = {
    "search": (make_run, read_search),
    "random": (lambda path: make_run(path, "random"), read_search),
    "taylorglo": (lambda path: make_run(path, "taylorglo"), read_search),
    "learned": (make_learned, read_learned),
    "evaluation": (make_evaluation, read_evaluation),
    "fewshot": (make_fewshot, read_fewshot),
}


def asked(run: SearchRun) -> None:
    """Instead of going on: what the first step would ask for."""
    proposals = run.search.ask()
    run.search.tell(
        [
            Candidate(own, SymbolicLoss(own.structure, Kind.MULTICLASS), Score(Status.FLAT))
            for own in proposals
        ]
    )
    run.search.state()


@st.composite
def changed_line(draw: st.DrawFn, text: str) -> str:
    """A file of JSON, or of a JSON object a line, in which some values are others."""
    if text.startswith("{\n"):
        return json.dumps(draw(revalued(json.loads(text))))
    lines = text.splitlines()
    at = draw(st.integers(0, len(lines) - 1))
    lines[at] = json.dumps(draw(revalued(json.loads(lines[at]))))
    return "\n".join(lines) + "\n"


def changes(kind: str, name: str, text: str) -> st.SearchStrategy[tuple[str, str, str]]:
    """A file of a run, changed: of which kind, its name, and its text."""
    texts = edited([text], WORDS)
    if name.endswith(("json", "jsonl")) and text:
        texts = texts | changed_line(text) | changed_line(text)
    return st.tuples(st.just(kind), st.just(name), texts)


@contextmanager
def run_files(folder: Path, made: Callable[[Any, Callable[[Any], None]], Any]) -> Iterator[Any]:
    """The target: one file of one run is changed, the run read, and all brought back."""
    originals: dict[str, dict[str, bytes]] = {}
    for kind, (make, _) in KINDS.items():
        make(folder / kind)
        files = [path for path in (folder / kind).iterdir() if path.is_file()]
        originals[kind] = {path.name: path.read_bytes() for path in files}

    def work(given: tuple[str, str, str]) -> None:
        kind, name, text = given
        path = folder / kind
        (path / name).write_bytes(as_bytes(text))
        try:
            KINDS[kind][1](path)
        finally:
            _restore(path, originals[kind])

    task = task_of(config_of(RunFolder.open(folder / "search")))
    every = [
        changes(kind, name, data.decode())
        for kind, files in originals.items()
        for name, data in files.items()
        if not name.endswith(".csv")
    ]
    with (
        mock.patch("symloss.run.task_of", return_value=task),
        mock.patch("symloss.run.digest_of", return_value=""),
        mock.patch.object(SearchRun, "run", asked),
    ):
        yield made(st.one_of(every), work)


def _restore(path: Path, files: dict[str, bytes]) -> None:
    for own in path.iterdir():
        if own.is_dir():
            shutil.rmtree(own)
        elif own.name not in files:
            own.unlink()
    for name, data in files.items():
        if not (path / name).exists() or (path / name).read_bytes() != data:
            (path / name).write_bytes(data)
