"""What docs/analysis.md shows is what the commands in it print.

After an intended change: SYMLOSS_REFRESH=1 pytest tests/report/test_report_document.py, and look at it.
"""

import os
import re
import shlex

from click.testing import CliRunner
from documents import TOP, blocks

from symloss.cli import main

PAGE = TOP / "docs" / "analysis.md"
SHOWN = re.compile(r"```sh\n(symloss [^\n]*)\n```\n\n```text\n(.*?)```", flags=re.DOTALL)


def printed(command):
    """What a command prints on 80 columns, without the spaces at the ends of lines."""
    result = CliRunner().invoke(main, shlex.split(command)[1:], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    return "".join(f"{line.rstrip()}\n" for line in result.output.splitlines())


def test_the_page_shows_what_the_commands_print():
    text = PAGE.read_text(encoding="utf-8")
    assert len(SHOWN.findall(text)) == len(blocks(text, "sh"))
    fresh = SHOWN.sub(lambda m: f"```sh\n{m[1]}\n```\n\n```text\n{printed(m[1])}```", text)
    if os.environ.get("SYMLOSS_REFRESH"):
        PAGE.write_text(fresh, encoding="utf-8")
    assert fresh == text


def test_the_example_in_python_runs(capsys):
    (example,) = blocks(PAGE.read_text(encoding="utf-8"), "python")
    exec(compile(example, "docs/analysis.md", "exec"), {})
    said, *_, smoothing = capsys.readouterr().out.splitlines()
    assert "reaches 0.8, above which it pushes back" in said
    assert abs(float(smoothing) - 0.2 / 0.9) < 1e-9
