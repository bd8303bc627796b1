"""Formulas, grammars, halls of fame and exported files that are made to do harm."""

import math

import numpy as np
import pytest
from hostile_helpers import DEEP, LOOK_ALIKE, NOT_FILES, not_a_file, refused, sparse

from symloss.export.read import constants_in, docstring_of, read_export
from symloss.export.verify import _difference
from symloss.expr import parse_expression
from symloss.fitting.pysr_equations import read_hall_of_fame
from symloss.grammar import load_grammar, parse_grammar
from symloss.records import Kind
from symloss.seeds import load_seeds
from symloss.sources import load_loss

FORMULAS = [
    ("(" * DEEP + "p" + ")" * DEEP, "at most 200000 characters"),
    ("(" * 90_000 + "p" + ")" * 90_000 + "+", "the text ends too early"),
    ("-" * 20_000 + "p", "levels high"),
    ("log(" * 5_000 + "p" + ")" * 5_000, "levels high"),
    ("+".join(["p"] * 10_000), "levels high"),
    ("9" * 190_000 + " + p", "finite"),
    ("1e999999999 + p", "finite"),
    ("p + 1e-" + "9" * 100_000 + " + " + "x" * 50_000, "unknown name"),
    (f"{LOOK_ALIKE}bs(p - y)", "U+0430 CYRILLIC SMALL LETTER A"),
    ("\uff50 - y", "U+FF50 FULLWIDTH LATIN SMALL LETTER P"),
    ("p - \uff11", "U+FF11 FULLWIDTH DIGIT ONE"),
    ("p \u202e- y", "U+202E RIGHT-TO-LEFT OVERRIDE"),
    ("p - y\0", r"'\x00'"),
    ("p - \ud800", r"'\ud800'"),
]


@pytest.mark.parametrize(("text", "word"), FORMULAS, ids=range(len(FORMULAS)))
def test_formulas(text, word, tmp_path):
    refused(lambda: parse_expression(text), word)
    if len(text) < 10_000:
        refused(lambda: load_loss(text, Kind.REGRESSION))


def doubling(rules):
    """Rules of which each stands for twice what the next one does, as in 'billion laughs'."""
    lines = [f"r{i} = r{i + 1} + r{i + 1} | r{i + 1} * r{i + 1}" for i in range(rules)]
    return "\n".join([*lines, f"r{rules} = prediction | target"])


def alone(rules):
    """The same with lone names, whose alternatives become those of the rule that they name."""
    lines = [f"r{i} = r{i + 1} | r{i + 1}" for i in range(rules)]
    return "\n".join([*lines, f"r{rules} = prediction | target | prediction * target"])


GRAMMARS = [
    (doubling(60), "height"),
    (alone(40), "more than 1000 alternatives"),
    ("loss = " + "(" * 40_000 + "p" + ")" * 40_000 + "+", "the text ends too early"),
    ("loss = " + "log(" * 5_000 + "p" + ")" * 5_000, "nested at most 50 deep"),
    ("loss = " + "-" * 9_000 + "p", "nested at most 50 deep"),
    ("loss = p * y * " + "9" * 90_000, "finite"),
    ("loss = p * y [1e999999999]", "weight must lie between"),
    ("loss = p * y [" + "9" * 90_000 + "]", "weight must lie between"),
    ("size at most " + "9" * 90_000 + "\nloss = p * y", "too large"),
    ("loss = p * y\nloss = p + y", "defined twice"),
    (f"loss = p * y * {LOOK_ALIKE}", "U+0430 CYRILLIC SMALL LETTER A"),
    ("loss = log(\u202ep) * y", "U+202E"),
    ("size at most \uff15\nloss = p * y", "U+FF15"),
    ("a = p * a | p * y\n" * 1_000, "defined twice"),
    ("loss = p * y\0", r"'\x00'"),
]


@pytest.mark.parametrize(("text", "word"), GRAMMARS, ids=range(len(GRAMMARS)))
def test_grammars(text, word):
    refused(lambda: parse_grammar(text), word)


def test_a_grammar_of_many_rules_is_read_soon_or_refused():
    rules = "\n".join(f"r{i} = p * r{i + 1} | y * r{i + 1} | p" for i in range(300)) + "\nr300 = p * y"
    refused(lambda: parse_grammar("size at most 1\n" + rules))


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "evom\u0430l", "a\0b", "x" * 5000, "-x", "\u202elamove"]
)
def test_names_of_grammars(name):
    refused(lambda: load_grammar(name))


HALL = "Complexity,Loss,Equation\n"
HALLS = [
    (HALL + '1,0.5,"' + "(" * 19_000 + '"', "line 2"),
    (HALL + "1,0.5," + "-" * 10_000 + "p", "line 2"),
    (HALL + "1,0.5," + "^".join(["p"] * 5_000), "line 2"),
    (HALL + "1,0.5," + "9" * 200_000, "line 2"),
    (HALL + "1,0.5,1e999999999", "finite"),
    (HALL + "1,0.5,1.0f999999999 + p", "finite"),
    (HALL + "9" * 100_000 + ",0.5,p", "expected a complexity"),
    (HALL + f"1,0.5,l{LOOK_ALIKE}g(p)", "U+0430"),
    (HALL + "1,0.5,__import__('os')", "line 2"),
    (HALL + "1,0.5,\0", "line 2"),
    ("Complexity,Loss\n", "no hall of fame"),
]


@pytest.mark.parametrize(("text", "word"), HALLS, ids=range(len(HALLS)))
def test_halls_of_fame(text, word, tmp_path):
    (tmp_path / "h.csv").write_text(text)
    refused(lambda: read_hall_of_fame(tmp_path / "h.csv"), word)


LOSS = '"format": "symloss loss 1", "name": "", "kind": "regression", "reduction": "mean", "formula": ""'
EXPORTS = [
    ("x.json", "[" * DEEP, "is not a loss"),
    ("x.json", '{"facts": ' * DEEP, "is not a loss"),
    ("x.json", "{" + LOSS + ', "expression": "p - y", "expression": "p"}', "given twice"),
    ("x.json", "{" + LOSS + ', "expression": NaN}', "is not a loss"),
    ("x.json", "{" + LOSS + ', "expression": "' + "(" * DEEP + '"}', "cannot be read"),
    ("x.json", "{" + LOSS.replace("mean", "me\u0430n") + ', "expression": "p"}', "reduction must be"),
    ("x.py", "(" * DEEP, "was not written by"),
    ("x.py", "-" * DEEP + "1", "was not written by"),
    ("x.py", "x" + "[0]" * DEEP, "was not written by"),
    ("x.py", "a" + ".a" * DEEP, "was not written by"),
    ("x.py", "1" + "+1" * DEEP, "was not written by"),
    ("x.py", "not " * DEEP, "was not written by"),
    ("x.py", "f'" + "{f'" * 1_000, "was not written by"),
    ("x.py", '"""a' * DEEP, "was not written by"),
    ("x.py", '"""a\nkind: regression\nexpression: p - y\n""" + open("ran", "w").name', "was not written by"),
    ("x.py", '"""a\nkind: regression\nexpression: ' + "(" * DEEP + '"""\n', "cannot be read"),
    ("x.py", '"""a\nkind: \u0433\nexpression: p\n"""\n', "cannot be read"),
    ("x.py", "\0", "was not written by"),
    ("x.onnx", "\0" * 1000, "x.onnx"),
]


@pytest.mark.parametrize(("name", "text", "word"), EXPORTS, ids=range(len(EXPORTS)))
def test_exported_files(name, text, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(text)
    refused(lambda: read_export(tmp_path / name), word)
    assert [own.name for own in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize(
    ("text", "docstring"),
    [
        ('# first\n\n"""One.\n\n    two: 2\n    """\nx = (\n', "One.\n\ntwo: 2"),
        ("'one'", "one"),
        ("'one' 'two'\n", ""),
        ("b'one'\n", ""),
        ("x = 'one'\n", ""),
        ("", ""),
    ],
)
def test_a_docstring_is_found_without_reading_the_rest(text, docstring):
    assert docstring_of(text) == docstring


def test_results_that_are_no_numbers_differ():
    absolute, _, where = _difference(np.ones(2), np.array(["a", "b"]), np.ones(2))
    assert math.isinf(absolute)
    assert where.startswith("has <U1 of shape (2,)")


READERS = {
    "x.csv": read_hall_of_fame,
    "x.grammar": load_grammar,
    "x.json": read_export,
    "x.py": read_export,
    "x.pt": constants_in,
    "x.txt": lambda path: load_seeds(str(path), Kind.REGRESSION, 2),
}


@pytest.mark.parametrize("name", [name for name in READERS if name != "x.txt"])
@pytest.mark.parametrize("what", NOT_FILES)
def test_what_is_no_file(name, what, tmp_path):
    path = not_a_file(tmp_path / name, what)
    refused(lambda: READERS[name](path), "annot read")


@pytest.mark.parametrize("name", READERS)
def test_huge_files(name, tmp_path):
    path = sparse(tmp_path / name, 2**40)
    refused(lambda: READERS[name](path), "" if name == "x.grammar" else "is larger than")


@pytest.mark.parametrize("name", [name for name in READERS if name != "x.pt"])
def test_foreign_text(name, tmp_path):
    (tmp_path / name).write_bytes("loss = p".encode("utf-16"))
    refused(lambda: READERS[name](tmp_path / name), "UTF-8")
