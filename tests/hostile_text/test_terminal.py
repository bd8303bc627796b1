"""Nothing that a file or a name brings with it steers a terminal."""

import ast
import io
import json
import shlex
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from hostile_texts import HOSTILE, evaluation_of

from benchmarks.fuzz.runs import make_run
from symloss.cli import main
from symloss.cli.progress import progress
from symloss.cli.terminal import KEPT, echo, make_console
from symloss.escaping import on_one_line, pasted, printable
from symloss.evaluation.tables import as_rich

TOP = Path(__file__).resolve().parent.parent.parent
EVIL = "\x1b]0;x\x1b[31m[red]\x9b\u202e\udcff"


def run(*arguments):
    result = CliRunner().invoke(main, arguments, "", {"COLUMNS": "500"}, prog_name="symloss")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert printable(result.output, KEPT) == result.output
    return result


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "run"
    make_run(folder)
    record = json.loads((folder / "run.json").read_text())
    record["task"] |= {"name": f"task {EVIL}", "model": f"model {EVIL}", "notes": [f"note {EVIL}", "[bold]"]}
    record["task"]["name"] = record["task"]["name"].replace("\udcff", "")
    for name in ("model", "notes"):
        record["task"][name] = json.loads(json.dumps(record["task"][name]).replace("\\udcff", ""))
    (folder / "run.json").write_text(json.dumps(record))
    return folder


@pytest.mark.parametrize("options", [[], ["--all"], ["--json"], ["--latex"]])
def test_a_run_shows_what_its_record_holds(made, options):
    output = run("show", str(made), *options).output
    if not options:
        assert r"task \x1b]0;x\x1b[31m[red]\x9b\u202e" in output
        assert "[bold]" in output


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", EVIL],
        ["export", EVIL],
        ["import", f"{EVIL}.py"],
        ["search", "--task", EVIL],
        ["search", "--grammar", f"{EVIL}.grammar"],
        ["search", "--config", f"{EVIL}.toml"],
        ["search", "--set", f"{EVIL}=1"],
        ["search", "--population", EVIL],
        ["search", f"--{EVIL}"],
        [f"--{EVIL}"],
        [EVIL],
        ["analyze", f"p * {EVIL}", "--kind", "regression"],
        ["verify", EVIL, f"{EVIL}.json"],
        ["gallery", EVIL],
        ["benchmark", EVIL, "--out", "x"],
        ["fewshot", "eval", EVIL],
        ["data", "get", EVIL],
    ],
    ids=lambda arguments: " ".join(arguments).encode("ascii", "replace").decode().replace("\x1b", "ESC"),
)
def test_an_error_shows_what_was_typed(arguments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code in (1, 2)
    assert r"\x1b" in result.output


def test_the_caret_of_an_error_stands_under_its_place():
    output = run("analyze", "p + \u202e\x9b p", "--kind", "regression").output
    _, source, caret = output.splitlines()
    assert source.index("p +") + 4 == caret.index("^")


def test_an_evaluation_is_shown_as_it_is():
    found = io.StringIO()
    console = make_console(file=found, force_terminal=True, color_system=None, width=4000, highlight=False)
    console.print(as_rich(evaluation_of(HOSTILE), console.width))
    output = found.getvalue()
    assert printable(output, KEPT) == output
    assert "[red]rich[/red] [/] [link=file:///etc]x[/link]" in output


def test_progress_on_a_terminal_shows_lines_as_they_are(monkeypatch):
    found = io.StringIO()
    monkeypatch.setattr(
        "symloss.cli.progress.make_console",
        lambda **_: make_console(file=found, force_terminal=True, width=200),
    )
    with progress() as (say, _):
        for hostile in HOSTILE:
            say(hostile)
        say(f"[red]{EVIL}")
    assert "\x1b]0;" not in found.getvalue()
    assert r"[red]\x1b]0;x\x1b[31m[red]" in found.getvalue()


def test_commands_to_be_pasted_name_one_folder():
    for hostile in (*HOSTILE, "a b; rm -rf ~", "$(id)", "'"):
        assert shlex.split(f"symloss show {pasted(hostile)}") == ["symloss", "show", hostile]


def test_echo_prints_halves_of_pairs(capsys):
    echo(EVIL)
    assert capsys.readouterr().out == "\\x1b]0;x\\x1b[31m[red]\\x9b\\u202e\\udcff\n"
    assert on_one_line("a\n b") == "a b"


def offences(text):
    """Calls with which a command prints past `echo` and `make_console`."""
    calls = [own for own in ast.walk(ast.parse(text)) if isinstance(own, ast.Call)]
    names = [ast.unparse(own.func) for own in calls]
    return [own for own in names if own in ("print", "Console", "rich.print", *PAST_ECHO)]


PAST_ECHO = ("click.echo", "click.secho", "sys.stdout.write", "sys.stderr.write")


def test_commands_print_in_one_way_alone():
    found = {path.name: offences(path.read_text()) for path in (TOP / "symloss" / "cli").glob("*.py")}
    assert {name: own for name, own in found.items() if own} == {"terminal.py": ["click.echo"]}
    assert offences("click.echo(1)")
    assert offences("Console().print(1)") == ["Console"]


def test_errors_of_click_keep_their_kind():
    assert run("search", "--population", "x").exit_code == 2
    assert "Usage: symloss search" in run("search", "--population", EVIL).output
    assert isinstance(click.UsageError("x"), click.ClickException)
