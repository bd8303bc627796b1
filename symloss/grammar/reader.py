"""Grammar files: text to `Grammar`, or one sentence with the place of what is wrong.

    # The search space of ...
    grammar evomal "One line about it."
    require prediction, target        # every formula contains all of these
    height 2..4, at most 10           # of the first random formulas; of any formula
    size at most 60                   # nodes of any formula

    loss = real
    real = real + real | log(real) [2] | prediction | uniform(-1, 1)

The first rule is where formulas start. The right sides are written in the language of formulas, with
nonterminals as further names and `uniform(a, b)` or `normal(mean, sd)` for random constants. A number in
brackets is the weight of an alternative. A rule may name another one alone (`loss = real`).
"""

from __future__ import annotations

import functools
import hashlib
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from symloss.errors import GrammarError, did_you_mean, pointed_at
from symloss.expr import OPERATORS, SEARCHED
from symloss.expr.text import EXPRESSION_RULES, cut_short, describe_unexpected, end_of
from symloss.grammar.model import Grammar, Production
from symloss.grammar.resolve import Alternative, Rule, check_possible, check_used, resolve
from symloss.grammar.template import (
    DISTRIBUTIONS,
    MAX_NESTING,
    SYMBOLS,
    Fault,
    Place,
    build_template,
    place_of,
)
from symloss.reading.files import read_text

if TYPE_CHECKING:
    import lark

MAX_BYTES = 100_000
"""Largest grammar file that is read."""

MAX_HOLES = 6
"""Most holes of one production; the search looks at every way to spread the inputs over them."""

WEIGHTS = (1e-6, 1e6)
"""Least and greatest weight of an alternative."""

_RULES = (
    r"""
    file: _statement+
    _statement: header | require | height | size | rule
    header: GRAMMAR NAME [STRING]
    require: REQUIRE NAME ("," NAME)*
    height: HEIGHT INT ".." INT "," "at" "most" INT
    size: SIZE "at" "most" INT
    rule: rule_name "=" alternative ("|" alternative)*
    rule_name: NAME | GRAMMAR | REQUIRE | HEIGHT | SIZE
    alternative: sum [weight]
    weight: "[" SIGNED "]"
    GRAMMAR: "grammar"
    REQUIRE: "require"
    HEIGHT: "height"
    SIZE: "size"
    STRING: /"[^"\n]*"/
    INT: /[0-9]+/
    SIGNED: /[+-]?[0-9.]+([eE][+-]?[0-9]+)?/
    COMMENT: /#[^\n]*/
    %ignore COMMENT
"""
    + EXPRESSION_RULES
)
_HEADINGS = ("grammar", "require", "height", "size")
_TAKEN = (*OPERATORS, *SEARCHED, *SYMBOLS, *DISTRIBUTIONS)


@functools.cache
def _parser() -> lark.Lark:
    import lark

    return lark.Lark(_RULES, start="file", parser="lalr", propagate_positions=True)


def read_grammar(path: Path) -> Grammar:
    """The grammar of a file. Raises GrammarError `FILE:LINE:COLUMN: reason` with the line and a caret."""
    return parse_grammar(read_text(path, "the grammar", GrammarError, MAX_BYTES), str(path))


def parse_grammar(text: str, source: str = "grammar") -> Grammar:
    """The grammar of a text; `source` names it in errors."""
    if len(text) > MAX_BYTES:
        raise GrammarError(f"{source}: a grammar may have at most {MAX_BYTES} characters, found {len(text)}")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise GrammarError(f"{source}: a grammar is text in UTF-8, and this one has half of a surrogate pair")
    try:
        return _grammar(text, source)
    except Fault as fault:
        reason = cut_short(fault.reason)
        if fault.place is None:
            raise GrammarError(f"{source}: {reason}") from None
        line, column = fault.place.line, fault.place.column
        shown = pointed_at(text, line, column)
        raise GrammarError(f"{source}:{line}:{column}: {reason}\n{shown}") from None


def _grammar(text: str, source: str) -> Grammar:
    tree = _parsed(text)
    headings = _Headings(name=Path(source).stem)
    for part in tree.children:
        headings.take(part)
    written = _rules([part for part in tree.children if part.data == "rule"])
    start = next(iter(written))
    check_used(written, start)
    grammar = Grammar(
        name=headings.name,
        doc=headings.doc,
        start=start,
        rules=resolve(written),
        required=headings.required,
        initial_height=headings.initial_height,
        max_height=headings.max_height,
        max_size=headings.max_size,
        text=text,
        digest=digest_of(text),
    )
    check_possible(grammar, written, headings.places.get("height"))
    return grammar


def digest_of(text: str) -> str:
    """A hash that comments, line breaks and spacing do not change."""
    without_comments = re.sub(r'("[^"\n]*")|#[^\n]*', r"\1", text)
    return hashlib.sha256(" ".join(without_comments.split()).encode()).hexdigest()


def _parsed(text: str) -> Any:
    import lark

    try:
        return _parser().parse(text)
    except lark.exceptions.UnexpectedInput as error:
        place = Place(*(end_of(text) if _at_end(error) else (error.line, error.column)))
        if not re.sub(r"#[^\n]*", "", text).strip():
            raise Fault("there is no rule; a grammar needs one such as: loss = square(p - y)") from None
        raise Fault(describe_unexpected(error, _parser()), place) from None


def _at_end(error: Any) -> bool:
    return getattr(getattr(error, "token", None), "type", "") == "$END"


@dataclass
class _Headings:
    """What stands before the rules: each at most once, all optional."""

    name: str
    doc: str = ""
    required: frozenset[str] = frozenset(["prediction", "target"])
    initial_height: tuple[int, int] = (2, 4)
    max_height: int = 10
    max_size: int = 60
    places: dict[str, Place] = field(default_factory=dict)

    def take(self, part: lark.Tree[Any]) -> None:
        """Read `part` if it is a heading."""
        if part.data == "rule":
            return
        word, *values = part.children
        if str(word) in self.places:
            first = self.places[str(word)].line
            raise Fault(f"'{word}' is given twice, first in line {first}", place_of(part))
        self.places[str(word)] = place_of(part)
        getattr(self, f"_take_{word}")(values, place_of(part))

    def _take_grammar(self, values: list[Any], place: Place) -> None:
        name, doc = values
        self.name = str(name)
        self.doc = str(doc)[1:-1] if doc is not None else ""

    def _take_require(self, values: list[Any], place: Place) -> None:
        self.required = frozenset(_input(token) for token in values)
        if "prediction" not in self.required:
            raise Fault("'require' must name the prediction, or no network could learn", place)

    def _take_height(self, values: list[Any], place: Place) -> None:
        low, high, most = (_whole(token) for token in values)
        if not low <= high <= most:
            raise Fault(f"heights must not fall, found {low}..{high}, at most {most}", place)
        if most > MAX_NESTING:
            raise Fault(f"a height of at most {MAX_NESTING} is supported, found {most}", place)
        self.initial_height, self.max_height = (low, high), most

    def _take_size(self, values: list[Any], place: Place) -> None:
        self.max_size = _whole(values[0])
        if not 1 <= self.max_size <= 1000:
            raise Fault(f"a size from 1 to 1000 is supported, found {self.max_size}", place)


def _whole(token: lark.Token) -> int:
    if len(token) > 9:
        raise Fault("this number is too large", place_of(token))
    return int(token)


def _input(token: lark.Token) -> str:
    name = SYMBOLS.get(str(token), str(token))
    if name not in SEARCHED:
        raise Fault(f"unknown input '{token}': {did_you_mean(str(token), SEARCHED)}", place_of(token))
    return name


def _rules(parts: list[lark.Tree[Any]]) -> dict[str, Rule]:
    places: dict[str, Place] = {}
    for part in parts:
        name, place = str(part.children[0].children[0]), place_of(part)
        if name in _HEADINGS:
            raise Fault(f"'{name}' is a word of grammar files; choose another name for the rule", place)
        if name in _TAKEN:
            raise Fault(f"'{name}' already means something in formulas; choose another name", place)
        if name in places:
            raise Fault(f"rule '{name}' is defined twice, first in line {places[name].line}", place)
        places[name] = place
    if not places:
        raise Fault("there is no rule; a grammar needs one such as: loss = square(p - y)")
    return {
        name: Rule(name, place, tuple(_alternative(a, places) for a in part.children[1:]))
        for (name, place), part in zip(places.items(), parts, strict=True)
    }


def _alternative(tree: lark.Tree[Any], names: dict[str, Place]) -> Alternative:
    body, weight = tree.children
    template = build_template(body, names)
    holes = len(Production(0, template).holes)
    if holes > MAX_HOLES:
        reason = f"an alternative may name at most {MAX_HOLES} rules, found {holes}"
        raise Fault(reason, place_of(tree))
    return Alternative(template, 1.0 if weight is None else _weight(weight), place_of(tree))


def _weight(tree: lark.Tree[Any]) -> float:
    least, greatest = WEIGHTS
    token = str(tree.children[0])
    try:
        value = float(token)
    except ValueError:
        raise Fault(f"'{token}' is not a number", place_of(tree)) from None
    if not least <= value <= greatest:
        raise Fault(f"a weight must lie between {least:g} and {greatest:g}, found {token}", place_of(tree))
    return value
