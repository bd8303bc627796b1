"""What can be wrong with a grammar file, and the answer to it. One table is both diagnosis and test."""

import time

import pytest

from symloss.errors import GrammarError
from symloss.grammar import load_grammar, parse_grammar

MISTAKES = [  # text, line:column or "" for the file as a whole, words of the answer
    ("", "", "there is no rule"),
    ("\n  \n# nothing but a comment\n", "", "there is no rule"),
    ("size at most 20", "", "there is no rule"),
    ("loss = p -", "1:11", "ends too early, expected '(', '-', a name or a number"),
    ("loss = p - y |\n\n", "1:15", "ends too early"),
    ("loss p - y", "1:6", "unexpected 'p', expected '='"),
    ("loss := p - y", "1:6", "unexpected character ':', expected '='"),
    ("loss = p - y)", "1:13", "unexpected ')'"),
    ("loss = p / y", "1:10", "division is written aq(a, b)"),
    ("loss = p ^ 2 - y", "1:10", "powers are written pow(a, b)"),
    ("loss = p - y; b = 1", "1:13", "unexpected character ';'"),
    ("grammar a 'doc'\nloss = p - y", "1:11", "unexpected character"),
    ("# c\nloss = a\na = p - b", "3:9", "'b' is neither a rule nor an input"),
    ("loss = p - targt", "1:12", "did you mean 'target'?"),
    ("loss = reaal\nreal = p - y", "1:8", "did you mean 'real'?"),
    ("loss = lgo(p) * y", "1:8", "unknown operator 'lgo': did you mean 'log'?"),
    ("loss = unifrom(0, 1) * (p - y)", "1:8", "did you mean 'uniform'?"),
    ("loss = log(p, y)", "1:8", "takes 1 argument, found 2"),
    ("loss = min(p)", "1:8", "takes 2 arguments, found 1"),
    ("loss = y - log", "1:12", "'log' needs its arguments in parentheses"),
    ("loss = y - normal", "1:12", "'normal' needs its arguments in parentheses"),
    ("loss = p - a(y)\na = 1", "1:12", "rule 'a' takes no arguments"),
    ("loss = p - a\nlog = y", "2:1", "'log' already means something"),
    ("loss = p - y\nprediction = 1", "2:1", "'prediction' already means something"),
    ("loss = p - y\np = 1", "2:1", "'p' already means something"),
    ("loss = p - y\nuniform = 1", "2:1", "'uniform' already means something"),
    ("loss = p - y\nsize = 3", "2:1", "'size' is a word of grammar files"),
    ("height = p - y", "1:1", "'height' is a word of grammar files"),
    ("loss = p - a\na = y\na = 1", "3:1", "rule 'a' is defined twice, first in line 2"),
    ("loss = p - y\nspare = p", "2:1", "rule 'spare' is never used from 'loss'"),
    ("loss = p - y | p - a\na = tanh(b)\nb = a + 1", "2:1", "rule 'a' never ends"),
    ("loss = loss + loss", "1:1", "rule 'loss' never ends"),
    ("loss = a | p - y\na = b\nb = c | 1\nc = a", "2:5", "in a circle: a = b = c = a"),
    ("loss = p - y | loss", "1:16", "in a circle: loss = loss"),
    ("loss = p + a\na = 1 | p", "1:1", "no formula of 'loss' contains prediction and target"),
    ("loss = y", "1:1", "no formula of 'loss' contains prediction and target"),
    ("require p\nloss = y", "2:1", "no formula of 'loss' contains prediction"),
    ("require y\nloss = y", "1:1", "must name the prediction"),
    ("require p, label\nloss = p", "1:12", "unknown input 'label': known are: prediction, target"),
    ("require p\nrequire p\nloss = p", "2:1", "'require' is given twice, first in line 1"),
    ("height 1..2, at most 2\nloss = tanh(a)\na = tanh(p - y)", "2:1", "needs height 3, but at most 2 is"),
    ("height 1..2, at most 9\nloss = tanh(tanh(p - y))", "1:1", "first formulas may be 2 high, but one with"),
    ("size at most 3\nheight 1..2, at most 2\nloss = tanh(p - y)", "3:1", "needs 4 nodes, but at most 3"),
    # Low and small are both possible here, but not at once.
    (
        "height 2..2, at most 2\nsize at most 6\nloss = (p + y) * (p + y) | tanh(tanh(p - y))",
        "3:1",
        "at most 2 high needs 7 nodes",
    ),
    ("height 3..2, at most 4\nloss = p - y", "1:1", "heights must not fall, found 3..2, at most 4"),
    ("height 1..6, at most 4\nloss = p - y", "1:1", "heights must not fall"),
    ("height 1..2, at most 51\nloss = p - y", "1:1", "a height of at most 50 is supported"),
    ("height 1..12345678901, at most 4\nloss = p - y", "1:11", "too large"),
    ("height 1-2, at most 4\nloss = p - y", "1:9", "unexpected"),
    ("height 2, at most 4\nloss = p - y", "1:9", "unexpected ',', expected '..'"),
    ("size at most 0\nloss = p - y", "1:1", "a size from 1 to 1000"),
    ("size 20\nloss = p - y", "1:6", "unexpected '20', expected '=' or 'at'"),
    ("loss = p - y [0]", "1:14", "a weight must lie between"),
    ("loss = p - y [-1]", "1:14", "a weight must lie between"),
    ("loss = p - y [1e999]", "1:14", "a weight must lie between"),
    ("loss = p - y [1.2.3]", "1:14", "'1.2.3' is not a number"),
    ("loss = p - y [heavy]", "1:15", "unexpected"),
    ("loss = p - 1e999 * y", "1:12", "a number must be finite"),
    ("loss = uniform(1) * p - y", "1:8", "'uniform' takes two numbers"),
    ("loss = uniform(p, 2) * y", "1:8", "'uniform' takes two numbers"),
    ("loss = uniform(2, 1) * p - y", "1:8", "uniform(a, b) needs a < b, found 2 and 1"),
    ("loss = normal(0, 0) * p - y", "1:8", "normal(mean, sd) needs sd > 0"),
    ("loss = uniform(-1e300, 1e300) * p - y", "1:8", "may be 1e+100 at most"),
    ("loss = a+a+a+a+a+a+a\na = p | y", "1:8", "may name at most 6 rules, found 7"),
    ("loss = " + "tanh(" * 50 + "p - y" + ")" * 50, "1:13", "nested at most 50 deep"),
]


@pytest.mark.parametrize(("text", "place", "words"), MISTAKES, ids=lambda value: str(value)[:24])
def test_mistakes_are_answered_with_place_and_reason(text, place, words):
    with pytest.raises(GrammarError) as caught:
        parse_grammar(text, "my.grammar")
    message, *shown = str(caught.value).splitlines()
    assert message.startswith(f"my.grammar:{place}: " if place else "my.grammar: ")
    assert words in message
    if place:
        line, column = map(int, place.split(":"))
        source, caret = shown
        assert source.strip() in text.splitlines()[line - 1]
        assert source[: caret.index("^") - 4] == f"    {text.splitlines()[line - 1]}"[: caret.index("^") - 4]
        assert caret.index("^") - 4 == column - 1


def test_the_same_mistakes_in_a_file(tmp_path):
    path = tmp_path / "a.grammar"
    path.write_text("loss = p - q\n")
    with pytest.raises(GrammarError) as caught:
        load_grammar(path)
    assert str(caught.value).startswith(f"{path}:1:12: 'q' is neither a rule nor an input")


def binary(folder):
    (folder / "x.grammar").write_bytes(b"loss = \xff\xfe")
    return folder / "x.grammar", "it is not text in UTF-8"


def huge(folder):
    (folder / "x.grammar").write_bytes(b"#" * 100_001)
    return folder / "x.grammar", "larger than 100000 bytes"


def cut_character(folder):
    """Too long, and the limit falls into the middle of a character."""
    (folder / "x.grammar").write_bytes("é".encode() * 60_000 + b"x")
    return folder / "x.grammar", "larger than 100000 bytes"


FILES = [
    lambda folder: (folder, "directory"),
    lambda folder: (folder / "missing.grammar", "No such file"),
    lambda folder: ("nothing", "no grammar 'nothing', and no file of that name"),
    lambda folder: ("a" * 300, "no grammar"),
    lambda folder: ("folder/" + "a" * 5000 + ".grammar", "cannot read"),
    lambda folder: ("a\0b.grammar", "cannot read"),
    lambda folder: ("", "cannot read"),
    lambda folder: ("/dev/zero", "not an ordinary file"),
    binary,
    huge,
    cut_character,
]


@pytest.mark.parametrize("make", FILES)
def test_files_that_cannot_be_read(tmp_path, make):
    path, words = make(tmp_path)
    with pytest.raises(GrammarError, match=words):
        load_grammar(path)


def chain(count, write):
    return "\n".join(write(f"r{i}", f"r{i + 1}") for i in range(count)) + f"\nr{count} = p - y"


HOSTILE = {
    "deep parentheses": "loss = " + "(" * 45_000 + "p" + ")" * 45_000,
    "open parentheses": "loss = " + "(" * 90_000,
    "deep minus": "loss = p - " + "-" * 90_000 + "y",
    "long sum": "loss = y" + "+p" * 45_000,
    "long number": "loss = p - y * " + "9" * 90_000,
    "long weight": "loss = p - y [" + "9" * 90_000 + "]",
    "long height": "height 1.." + "9" * 90_000 + ", at most 3\nloss = p - y",
    "long name": "loss = " + "a" * 90_000,
    "too long": "loss = p - y" + " " * 100_000,
    "many rules": chain(3000, lambda a, b: f"{a} = tanh({b})"),
    "high chain": chain(900, lambda a, b: f"{a} = tanh({b})"),
    "doubling size": chain(900, lambda a, b: f"{a} = {b} + {b}"),
    "doubling names": chain(900, lambda a, b: f"{a} = {b} | {b}"),
    "vanishing weight": chain(200, lambda a, b: f"{a} = {b} [1e-6] | 1 [1e6]"),
    "wide names": "a = " + "b|" * 400 + "b\nb = " + "c|" * 400 + "c\nc = " + "p - y|" * 400 + "p - y",
    "many holes": "loss = " + "loss+loss+loss+loss+loss+loss|" * 3000 + "p - y",
    "control characters": "loss = p - y \0\x1b[2J",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_end_quickly_in_an_answer(text):
    started = time.perf_counter()
    with pytest.raises(GrammarError) as caught:
        parse_grammar(text)
    assert time.perf_counter() - started < 20
    assert len(str(caught.value)) < 1000


def test_the_largest_grammars_are_still_read_quickly():
    started = time.perf_counter()
    names = chain(900, lambda a, b: f"{a} = {b}")
    wide = "height 1..4, at most 50\nloss = " + "loss+loss+loss+loss+loss+loss|" * 900 + "p - y"
    assert len(parse_grammar(names).rules) == 901
    assert len(parse_grammar(wide).productions) == 901
    assert time.perf_counter() - started < 40
