"""Graphs as short statements: what is used twice gets a name, the rest stays in one line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from symloss.errors import ExportError
from symloss.export.graph import ARITHMETIC, Argument, Node, inputs_needed, is_negative, needed
from symloss.expr.primitives import Code, CodeVocabulary

LINE = 84
"""Longest piece of text that is written without giving its parts names."""


@dataclass(frozen=True)
class Language:
    """How a target is written.

    vocabulary: its functions.
    array:      template that makes an array of a number, for targets whose functions want arrays.
    counted:    the same for what depends on the number of classes, which a tracer may have as an array.
    scalars:    templates of the words that Python itself can compute, where it is to do so.
    names:      what inputs of the graph are called, where it is not their own name.
    """

    vocabulary: CodeVocabulary
    array: str | None = None
    counted: str | None = None
    scalars: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)


def lines_for(results: Mapping[str, Node], language: Language) -> list[str]:
    """Statements that compute `results`, the names being those of the left sides.

    The inputs of the graph are variables of the same names. Raises ExportError if a part made of constants
    alone is not finite.
    """
    return _Writer(language).write(results)


class _Writer:
    def __init__(self, language: Language) -> None:
        self._language = language
        self._lines: list[str] = []
        self._code: dict[Node, Code] = {}
        self._names: Counter[str] = Counter()
        self._uses: Counter[Node] = Counter()

    def write(self, results: Mapping[str, Node]) -> list[str]:
        nodes = needed(*results.values())
        self._uses = Counter(a for node in nodes for a in node.operands)
        for node in nodes:
            self._code[node] = self._written(node)
            if self._uses[node] > 1:
                self._name(node)
        self._lines += [f"{name} = {self._code[node].text}" for name, node in results.items()]
        return self._lines

    def _written(self, node: Node) -> Code:
        if node.word == "input":
            name = str(node.arguments[0])
            return Code(self._language.names.get(name, name))
        if node.word == "constant":
            return Code.literal(float(node.arguments[0]))  # type: ignore[arg-type]
        code = self._applied(node)
        for argument in sorted(node.operands, key=lambda a: -len(self._code[a].text)):
            if len(code.text) <= LINE or not self._name(argument):
                break
            code = self._applied(node)
        return code

    def _applied(self, node: Node) -> Code:
        if is_negative(node):
            negated = self._negated(node.operands[0])
            if negated is not None:
                return negated
        codes = self._arguments(node)
        if node.word in self._language.scalars and self._is_scalar(node):
            return Code(self._language.scalars[node.word].format(*(c.text for c in codes)))
        if self._language.array and node.word not in ARITHMETIC and any(c.value is None for c in codes):
            codes = [self._as_array(a, c) for a, c in zip(node.arguments, codes, strict=True)]
        function = ARITHMETIC.get(node.word) or getattr(self._language.vocabulary, node.word)
        try:
            code: Code = function(*codes)
            if code.value is not None and not math.isfinite(code.value):
                raise OverflowError
        except (ArithmeticError, ValueError):
            numbers = ", ".join(c.text for c in codes)
            raise ExportError(
                f"the formula cannot be exported: its constant part {node.word}({numbers}) is not finite"
            ) from None
        return code

    def _negated(self, node: Node) -> Code | None:
        """Minus `node`, where a sign within it can change instead at no cost; None where it cannot."""
        if self._is_scalar(node):
            return -self._code[node]
        named = self._uses[node] > 1 or self._code[node].text.isidentifier()
        if node.word not in ("sum", "product", "quotient") or named:  # what has a name is not written again
            return None
        codes = self._arguments(node)
        for place, argument in enumerate(node.arguments):
            own = self._negated(argument) if isinstance(argument, Node) else -codes[place]
            if own is None:
                continue
            if node.word == "sum":
                return own - codes[1 - place]
            codes[place] = own
            code: Code = ARITHMETIC[node.word](*codes)
            return code
        return None

    def _is_scalar(self, node: Node) -> bool:
        """True for what Python computes as a number from constants and the number of classes."""
        words = {*ARITHMETIC, *self._language.scalars, "input", "constant"}
        return all(n.word in words for n in needed(node)) and inputs_needed(node) <= {"classes"}

    def _arguments(self, node: Node) -> list[Code]:
        return [self._code[a] if isinstance(a, Node) else Code.literal(float(a)) for a in node.arguments]

    def _as_array(self, argument: Argument, code: Code) -> Code:
        """A constant of the formula, or what depends on the number of classes alone, as an array.

        So a constant shares the gradient at a tie, as it does while it is tuned; a number of an operator's
        definition does not.
        """
        if not isinstance(argument, Node):
            return code
        template = self._language.array
        if code.value is None:
            template = self._language.counted if self._is_scalar(argument) else None
        return Code(template.format(code.text)) if template else code

    def _name(self, node: Node) -> bool:
        """Give the node's text a line and a name of its own, unless it is a name or number already."""
        text = self._code[node].text
        if self._code[node].value is not None or text.isidentifier():
            return False
        self._names[node.word] += 1
        name = f"{node.word}_{self._names[node.word]}"
        self._lines.append(f"{name} = {text}")
        self._code[node] = Code(name)
        return True
