"""What a run folder keeps, and how it answers to files that are not as it left them."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from symloss.archive import RunFolder
from symloss.errors import RunError
from symloss.expr import parse_expression
from symloss.records import (
    Candidate,
    Confirmation,
    Kind,
    Ledger,
    Origin,
    Proposal,
    Score,
    Status,
    SymbolicLoss,
)
from symloss.records.lines import CandidateLine, from_line, to_line

RECORD = {
    "seed": 3,
    "task": {"name": "mine", "model": "linear", "metric": "mse", "notes": ["noisy"]},
    "grammar": {"name": "regression", "digest": "abc"},
    "config": {"task": "mine.py:task"},
}


def candidate(id_, fitness=0.5, text="square(prediction - target)", **changed):
    expression = parse_expression(text)
    score = changed.pop("score", Score(Status.OK, fitness, (fitness, fitness)))
    proposal = Proposal(id_, expression, changed.pop("generation", 0), Origin("crossover", (id_, 7)))
    return Candidate(proposal, SymbolicLoss(expression, Kind.REGRESSION), score, **changed)


CANDIDATES = [
    candidate(1, 0.1 + 0.2),
    candidate(2, 1e-300, "1e-7 * abs(prediction - 0.1) + pow(target, -3.0000000000000004)"),
    candidate(
        3, score=Score(Status.DUPLICATE, 0.3, (0.3,), "same gradient as candidate 1", (0.9, 0.1 + 0.7))
    ),
    candidate(4, score=Score(Status.DIVERGED), generation=1),
    candidate(5, score=Score(Status.FLAT, detail="a \"quoted\", 'odd' detail\nof two lines \u2028 ü")),
    candidate(6, score=Score(Status.OUTRUN, curve=(1e300,))),
]


@pytest.fixture
def folder(tmp_path):
    return RunFolder.create(tmp_path / "run", RECORD, "loss = prediction - target\n")


def test_a_run_without_candidates_says_what_can_be_done(folder, tmp_path):
    assert folder.nothing_found().endswith(f"finished; go on with: symloss resume {folder.path}")
    given = {**RECORD, "task": {**RECORD["task"], "given": True}}
    in_python = RunFolder.create(tmp_path / "given", given, "loss = prediction - target\n")
    assert "given in Python, so start it anew there" in in_python.nothing_found()
    for own in (folder, in_python):
        own.save_state(1, {}, None, 0.0, finished=False)
        assert own.nothing_found().endswith(
            f"could be trained; what became of each says: symloss show {own.path} --all"
        )


@pytest.mark.parametrize("original", CANDIDATES, ids=lambda c: f"candidate {c.id}")
def test_a_line_is_a_candidate_and_back(original):
    assert from_line(to_line(original)) == original


def test_a_status_says_itself_in_the_file(folder):
    folder.add_candidates(CANDIDATES)
    rows = [json.loads(line) for line in (folder.path / "candidates.jsonl").read_text().split("\n")[:-1]]
    assert [row["status"] for row in rows] == ["ok", "ok", "duplicate", "diverged", "flat", "outrun"]
    assert all(row["detail"] for row in rows)
    assert list(rows[0]) == list(CandidateLine.__struct_fields__)


def test_a_folder_gives_back_what_was_added(folder):
    folder.add_candidates(CANDIDATES[:2])
    folder.add_candidates(CANDIDATES[2:])
    confirmed = Confirmation(0.25, 0.15, 40, 2)
    folder.add_finalists([(1, confirmed), (2, Confirmation(None, 0.5, 40, 2))])
    again = RunFolder.open(folder.path)
    found = again.candidates()
    assert [replace(c, confirmation=None) for c in found] == CANDIDATES
    assert found[0].confirmation == confirmed
    assert [c.confirmation is None for c in found] == [False, False, True, True, True, True]
    assert again.record() == RECORD
    assert again.grammar_text() == "loss = prediction - target\n"
    assert again.state() is None


def test_the_table_is_sorted_and_parses_as_csv(folder):
    second_look = replace(CANDIDATES[0], confirmation=Confirmation(0.9, 0.15, 40, 2))
    folder.write_table(Ledger([second_look, *CANDIDATES[1:]]))
    with (folder.path / "candidates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["rank"], row["id"], row["confirmed"]) for row in rows] == [("1", "1", "0.9"), ("2", "2", "")]
    assert [parse_expression(row["expression"]) for row in rows] == [
        c.loss.expression for c in CANDIDATES[:2]
    ]
    assert float(rows[1]["fitness"]) == 1e-300


def test_events_are_lines_with_a_time(folder):
    folder.add_event("started", generation=0)
    folder.add_event("finished", seconds=1.5)
    events = [json.loads(line) for line in (folder.path / "events.jsonl").read_text().splitlines()]
    assert [(e["event"], e.get("seconds")) for e in events] == [("started", None), ("finished", 1.5)]
    assert all(e["time"].endswith("+00:00") for e in events)


def test_a_state_is_saved_with_the_length_that_it_belongs_to(folder):
    folder.add_candidates(CANDIDATES[:2])
    folder.save_state(1, {"mark": 2}, {"next": [1, None]}, 2.5, False)
    state = folder.state()
    assert (state.generation, state.marks, state.search) == (1, {"mark": 2}, {"next": [1, None]})
    folder.add_candidates(CANDIDATES[2:])
    folder.add_finalists([(1, Confirmation(0.25, 0.15, 40, 2))])
    assert folder.candidates(state) == CANDIDATES[:2]
    folder.cut_back(state)
    assert folder.candidates() == CANDIDATES[:2]


def test_a_line_that_was_not_finished_is_not_there(folder):
    folder.add_candidates(CANDIDATES[:2])
    with (folder.path / "candidates.jsonl").open("ab") as file:
        file.write(b'{"id":3,"gener')
    assert folder.candidates() == CANDIDATES[:2]


def test_no_temporary_files_are_left(folder):
    folder.save_state(0, {}, None, 0.0, False)
    folder.write_table(Ledger(CANDIDATES))
    assert sorted(path.name for path in folder.path.iterdir()) == [
        "candidates.csv",
        "candidates.jsonl",
        "events.jsonl",
        "finalists.jsonl",
        "grammar.grammar",
        "run.json",
        "state.json",
    ]


def test_a_folder_in_use_is_refused_and_unchanged(folder, tmp_path):
    with pytest.raises(RunError, match="go on with it: symloss resume"):
        RunFolder.create(folder.path, {}, "other")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos/holiday").touch()
    with pytest.raises(RunError, match=r"not empty; choose another --out$"):
        RunFolder.create(tmp_path / "photos", RECORD, "other")
    with pytest.raises(RunError, match="is a file"):
        RunFolder.create(tmp_path / "photos/holiday", RECORD, "other")
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["holiday"]
    assert folder.grammar_text() == "loss = prediction - target\n"
    assert folder.record() == RECORD


def test_an_empty_folder_and_new_parents_are_fine(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "a/b/c"):
        assert RunFolder.create(path, RECORD, "").record() == RECORD


def test_candidates_without_their_state_are_not_thrown_away(folder):
    folder.add_candidates(CANDIDATES)
    with pytest.raises(RunError, match=r"no state\.json"):
        folder.cut_back(None)
    assert folder.candidates() == CANDIDATES


def test_a_first_generation_that_was_not_finished_starts_anew(folder):
    folder.add_candidates(CANDIDATES[:2])
    folder.cut_back(None)
    assert folder.candidates() == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "splendid"}, "splendid"),
        ({"fitness": None}, "no fitness"),
        ({"fitness": "low"}, "fitness"),
        ({"expression": "target"}, "must contain the prediction"),
        ({"expression": "prediction +"}, "line 1, column"),
        ({"expression": "__import__('os')"}, "formula"),
        ({"structure": "(" * 5000}, "structure|formula"),
        ({"kind": "quantum"}, "quantum"),
        ({"reduction": "median"}, "median"),
        ({"id": 1.5}, "id"),
        ({"extra": 1}, "extra"),
    ],
    ids=str,
)
def test_a_changed_line_is_refused_with_its_number(folder, change, message):
    folder.add_candidates(CANDIDATES)
    path = folder.path / "candidates.jsonl"
    lines = path.read_text().split("\n")
    lines[1] = json.dumps(json.loads(lines[1]) | change)
    path.write_text("\n".join(lines))
    with pytest.raises(RunError, match=rf"(?s)candidates\.jsonl, line 2' is damaged: .*({message})"):
        folder.candidates()


@pytest.mark.parametrize("name", ["seed", "task", "grammar", "config"])
@pytest.mark.parametrize("value", [None, "text", [1]], ids=["missing", "text", "list"])
def test_a_record_has_what_is_needed_of_it(tmp_path, name, value):
    record = {key: part for key, part in RECORD.items() if key != name}
    if value is not None:
        record[name] = value
    with pytest.raises(RunError, match=rf"run\.json' is damaged: .*{name}"):
        RunFolder.create(tmp_path / "run", record, "").record()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
@pytest.mark.parametrize(
    "write",
    [
        lambda folder: folder.add_candidates(CANDIDATES),
        lambda folder: folder.add_event("started"),
        lambda folder: folder.add_finalists([(1, Confirmation(0.25, 0.15, 40, 2))]),
    ],
    ids=["candidates", "events", "finalists"],
)
def test_a_full_disk_is_an_error_in_words(folder, write, monkeypatch):
    monkeypatch.setattr("symloss.archive.files._writable", lambda path, how: io.FileIO("/dev/full", "wb"))
    with pytest.raises(RunError, match=r"cannot write .*No space left on device"):
        write(folder)
