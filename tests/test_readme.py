"""The README and the documents do what they say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from documents import TOP, blocks, run

from symloss.expr import OPERATORS
from symloss.grammar import parse_grammar

README = (TOP / "README.md").read_text(encoding="utf-8")

# Smaller than the defaults, so that the README's commands take seconds here.
SMALL = """
population = 6
generations = 2
[training]
steps = 60
[tuning]
steps = 4
[finalists]
count = 2
seeds = 2
"""

SMALLER = {
    "search": "--config small.toml",
    "evaluate": "--steps 20 --seeds 2 --choosing-seeds 1 --set widen=0",
    "train-loss": "--meta-steps 5 --steps 20",
    "distill": "--seconds 1 --set training.steps=20 --set tuning.steps=2 --set finalists.count=1",
    "fewshot train": "--filters 32 --meta-steps 1 --set pretraining.steps=1 --set outer.valid=2",
    "fewshot eval": "--tasks 2",
}


def shell_lines() -> list[str]:
    found = [line for block in blocks(README, "sh") for line in block.splitlines()]
    return [line.split("  #")[0].strip() for line in found if line.strip()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("readme")
    (place / "small.toml").write_text(SMALL)
    return place


def test_the_commands_work_in_the_order_in_which_they_stand(folder: Path) -> None:
    # The first command stands behind those that install.
    lines = [line.rpartition("&& .venv/bin/")[2] for line in shell_lines()]
    commands = [line for line in lines if line.startswith("symloss ")]
    assert any(line.startswith("symloss search") for line in commands)
    for line in commands:
        words = line.split()[1:]
        words += next(
            (own.split() for start, own in SMALLER.items() if line.startswith(f"symloss {start}")), []
        )
        out = run([sys.executable, "-m", "symloss", *words], folder)
        assert out.strip()


def test_the_python_examples_run(folder: Path) -> None:
    examples = blocks(README, "python")
    assert examples
    smaller = (
        "import symloss.config as c\n"
        f"small = c.read_config(__import__('pathlib').Path({str(folder / 'small.toml')!r}))\n"
        "resolve = c.resolve\n"
        "import symloss.api\n"
        "symloss.api.resolve = lambda *layers: resolve(*layers, small)\n"
    )
    script = folder / "example.py"
    script.write_text(smaller + "\n".join(examples))
    run([sys.executable, str(script)], folder)


def test_the_first_screen_names_the_two_commands_and_ci_runs_the_second() -> None:
    lines = shell_lines()
    assert any("pip install -c constraints.txt ." in line and "symloss search" in line for line in lines)
    assert "python3 tests/run.py" in lines
    assert "python3 tests/run.py" in (TOP / ".ci" / "run").read_text()


def test_the_grammar_in_the_documents_is_one() -> None:
    text = (TOP / "docs" / "grammars.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```\n(.*?)```", text, flags=re.DOTALL)
    assert parse_grammar(example).name == "robust"


def test_the_documents_list_every_operator_with_its_meaning() -> None:
    text = (TOP / "docs" / "grammars.md").read_text(encoding="utf-8").replace("\\|", "|")
    for row in OPERATORS.values():
        assert row.meaning in text, f"docs/grammars.md does not say what {row.name} is"


def test_every_file_that_a_document_links_to_is_there() -> None:
    for document in [*TOP.glob("*.md"), *(TOP / "docs").glob("*.md"), *(TOP / "exported").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+)\)", document.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (document.parent / link).exists(), f"{document.name} links to {link}"


def test_the_first_screen_says_what_the_results_say() -> None:
    results = (TOP / "docs" / "results.md").read_text(encoding="utf-8")
    screen = " ".join(README[: README.index("## From data to code")].split())
    row = next(line for line in results.splitlines() if line.startswith("| digits, label noise 0.4 | mlp |"))
    for cell in (row.split("|")[column] for column in (4, 5, 7)):
        mean, deviation = re.search(r"([\d.]+) ± ([\d.]+)", cell).groups()  # type: ignore[union-attr]
        assert f"{100 * float(mean):.1f} % ± {100 * float(deviation):.1f}" in screen.replace("**", "")
    counts = re.findall(r"(\d) wins?, (\d) ties?, (\d) loss(?:es)? of 6", results)
    assert counts == [("5", "1", "0"), ("1", "3", "2"), ("3", "1", "2")], "the README tells another story"
    for words in (
        "beat cross-entropy or squared error on five and tie on one",
        "they win once, as above, tie on three and lose on two",
        "they win three times, tie once and lose twice",
    ):
        assert words in screen
    formula = re.search(r"    (\S.*aq\(.*)", results[results.index("## digits, label noise 0.4") :])
    assert formula is not None
    found = [float(number) for number in re.findall(r"\d+\.\d+", formula[1])]
    shown = re.search(r"\$\$(.*?)\$\$", screen)
    assert shown is not None
    assert [float(number) for number in re.findall(r"\d+\.\d+", shown[1])] == [round(own, 3) for own in found]
