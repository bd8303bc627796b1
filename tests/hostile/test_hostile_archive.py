"""Folders of runs, evaluations, learned losses and few-shot learning that somebody else has made."""

import json
import os

import pytest
from hostile_helpers import DEEP, NOT_FILES, not_a_file, refused, sparse

from symloss.archive import RunFolder
from symloss.archive.files import append_lines, replace_file, truncate
from symloss.archive.holding import held
from symloss.archive.learned import LearnedFolder
from symloss.errors import RunError
from symloss.evaluation.folder import EvaluationFolder
from symloss.fewshot.folder import read_record, read_state
from symloss.learning.loading import load_learned
from symloss.run import resume
from symloss.run_record import config_of

RECORD = {
    "seed": 3,
    "task": {"name": "mine", "model": "linear", "metric": "mse", "notes": []},
    "grammar": {"name": "regression", "digest": "abc"},
    "config": {"task": "digits"},
}
LINE = (
    '{"id":1,"generation":0,"status":"ok","fitness":0.5,"size":3,"formula":"","expression":"prediction",'
    '"structure":"prediction","kind":"regression","reduction":"mean","per_seed":[],"curve":[],'
    '"operation":"random","parents":[],"detail":""}\n'
)


@pytest.fixture
def run(tmp_path):
    folder = RunFolder.create(tmp_path / "run", RECORD, "loss = square(p - y)")
    (folder.path / "candidates.jsonl").write_text(LINE)
    return folder


def record(folder):
    return config_of(folder)


def candidates(folder):
    return folder.candidates()


def state(folder):
    return folder.state()


def pieces(folder):
    return folder.memory(1)


def grammar(folder):
    return folder.grammar_text()


READ = {
    "run.json": record,
    "candidates.jsonl": candidates,
    "finalists.jsonl": candidates,
    "state.json": state,
    "pieces.jsonl": pieces,
    "grammar.grammar": grammar,
}


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("what", [own for own in NOT_FILES if own != "circle"])
def test_files_of_a_run_that_are_none(name, what, run):
    not_a_file(run.path / name, what)
    refused(lambda: READ[name](run), "is a directory" if what == "folder" else "is not an ordinary file")


@pytest.mark.parametrize("name", READ)
def test_huge_files_of_a_run(name, run):
    sparse(run.path / name, 2**40)
    refused(lambda: READ[name](run), "larger than 512 MiB")


BAD = [
    ("[" * DEEP, "is damaged"),
    ('{"id":' * DEEP, "is damaged"),
    (LINE.replace("0.5", "NaN"), "is damaged"),
    (LINE.replace("0.5", "1e999999999"), "is damaged"),
    (LINE.replace('"id":1', '"id":' + "9" * 1_000_000), "is damaged"),
    (LINE.replace('"id":1', '"id":' + str(2**63)), "is damaged"),
    (LINE.replace('"size":3', '"size":-1'), "is damaged"),
    (LINE.replace('"expression":"prediction"', '"expression":"' + "(" * DEEP + '"'), "line 1, column"),
    (LINE.replace('"expression":"prediction"', '"expression":"\u0440"'), "CYRILLIC SMALL LETTER ER"),
    (LINE.replace('"random"', '"\\ud800"'), "is damaged"),
    (LINE.replace("random", "\0"), "is damaged"),
    (LINE.replace('"kind"', '"k\u0456nd"'), "is damaged"),
]


@pytest.mark.parametrize(("text", "word"), BAD, ids=range(len(BAD)))
def test_lines_of_candidates(text, word, run):
    (run.path / "candidates.jsonl").write_text(text.rstrip("\n") + "\n")
    refused(run.candidates, word, "candidates.jsonl, line 1")


def test_lines_that_are_not_utf_8(run):
    (run.path / "candidates.jsonl").write_bytes(LINE.encode("utf-16") + b"\n")
    refused(run.candidates, "candidates.jsonl, line 1' is damaged")
    (run.path / "candidates.jsonl").write_bytes(LINE.replace("random", "caf\xe9").encode("latin-1"))
    refused(run.candidates, "candidates.jsonl, line 1' is damaged")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        (json.dumps(RECORD)[:-1] + ', "seed": 4}', "the name 'seed' is given twice"),
        (json.dumps(RECORD).replace('"digits"', '"a", "task": "b"'), "the name 'task' is given twice"),
        (json.dumps(RECORD)[:-1] + ', "x": ' + "[" * DEEP, "is damaged"),
        (json.dumps(RECORD)[:-1] + ', "x": 1e999}', "is damaged"),
        (json.dumps(RECORD).replace('"digits"', '"\u0434igits", "population": 1e999'), "is damaged"),
    ],
)
def test_records(text, word, run):
    (run.path / "run.json").write_text(text)
    refused(lambda: record(run), "run.json' is damaged", word)


@pytest.mark.parametrize(
    "task", ["../../x", "/etc/passwd", "-x", "a\0b", "~nobody-here/x", "x" * 5000, "d\u0456gits"]
)
def test_a_task_named_by_a_run_is_refused_in_a_sentence(task, run):
    (run.path / "run.json").write_text(json.dumps({**RECORD, "config": {"task": task}}))
    (run.path / "candidates.jsonl").write_text("")
    refused(lambda: resume(run.path))


TABLES = ["a\0b.csv", "~nobody-here/x.csv", "x" * 5000 + ".csv", "../../../etc/passwd", "/dev/zero", "."]


@pytest.mark.parametrize("file", TABLES)
def test_a_table_named_by_a_run(file, run):
    (run.path / "run.json").write_text(json.dumps({**RECORD, "config": {"task": f"table:{file}?target=y"}}))
    (run.path / "candidates.jsonl").write_text("")
    refused(lambda: resume(run.path))


# --- nothing is written elsewhere -----------------------------------------------------------------


@pytest.fixture
def elsewhere(tmp_path):
    path = tmp_path / "elsewhere"
    path.write_text("mine\n")
    return path


WRITE = {
    "candidates.jsonl": lambda path: append_lines(path, [1]),
    "pieces.jsonl": lambda path: append_lines(path, [1]),
    "finalists.jsonl": lambda path: truncate(path, 0),
}


@pytest.mark.parametrize("name", WRITE)
def test_nothing_is_written_through_a_link(name, run, elsewhere):
    path = run.path / name
    path.unlink(missing_ok=True)
    path.symlink_to(elsewhere)
    refused(lambda: WRITE[name](path), "is no ordinary file, so nothing is written to it")
    assert elsewhere.read_text() == "mine\n"


def test_nothing_is_made_behind_a_link_that_leads_nowhere(run, tmp_path):
    path = run.path / "pieces.jsonl"
    path.symlink_to(tmp_path / "new")
    refused(lambda: append_lines(path, [1]), "is no ordinary file")
    assert not (tmp_path / "new").exists()


def test_a_file_is_replaced_beside_links_that_lie_in_its_way(run, elsewhere):
    for name in ("state.json", ".state.json.new"):
        (run.path / name).symlink_to(elsewhere)
    replace_file(run.path / "state.json", b"new")
    assert (run.path / "state.json").read_bytes() == b"new"
    assert not (run.path / "state.json").is_symlink()
    assert elsewhere.read_text() == "mine\n"


def test_a_folder_is_not_held_through_a_link(run, tmp_path):
    (run.path / ".held").symlink_to(tmp_path / "new")

    def hold():
        with held(run.path):
            pass

    refused(hold, "cannot write into the folder")
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("name", ["candidates.jsonl", "events.jsonl"])
def test_nothing_is_written_into_a_pipe(name, run):
    path = not_a_file(run.path / name, "pipe")
    refused(lambda: append_lines(path, [1]), "is no ordinary file")


# --- the other folders ----------------------------------------------------------------------------


def with_files(folder, **texts):
    folder.mkdir()
    for name, text in texts.items():
        path = folder / name.replace("_", ".")
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


LEARNED = json.dumps(
    {
        "method": "ml3",
        "seed": 0,
        "task": {
            "name": "a",
            "kind": "regression",
            "num_outputs": 1,
            "model": "",
            "metric": "",
            "digest": "",
        },
        "network": None,
        "versions": {},
        "config": {},
    }
)


@pytest.mark.parametrize(
    "text", ["[" * DEEP, LEARNED[:-1] + ', "seed": 1}', "NaN", "\udcff", LEARNED.replace("0", "1e999")]
)
def test_records_of_learned_losses(text, tmp_path):
    folder = with_files(
        tmp_path / "l", run_json=text.encode(errors="surrogateescape"), snapshots_jsonl="{}\n"
    )
    refused(lambda: load_learned(folder), "damaged")


@pytest.mark.parametrize("text", ["[" * DEEP, '{"step": 1e999}', '{"weights": NaN}', "\0"])
def test_snapshots_of_learned_losses(text, tmp_path):
    folder = with_files(tmp_path / "l", run_json=LEARNED, snapshots_jsonl=text + "\n")
    refused(lambda: load_learned(folder), "snapshots.jsonl, line 1' is damaged")


def test_huge_states(tmp_path):
    folder = with_files(tmp_path / "l", run_json=LEARNED, snapshots_jsonl="")
    sparse(folder / "state.pt", 2**40, b"PK")
    refused(LearnedFolder.open(folder).state, "larger than 4 GiB")
    refused(lambda: read_state(folder), "larger than 4 GiB")


@pytest.mark.parametrize(
    "text", ["[" * DEEP, '{"program": "fewshot", "program": "fewshot"}', '{"program": NaN}', "[]"]
)
def test_records_of_few_shot_learning(text, tmp_path):
    folder = with_files(tmp_path / "f", run_json=text)
    refused(lambda: read_record(folder), "is not a run of few-shot training")


@pytest.mark.parametrize("text", ["[" * DEEP, '{"settings": {}, "settings": {}}', "NaN", "1e999"])
def test_records_of_evaluations(text, tmp_path):
    folder = with_files(tmp_path / "e", evaluation_json=text, trials_jsonl="")
    refused(lambda: EvaluationFolder.open(folder), "evaluation.json' is damaged")


@pytest.mark.parametrize("what", NOT_FILES)
def test_folders_with_what_is_no_file(what, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    not_a_file(folder / "evaluation.json", what)
    not_a_file(folder / "state.pt", what)
    refused(lambda: EvaluationFolder.open(folder), "cannot read")
    if what != "circle":  # which leads nowhere, so that there is no state
        refused(lambda: read_state(folder), "cannot read")


@pytest.mark.parametrize("open_", [RunFolder.open, LearnedFolder.open, read_record])
@pytest.mark.parametrize("name", ["x" * 5000, "a\0b", "/dev/zero"])
def test_names_of_folders(open_, name, tmp_path):
    refused(lambda: open_(tmp_path / name))
    assert os.listdir(tmp_path) == []


def test_states_of_a_search_that_are_no_states(run):
    (run.path / "state.json").write_text('{"generation": 1, "generation": 2}')
    refused(run.state, "is damaged")
    with pytest.raises(RunError):
        run.state()
