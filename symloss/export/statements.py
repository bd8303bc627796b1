"""Graphs as short statements: what is used twice gets a name, the rest stays in one line."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from symloss.errors import ExportError
from symloss.export.graph import ARITHMETIC, EXTRA_WORDS, Node, inputs_needed, needed
from symloss.expr.primitives import GUARD, WORDS, Code, CodeVocabulary

LINE = 84
"""Longest piece of text that is written without giving its parts names."""

SCALARS = CodeVocabulary(
    {
        **{word: f"math.{word}({{0}})" for word in (*WORDS, *EXTRA_WORDS)},
        "abs": "abs({0})",
        "sign": "math.copysign(1.0, {0})",
        "sigmoid": "(1.0 / (1.0 + math.exp(-{0})))",
        "logsigmoid": "(-math.log1p(math.exp(-{0})))",
        "maximum": "max({0}, {1})",
        "minimum": "min({0}, {1})",
        "guard": f"max(abs({{0}}), {GUARD!r})",
    }
)
"""Python's own functions, for what depends on the number of classes alone."""


@dataclass(frozen=True)
class Language:
    """How a target is written.

    vocabulary: its functions.
    array:      template that makes an array of a number, for targets whose maximum wants two arrays.
    scalars:    whether its functions want arrays, so that plain numbers need `SCALARS`.
    names:      what inputs of the graph are called, where it is not their own name.
    """

    vocabulary: CodeVocabulary
    array: str | None = None
    scalars: bool = False
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

    def write(self, results: Mapping[str, Node]) -> list[str]:
        nodes = needed(*results.values())
        uses = Counter(a for node in nodes for a in node.operands)
        for node in nodes:
            self._code[node] = self._written(node)
            if uses[node] > 1:
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
        codes = [self._code[a] if isinstance(a, Node) else Code.literal(float(a)) for a in node.arguments]
        array = self._language.array
        alone = self._language.scalars and inputs_needed(node) <= {"classes"}
        if node.word in ("maximum", "minimum") and array and not alone:
            # A constant of the formula shares the gradient at a tie, as it does while it is tuned; a
            # number of the definition does not.
            codes = [
                Code(array.format(code.text)) if isinstance(a, Node) and self._is_number(a) else code
                for a, code in zip(node.arguments, codes, strict=True)
            ]
        words = SCALARS if alone else self._language.vocabulary
        function = ARITHMETIC.get(node.word) or getattr(words, node.word)
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

    def _is_number(self, node: Node) -> bool:
        """True for what is a plain number in the written code, and not an array."""
        return self._code[node].value is not None or inputs_needed(node) == {"classes"}

    def _name(self, node: Node) -> bool:
        """Give the node's text a line and a name of its own, unless it is a name or number already."""
        text = self._code[node].text
        if self._code[node].value is not None or text.lstrip("-").isidentifier():
            return False
        self._names[node.word] += 1
        name = f"{node.word}_{self._names[node.word]}"
        self._lines.append(f"{name} = {text}")
        self._code[node] = Code(name)
        return True
