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
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import lark

from symloss.errors import GrammarError, did_you_mean, pointed_at
from symloss.expr import INPUTS, OPERATORS, Constant, Variable
from symloss.expr.text import EXPRESSION_RULES, describe_unexpected
from symloss.grammar.analysis import NEVER, compute_reach
from symloss.grammar.model import Grammar, Hole, Production, RandomConstant, Template, TemplateCall

MAX_BYTES = 100_000
"""Largest grammar file that is read."""

MAX_PRODUCTIONS = 2_000
MAX_HOLES = 6
"""Most holes of one production; the analysis looks at every way to spread the inputs over them."""
MAX_NESTING = 50
"""Deepest nesting of one production."""

_RULES = (
    r"""
    file: header? directive* rule+
    header: "grammar" NAME [STRING]
    ?directive: require | height | size
    require: "require" NAME ("," NAME)*
    height: "height" INT ".." INT "," "at" "most" INT
    size: "size" "at" "most" INT
    rule: NAME "=" alternative ("|" alternative)*
    alternative: sum [weight]
    weight: "[" NUMBER "]"
    STRING: /"[^"\n]*"/
    INT: /[0-9]{1,9}/
    COMMENT: /#[^\n]*/
    %ignore COMMENT
"""
    + EXPRESSION_RULES
)

_SYMBOLS = {row.symbol: row.name for row in INPUTS.values()}
_DISTRIBUTIONS = ("uniform", "normal")
_DEFAULT_HEIGHT = (2, 4, 10)
_DEFAULT_SIZE = 60


@functools.cache
def _parser() -> lark.Lark:
    return lark.Lark(_RULES, start="file", parser="lalr", propagate_positions=True)


def read_grammar(path: Path) -> Grammar:
    """The grammar of a file. Raises GrammarError `FILE:LINE:COLUMN: reason` with the line and a caret."""
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise GrammarError(f"{path}: a grammar file may have at most {MAX_BYTES} bytes")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise GrammarError(f"{path}: not a text file in UTF-8") from None
    except OSError as error:
        raise GrammarError(f"cannot read the grammar '{path}': {error.strerror or error}") from None
    return parse_grammar(text, str(path))


def parse_grammar(text: str, source: str = "grammar") -> Grammar:
    """The grammar of a text; `source` names it in errors."""
    return _Reader(text, source).grammar()


@dataclass(frozen=True)
class _Place:
    line: int
    column: int


@dataclass(frozen=True)
class _Alternative:
    """A right side as written: it may still be a lone hole."""

    template: Template
    weight: float
    place: _Place


class _Reader:
    """Reads one text. Every complaint goes through `_error`, which adds the place."""

    def __init__(self, text: str, source: str) -> None:
        self._text = text
        self._source = source

    def _error(self, reason: str, place: _Place | None = None) -> GrammarError:
        if place is None:
            return GrammarError(f"{self._source}: {reason}")
        return GrammarError(
            f"{self._source}:{place.line}:{place.column}: {reason}\n"
            f"{pointed_at(self._text, place.line, place.column)}"
        )

    def grammar(self) -> Grammar:
        tree = self._parsed()
        parts = [part for part in tree.children if isinstance(part, lark.Tree)]
        name, doc = self._header(parts)
        required, first, most, size = self._limits(parts)
        written = self._written([part for part in parts if part.data == "rule"])
        start = next(iter(written))
        self._check_reachable(written, start)
        rules = self._resolved(written)
        lines = (line.split("#", 1)[0].rstrip() for line in self._text.splitlines())
        digest = hashlib.sha256("\n".join(line for line in lines if line).encode()).hexdigest()
        grammar = Grammar(name, doc, start, rules, required, first, most, size, self._text, digest)
        self._check_possible(grammar, written)
        return grammar

    def _parsed(self) -> lark.Tree[Any]:
        if not self._text.strip():
            raise self._error(
                "the file is empty; a grammar needs at least one rule such as: loss = prediction - target"
            )
        try:
            return _parser().parse(self._text)
        except lark.exceptions.UnexpectedInput as error:
            place = _Place(max(error.line, 1), max(error.column, 1))
            if isinstance(error, lark.exceptions.UnexpectedToken) and error.token.type == "$END":
                lines = self._text.splitlines()
                place = _Place(len(lines), len(lines[-1]) + 1)
            raise self._error(describe_unexpected(error), place) from None

    def _header(self, parts: list[lark.Tree[Any]]) -> tuple[str, str]:
        for part in parts:
            if part.data == "header":
                doc = part.children[1]
                return str(part.children[0]), str(doc)[1:-1] if doc is not None else ""
        return Path(self._source).stem, ""

    def _limits(self, parts: list[lark.Tree[Any]]) -> tuple[frozenset[str], tuple[int, int], int, int]:
        required = frozenset(["prediction", "target"])
        low, high, most = _DEFAULT_HEIGHT
        size = _DEFAULT_SIZE
        seen: set[str] = set()
        for part in parts:
            if part.data not in ("require", "height", "size"):
                continue
            place = _place(part)
            if part.data in seen:
                raise self._error(f"'{part.data}' is given twice", place)
            seen.add(part.data)
            if part.data == "require":
                required = frozenset(self._input(token) for token in part.children)
                if "prediction" not in required:
                    raise self._error("'require' must name the prediction, or no network could learn", place)
            elif part.data == "height":
                low, high, most = (int(str(token)) for token in part.children)
                if not low <= high <= most:
                    raise self._error(f"heights must not fall, found {low}..{high}, at most {most}", place)
                if most > MAX_NESTING:
                    raise self._error(f"a height of at most {MAX_NESTING} is supported, found {most}", place)
            else:
                size = int(str(part.children[0]))
                if not 1 <= size <= 1000:
                    raise self._error(f"a size from 1 to 1000 is supported, found {size}", place)
        return required, (low, high), most, size

    def _input(self, token: Any) -> str:
        name = _SYMBOLS.get(str(token), str(token))
        if name not in INPUTS:
            reason = f"unknown input '{token}': {did_you_mean(str(token), INPUTS)}"
            raise self._error(reason, _Place(token.line, token.column))
        return name

    def _written(self, rules: list[lark.Tree[Any]]) -> dict[str, list[_Alternative]]:
        names: dict[str, _Place] = {}
        for rule in rules:
            token = rule.children[0]
            assert isinstance(token, lark.Token)
            place = _Place(token.line or 1, token.column or 1)
            if token in (*OPERATORS, *INPUTS, *_SYMBOLS, *_DISTRIBUTIONS):
                raise self._error(
                    f"'{token}' already means something in formulas; choose another name", place
                )
            if token in names:
                raise self._error(
                    f"rule '{token}' is defined twice, first in line {names[str(token)].line}", place
                )
            names[str(token)] = place
        written: dict[str, list[_Alternative]] = {}
        count = 0
        for rule in rules:
            alternatives = [part for part in rule.children if isinstance(part, lark.Tree)]
            count += len(alternatives)
            if count > MAX_PRODUCTIONS:
                raise self._error(f"a grammar may have at most {MAX_PRODUCTIONS} alternatives")
            written[str(rule.children[0])] = [self._alternative(part, names) for part in alternatives]
        return written

    def _alternative(self, tree: lark.Tree[Any], names: dict[str, _Place]) -> _Alternative:
        body, weight_tree = tree.children
        weight = 1.0
        if weight_tree is not None:
            weight = float(str(weight_tree.children[0]))
            if not (math.isfinite(weight) and weight > 0):
                raise self._error(
                    f"a weight must be a positive number, found {weight_tree.children[0]}",
                    _place(weight_tree),
                )
        template = self._template(body, names)
        production = Production(0, template)
        if len(production.holes) > MAX_HOLES:
            raise self._error(
                f"an alternative may name at most {MAX_HOLES} rules, found {len(production.holes)}",
                _place(tree),
            )
        return _Alternative(template, weight, _place(tree))

    def _template(self, tree: lark.Tree[Any], names: dict[str, _Place]) -> Template:
        """Iterative and bottom-up: a hostile file may nest deeper than Python's stack."""
        done: dict[int, tuple[Template, int]] = {}
        for node in tree.iter_subtrees():
            below = [done[id(child)] for child in node.children if isinstance(child, lark.Tree)]
            nesting = 1 + max((n for _, n in below), default=0)
            if nesting > MAX_NESTING:
                raise self._error(f"an alternative may be nested at most {MAX_NESTING} deep", _place(node))
            done[id(node)] = (self._node(node, [template for template, _ in below], names), nesting)
        return done[id(tree)][0]

    def _node(self, node: lark.Tree[Any], arguments: list[Template], names: dict[str, _Place]) -> Template:
        if node.data == "number":
            return self._constant(float(str(node.children[0])), node)
        if node.data == "name":
            return self._named(node, names)
        if node.data == "minus":
            (inner,) = arguments
            return Constant(-inner.value) if isinstance(inner, Constant) else TemplateCall("neg", (inner,))
        operator = str(node.children[0]) if node.data == "application" else str(node.data)
        if operator in _DISTRIBUTIONS:
            return self._random_constant(operator, arguments, node)
        if operator not in OPERATORS:
            known = [*OPERATORS, *_DISTRIBUTIONS]
            raise self._error(f"unknown operator '{operator}': {did_you_mean(operator, known)}", _place(node))
        arity = OPERATORS[operator].arity
        if len(arguments) != arity:
            reason = (
                f"operator '{operator}' takes {arity} argument{'s' * (arity != 1)}, found {len(arguments)}"
            )
            raise self._error(reason, _place(node))
        return TemplateCall(operator, tuple(arguments))

    def _constant(self, value: float, node: lark.Tree[Any]) -> Constant:
        if not math.isfinite(value):
            raise self._error("a number must be finite", _place(node))
        return Constant(value)

    def _named(self, node: lark.Tree[Any], names: dict[str, _Place]) -> Template:
        name = str(node.children[0])
        if name in names:
            return Hole(name)
        full = _SYMBOLS.get(name, name)
        if full in INPUTS:
            return Variable(full)
        if name in OPERATORS:
            raise self._error(f"operator '{name}' needs its arguments in parentheses", _place(node))
        known = [*names, *INPUTS, *OPERATORS]
        raise self._error(
            f"'{name}' is neither a rule nor an input: {did_you_mean(name, known)}", _place(node)
        )

    def _random_constant(self, name: str, arguments: list[Template], node: lark.Tree[Any]) -> RandomConstant:
        values = [a.value for a in arguments if isinstance(a, Constant)]
        if len(values) != 2 or len(arguments) != 2:
            raise self._error(f"'{name}' takes two numbers, such as {name}(0, 1)", _place(node))
        a, b = values
        if name == "uniform" and not a < b:
            raise self._error(f"uniform(a, b) needs a < b, found {a:g} and {b:g}", _place(node))
        if name == "normal" and not b > 0:
            raise self._error(f"normal(mean, sd) needs sd > 0, found {b:g}", _place(node))
        return RandomConstant(name, a, b)

    def _check_reachable(self, written: dict[str, list[_Alternative]], start: str) -> None:
        import networkx as nx

        graph = nx.DiGraph()
        graph.add_nodes_from(written)
        for name, alternatives in written.items():
            for alternative in alternatives:
                graph.add_edges_from((name, hole) for hole in Production(0, alternative.template).holes)
        reached = nx.descendants(graph, start) | {start}
        for name, alternatives in written.items():
            if name not in reached:
                raise self._error(f"rule '{name}' is never used from '{start}'", alternatives[0].place)

    def _resolved(self, written: dict[str, list[_Alternative]]) -> dict[str, tuple[Production, ...]]:
        """Rules without lone holes: `a = b` becomes the alternatives of b, their weights shared out."""
        self._check_unit_cycles(written)

        def expand(name: str, weight: float) -> Iterator[_Alternative]:
            for alternative in written[name]:
                if isinstance(alternative.template, Hole):
                    below = list(expand(alternative.template.nonterminal, 1.0))
                    total = sum(a.weight for a in below)
                    for a in below:
                        yield replace(a, weight=weight * alternative.weight * a.weight / total)
                else:
                    yield replace(alternative, weight=weight * alternative.weight)

        rules: dict[str, tuple[Production, ...]] = {}
        count = 0
        for name in written:
            expanded = list(expand(name, 1.0))
            if count + len(expanded) > MAX_PRODUCTIONS:
                raise self._error(
                    f"a grammar may have at most {MAX_PRODUCTIONS} alternatives, counted in full"
                )
            rules[name] = tuple(Production(count + i, a.template, a.weight) for i, a in enumerate(expanded))
            count += len(expanded)
        return rules

    def _check_unit_cycles(self, written: dict[str, list[_Alternative]]) -> None:
        import networkx as nx

        graph = nx.DiGraph()
        for name, alternatives in written.items():
            for alternative in alternatives:
                if isinstance(alternative.template, Hole):
                    graph.add_edge(name, alternative.template.nonterminal, place=alternative.place)
        try:
            cycle = nx.find_cycle(graph)
        except nx.NetworkXNoCycle:
            self._check_unit_paths(graph)
            return
        names = " = ".join([edge[0] for edge in cycle] + [cycle[0][0]])
        raise self._error(f"rules name one another in a circle: {names}", graph.edges[cycle[0][:2]]["place"])

    def _check_unit_paths(self, graph: Any) -> None:
        """Refuse chains of lone names that double at every step: they would expand exponentially."""
        import networkx as nx

        paths: dict[str, int] = {}
        for name in reversed(list(nx.topological_sort(graph))):
            below = list(graph.successors(name))
            paths[name] = sum(paths[b] for b in below) if below else 1
            if paths[name] > MAX_PRODUCTIONS:
                raise self._error(f"rule '{name}' stands for more than {MAX_PRODUCTIONS} alternatives")

    def _check_possible(self, grammar: Grammar, written: dict[str, list[_Alternative]]) -> None:
        reach = compute_reach(grammar.rules, grammar.required)
        for name in grammar.rules:
            if reach.height(name) >= NEVER:
                reason = f"rule '{name}' never ends: each of its alternatives needs an endless rule"
                raise self._error(reason, written[name][0].place)
        place = written[grammar.start][0].place
        wanted = " and ".join(sorted(grammar.required))
        height, size = (f(grammar.start, grammar.required) for f in (reach.height, reach.size))
        if height >= NEVER:
            raise self._error(f"no formula of '{grammar.start}' contains {wanted}", place)
        if height > grammar.max_height:
            reason = (
                f"a formula with {wanted} needs height {height}, but at most {grammar.max_height} is allowed"
            )
            raise self._error(reason, place)
        if size > grammar.max_size:
            reason = f"a formula with {wanted} needs {size} nodes, but at most {grammar.max_size} are allowed"
            raise self._error(reason, place)


def _place(tree: lark.Tree[Any]) -> _Place:
    return _Place(tree.meta.line, tree.meta.column)
