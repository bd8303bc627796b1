"""Unfinished runs whose files are damaged: they are mended, or refused in one sentence and left alone."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.torture.disk import small_disk
from benchmarks.torture.running import Ended, Row, Wholes, started, symloss
from benchmarks.torture.victims import VICTIMS, Victim
from benchmarks.torture.writes import counted, sabotaged
from symloss.archive.holding import LOCK

RIGHT = "goes on and ends with the bytes of an untouched run, or refuses in one sentence and changes nothing"
REFUSED = "refused in one sentence, nothing changed"

Damage = Callable[[Path], None]


def _cut_last_line(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


def _spoil_last_line(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-30:-20] = b"\xff" * len(data[-30:-20])
    path.write_bytes(data)


def _add_half_a_line(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"id":3,"gen')


def _halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


LINES: dict[str, Damage] = {
    "with the last line cut": _cut_last_line,
    "with the last line overwritten": _spoil_last_line,
    "with a half line added": _add_half_a_line,
}
WHOLES: dict[str, Damage] = {"cut in half": _halve, "emptied": _empty}
MISSING: dict[str, Damage] = {"missing": Path.unlink}


def corruption(wholes: Wholes, folder: Path, names: tuple[str, ...] = ("search", "evaluate")) -> list[Row]:
    """Every damage to every file of unfinished runs."""
    rows = []
    for victim in VICTIMS:
        if victim.name in names:
            unfinished = _unfinished(victim, wholes, folder)
            rows += _damages(victim, unfinished, wholes, folder)
            rows += _changes(victim, unfinished, folder)
            rows += [_held(victim, unfinished), *_read_only(victim, unfinished, folder)]
    return rows


def _unfinished(victim: Victim, wholes: Wholes, folder: Path) -> Path:
    """A run that was killed near its middle."""
    out = folder / f"unfinished-{victim.name.replace(' ', '-')}"
    number = counted(victim, folder, wholes)[0]
    sabotaged(victim, out, wholes, "killed-before", 2 * number // 3)
    return out


def _damages(victim: Victim, unfinished: Path, wholes: Wholes, folder: Path) -> list[Row]:
    tried: dict[str, int] = {}
    right: dict[str, int] = {}
    for path in sorted(unfinished.iterdir()):
        suited = {**(LINES if path.suffix == ".jsonl" else WHOLES), **MISSING}
        for name, damage in suited.items():
            if path.name.startswith(".") or not path.is_file() or path.stat().st_size == 0:
                continue
            out = shutil.copytree(unfinished, folder / "damaged")
            damage(out / path.name)
            good, said = _answer(victim, out, wholes)
            shutil.rmtree(out)
            tried[name], right[name] = tried.get(name, 0) + 1, right.get(name, 0) + good
            print(f"{victim.name}: {path.name} {name}: {'' if good else 'WRONG '}{said}", flush=True)
    return [Row(f"`symloss {victim.name}`: a file {name}", tried[name], right[name], RIGHT) for name in tried]


def _contents(folder: Path) -> dict[str, bytes]:
    """Every file with its bytes, but for the one by which a process holds the folder."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != LOCK}


def _answer(victim: Victim, out: Path, wholes: Wholes) -> tuple[bool, str]:
    """Whether a damaged run is answered as it should be, and what was said."""
    before = _contents(out)
    own = symloss(victim.command(out, wholes.materials))
    said = " ".join(own.output.splitlines()[-1:])
    if own.code == 0:
        return not victim.differing(out, wholes.of(victim)), said
    return own.refused and _contents(out) == before, said


def _unchanged_refusal(own: Ended, out: Path, before: dict[str, bytes]) -> bool:
    print(" ".join(own.output.splitlines()[-1:]), flush=True)
    return own.refused and _contents(out) == before


def _changes(victim: Victim, unfinished: Path, folder: Path) -> list[Row]:
    """Another version, another grammar: refused, and gone on with if forced."""
    rows = []
    for what in ("version", "grammar"):
        if what == "grammar" and not (unfinished / "grammar.grammar").exists():
            continue
        out = shutil.copytree(unfinished, folder / "changed")
        _change(what, out, victim.record)
        before = _contents(out)
        good = _unchanged_refusal(symloss(["resume", str(out)]), out, before)
        rows.append(Row(f"`symloss {victim.name}`: another {what}", 1, int(good), REFUSED))
        forced = symloss(["resume", str(out), "--force"])
        expected, answer = forced.code == 0, "goes on, and says what has changed"
        if victim.name == "evaluate":  # its trials are compared, and must have been computed alike
            expected, answer = forced.refused, REFUSED
        rows.append(Row(f"`symloss {victim.name}`: another {what}, forced", 1, int(expected), answer))
        shutil.rmtree(out)
    return rows


def _change(what: str, out: Path, record: str) -> None:
    if what == "grammar":
        path = out / "grammar.grammar"
        path.write_text(path.read_text().replace("abs(", "square(", 1))
        return
    found = json.loads((out / record).read_text())
    (found if "torch" in found else found["versions"])["torch"] = "1.0"
    (out / record).write_text(json.dumps(found))


HOLDER = """
import sys, time
from pathlib import Path
from symloss.archive.holding import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


@contextlib.contextmanager
def _holding(out: Path) -> Iterator[None]:
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == b"held\n"
        yield
    finally:
        holder.kill()
        holder.communicate()


def _held(victim: Victim, unfinished: Path) -> Row:
    before = _contents(unfinished)
    with _holding(unfinished):
        good = _unchanged_refusal(symloss(["resume", str(unfinished)]), unfinished, before)
    return Row(f"`symloss {victim.name}`: two processes on one run", 1, int(good), f"the second {REFUSED}")


def _read_only(victim: Victim, unfinished: Path, folder: Path) -> list[Row]:
    """On a disk that is mounted read-only, since no file is that for a superuser."""
    at = folder / "read-only"
    with small_disk(at, 2**24) as there:
        if not there:
            return []
        out = shutil.copytree(unfinished, at / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(at)], check=True)
        before = _contents(out)
        good = _unchanged_refusal(symloss(["resume", str(out)]), out, before)
    return [Row(f"`symloss {victim.name}`: on a read-only disk", 1, int(good), REFUSED)]


def together(wholes: Wholes, folder: Path) -> Row:
    """Two searches that are begun in one folder at the same time: one works, the other is refused."""
    out = folder / "one-folder"
    search = VICTIMS[0]
    both = [started(search.command(out, wholes.materials)) for _ in range(2)]
    outputs = [process.communicate()[0].decode() for process in both]
    codes = sorted(process.returncode for process in both)
    good = codes == [0, 1] and not search.differing(out, wholes.of(search))
    print(*outputs, sep="\n")
    return Row("two searches begun in one folder at once", 1, int(good), "one is refused, the other is whole")
