"""What was found, as docs/reliability.md."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.torture.running import TOP

PAGE = TOP / "docs" / "reliability.md"
FOUND = TOP / "docs" / "reliability.json"
"""What the parts found when they were run last; the page is made of it."""

PARTS = {
    "kills": (
        "Killed at random moments",
        "All processes of a run are killed (SIGKILL, so that nothing of it can tidy up) up to five times at\n"
        "random moments, with one or two workers and another PYTHONHASHSEED each time. It is continued by\n"
        "what a user would type: `symloss resume RUN`, or the same command where nothing was begun.",
    ),
    "writes": (
        "Killed within a write",
        "A write is a line that is appended, or a file that is written under another name and then gets its\n"
        "own. The process is killed before it, after half of its bytes, after all of them, and before and\n"
        "after the file gets its name.",
    ),
    "disk": ("A full disk", "The run is continued when there is space again."),
    "corruption": ("Damaged files", "Runs that were killed near their middle, with one thing wrong each."),
    "repeats": ("The same answer twice", "Compared with the same whole search, byte for byte."),
    "load": ("Load", "Measured once; times depend on what else the machine does."),
    "fuzz": (
        "Made-up input",
        "Each input has to be read, or refused in a sentence. Seconds include pauses and other work.",
    ),
}
"""Title and explanation of each part."""

TOLD = """# Runs that survive, and the same answer twice

Every table names the command that wrote it, and the machine. "right" counts the tries that were answered as
the last column says; anything less than all of them is a defect.
"""


def remember(part: str, command: str, machine: str, rows: list[dict[str, Any]]) -> None:
    """Keep what a part found, and write the page anew."""
    found = json.loads(FOUND.read_text()) if FOUND.exists() else {}
    found[part] = {"command": command, "machine": machine, "rows": rows}
    FOUND.write_text(json.dumps(found, indent=1) + "\n")
    PAGE.write_text(page(found))


def page(found: dict[str, Any]) -> str:
    """The page with what the parts found."""
    return "\n".join([TOLD, *(_section(part, found[part]) for part in PARTS if part in found)])


def _section(part: str, own: dict[str, Any]) -> str:
    title, explanation = PARTS[part]
    rows = own["rows"]
    names = ["what", "tried", "right", "answer"] if part != "fuzz" else list(rows[0])
    lines = [
        f"## {title}",
        "",
        explanation,
        "",
        f"Written by `{own['command']}` on {own['machine']}.",
        "",
        f"| {' | '.join(names)} |",
        f"|{'---|' * len(names)}",
        *(f"| {' | '.join(str(row[name]) for name in names)} |" for row in rows),
    ]
    if part in ("kills", "writes", "disk"):
        tried, right = (sum(row[name] for row in rows) for name in ("tried", "right"))
        lines += ["", f"In all: {tried} tried, {tried - right} lost."]
    return "\n".join([*lines, ""])


def fuzzed(path: Path) -> list[dict[str, Any]]:
    """The rows that `python -m benchmarks.fuzz --json FILE` wrote: a list of objects, or under "rows"."""
    found = json.loads(path.read_text())
    rows = found["rows"] if isinstance(found, dict) else found
    assert isinstance(rows, list)
    assert rows
    # What was found can be a page long: the page says what kind it was, and the tests have the rest.
    return [{**row, "findings": ", ".join(f["error"] for f in row["findings"]) or 0} for row in rows]
