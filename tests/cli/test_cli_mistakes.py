"""Every likely mistake gets one clear sentence and a non-zero exit status, and changes no file."""

import io
from pathlib import Path
from types import SimpleNamespace

import pytest
from cli_helpers import contents, process, symloss
from mistakes import FILES, MISTAKES

from symloss.archive import files as archive_files


@pytest.fixture
def files(here):
    """The working directory with everything that the mistakes are about."""
    for name, text in FILES.items():
        (here / name).parent.mkdir(exist_ok=True)
        (here / name).write_text(text)
    return here


def check_refusal(result, words, lines=1):
    """The answer to a mistake: no traceback, a status that is not 0, and one sentence with these words."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code in (1, 2)
    usage, found, message = f"\n{result.output}".partition("\nError: ")
    assert found, result.output
    assert usage == "" or (usage.startswith("\nUsage: ") and result.exit_code == 2)
    assert len(message.splitlines()) == lines, message
    for word in words:
        assert word in message
    if lines == 3:
        _, source, caret = message.splitlines()
        assert caret.strip() == "^"
        assert len(caret) <= len(source) + 1


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_a_mistake_gets_one_clear_sentence(mistake, files):
    before = contents(files)
    check_refusal(symloss(mistake.command), mistake.words, mistake.lines)
    assert contents(files) == before


def answer(output, code=1, exception=None):
    return SimpleNamespace(output=output, exit_code=code, exception=exception or SystemExit(code))


@pytest.mark.parametrize(
    "result",
    [
        answer("done\n", 0),
        answer("", 1, ValueError("a bug")),
        answer("Error: something else\n"),
        answer("Error: the word\nand more\n"),
        answer("generation 1\nError: the word\n"),
    ],
    ids=["success", "traceback", "other words", "two lines", "chatter"],
)
def test_the_check_of_answers_complains(result):
    check_refusal(answer("Error: the word\n"), ["the word"])
    with pytest.raises(AssertionError):
        check_refusal(result, ["the word"])


def test_a_mistake_in_a_real_process(tmp_path):
    refused = process(f"show {tmp_path / 'none'}")
    output, _ = refused.communicate(timeout=60)
    assert refused.returncode == 1
    assert output.startswith("Error: ")
    assert len(output.splitlines()) == 1


def test_a_search_that_finds_nothing_says_why(files):
    result = symloss("search TINY --metric user.py:metric_soon_nan --out nothing")
    assert result.exit_code == 1
    assert "none of 8 candidates could be trained (" in result.output
    assert "diverged" in result.output
    assert symloss("show nothing").exit_code == 0
    assert "no candidate of 'nothing' could be trained" in symloss("export nothing").output


def stop_at_once(run):
    """Make a finished run look interrupted in its first generation."""
    for name in ("state.json", "candidates.csv"):
        (run / name).unlink()
    for name in ("candidates.jsonl", "finalists.jsonl"):
        (run / name).write_bytes(b"")


@pytest.mark.parametrize(
    "command",
    ["evaluate run", "score run", "export run", "analyze run", "search TINY --seeds run --out next"],
)
def test_a_run_that_was_stopped_before_any_candidate_says_how_to_go_on(here, command):
    stop_at_once(here / "run")
    before = contents(here)
    check_refusal(symloss(command), ["before its first generation was finished", "symloss resume run"])
    assert contents(here) == before
    assert "symloss resume run" in symloss("show run").output


@pytest.mark.parametrize(
    ("file", "change", "command", "words"),
    [
        ("run.json", lambda t: t[:100], "show", ["run.json' is damaged"]),
        ("run.json", lambda t: b"{}", "show", ["run.json' is damaged", "seed"]),
        ("run.json", lambda t: b"{}", "export", ["run.json' is damaged"]),
        ("run.json", lambda t: b"[" * 100_000, "show", ["run.json' is damaged"]),
        ("run.json", lambda t: t.replace(b'"task": {', b'"task": 3, "x": {'), "show", ["damaged", "$.task"]),
        (
            "run.json",
            lambda t: t.replace(b'"task": "digits"', b'"task": "digitz"'),
            "resume",
            ["did you mean 'digits'"],
        ),
        ("run.json", lambda t: t.replace(b'"momentum"', b'"moment"'), "resume", ["damaged", "moment"]),
        ("state.json", lambda t: t[:100], "show", ["state.json' is damaged"]),
        ("state.json", lambda t: t.replace(b'"rng"', b'"rgn"'), "resume", ["state.json' is damaged"]),
        ("state.json", lambda t: t.replace(b'":1,', b'":99,', 1), "resume", ["state.json' is damaged"]),
        ("state.json", None, "resume", ["no state.json", "symloss show run"]),
        ("grammar.grammar", None, "resume", ["cannot read", "grammar.grammar"]),
        ("grammar.grammar", lambda t: b"\xff", "resume", ["grammar.grammar' is damaged", "UTF-8"]),
        ("grammar.grammar", lambda t: b"loss =", "resume", ["grammar.grammar:1:"]),
        ("finalists.jsonl", None, "show", ["cannot read", "finalists.jsonl"]),
        ("finalists.jsonl", lambda t: b"what\n", "show", ["finalists.jsonl, line 1' is damaged"]),
        ("candidates.jsonl", None, "show", ["cannot read", "candidates.jsonl"]),
        ("candidates.jsonl", None, "resume", ["candidates.jsonl"]),
        ("candidates.jsonl", lambda t: t[:200], "resume", ["shorter than its state.json says"]),
        ("candidates.jsonl", lambda t: b"what\n" + t, "show", ["candidates.jsonl, line 1' is damaged"]),
        ("candidates.jsonl", lambda t: t.replace(b'"size"', b'"girth"', 1), "show", ["line 1", "girth"]),
        ("candidates.jsonl", lambda t: t.replace(b"prediction", b"foo", 1), "show", ["line 1", "'foo'"]),
    ],
)
def test_a_damaged_run_is_refused_and_left_as_it_is(here, file, change, command, words):
    unfinish(here / "run")
    path = here / "run" / file
    if change is None:
        path.unlink()
    else:
        text = path.read_bytes()
        path.write_bytes(change(text))
        assert path.read_bytes() != text
    before = contents(here)
    result = symloss(f"{command} run")
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert "Traceback" not in result.output
    for word in words:
        assert word in result.output
    assert contents(here) == before


def unfinish(run):
    """Make a finished run look interrupted after its last generation."""
    state = run / "state.json"
    text = state.read_text()
    assert '"finished":true' in text
    state.write_text(text.replace('"finished":true', '"finished":false'))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_a_full_disk_is_told_in_a_sentence(here, monkeypatch):
    unfinish(here / "run")
    opened = archive_files._writable

    def full(path, how):
        return io.FileIO("/dev/full", "wb") if path.name == "events.jsonl" else opened(path, how)

    monkeypatch.setattr(archive_files, "_writable", full)
    result = symloss("resume run")
    assert result.exit_code == 1
    assert "cannot write 'run/events.jsonl': No space left on device" in result.output
    assert isinstance(result.exception, SystemExit)
