"""What a published loss is: a formula, and the numbers in it that its users choose."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal

from symloss.errors import ExpressionError, did_you_mean
from symloss.expr import Expr, guarded, parse_expression
from symloss.records import Kind, SymbolicLoss


@dataclass(frozen=True)
class Parameter:
    """A number of a published loss that its user chooses.

    default: the value in the catalogue. at_least, above, at_most, below: the range. whole: no fractions.
    """

    name: str
    default: float
    at_least: float = -math.inf
    above: float = -math.inf
    at_most: float = math.inf
    below: float = math.inf
    whole: bool = False

    def checked(self, value: object) -> float:
        """`value` as a float. Raises ExpressionError, saying what was expected, if it is out of range."""
        number = float(value) if isinstance(value, int | float) and type(value) is not bool else math.nan
        inside = self.at_least <= number <= self.at_most and self.above < number < self.below
        if not inside or not math.isfinite(number) or (self.whole and not number.is_integer()):
            raise ExpressionError(f"{self.name} must be {self._range()}, found {value!r}")
        return number

    def _range(self) -> str:
        limits = [
            ("at least", self.at_least),
            ("greater than", self.above),
            ("at most", self.at_most),
            ("less than", self.below),
        ]
        words = [f"{word} {limit:g}" for word, limit in limits if math.isfinite(limit)]
        return ("a whole number, " if self.whole else "") + " and ".join(words)


Formula = Callable[..., str]
"""The text of a formula for values of its parameters, which are keywords. They are decimal numbers, so that
1 - 0.9 is 0.1 and a formula reads as a person would write it."""


@dataclass(frozen=True)
class Handcrafted:
    """A published loss.

    template:  the formula, elementwise in the prediction p, the target y and the number of classes C; see
               `Kind`. It is the published one: its logarithms (`ln`) have no floor. A function makes it from
               the parameters, if there are any.
    source:    where it comes from, and where this form differs; with the parameters' names in braces.
    ranges:    the parameters.
    grid:      values to choose among on validation data, the defaults among them.
    chosen:    values that are not the defaults; see `with_parameters`.
    twin:      another loss of which this is a multiple wherever samples carry nothing but their label; to
               compare it too would tell nothing.
    """

    name: str
    kinds: tuple[Kind, ...]
    template: str | Formula
    source: str
    ranges: tuple[Parameter, ...] = ()
    grid: tuple[Mapping[str, float], ...] = field(default=({},), hash=False)
    chosen: tuple[tuple[str, float], ...] = ()
    twin: str = ""

    @property
    def parameters(self) -> Mapping[str, float]:
        """The values of the parameters; in the catalogue, the defaults."""
        return {row.name: row.default for row in self.ranges} | dict(self.chosen)

    def with_parameters(self, **values: float) -> Handcrafted:
        """The same loss with other values. Raises ExpressionError for unknown names and impossible values."""
        known = {row.name: row for row in self.ranges}
        merged = dict(self.parameters)
        for name, value in values.items():
            if name not in known:
                raise ExpressionError(self._unknown(name))
            try:
                merged[name] = known[name].checked(value)
            except ExpressionError as error:
                raise ExpressionError(f"loss '{self.name}': {error}") from None
        chosen = tuple((row.name, merged[row.name]) for row in self.ranges)
        return replace(self, chosen=tuple(pair for pair in chosen if pair[1] != known[pair[0]].default))

    def _unknown(self, name: str) -> str:
        names = [row.name for row in self.ranges]
        if not names:
            return f"loss '{self.name}' has no parameters, found '{name}'"
        return f"loss '{self.name}' has no parameter '{name}': {did_you_mean(name, names)}"

    @property
    def text(self) -> str:
        """What commands call it: its name, with the values that are not the defaults: "focal(gamma=1)"."""
        values = ", ".join(f"{name}={number_text(value)}" for name, value in self.chosen)
        return f"{self.name}({values})" if values else self.name

    @property
    def reference(self) -> str:
        """Where it comes from, the values of its parameters, and where this form differs."""
        return self.source.format(**{name: number_text(value) for name, value in self.parameters.items()})

    @property
    def formula(self) -> str:
        """The text of the formula."""
        if isinstance(self.template, str):
            return self.template
        return self.template(**{name: Decimal(repr(value)) for name, value in self.parameters.items()})

    @property
    def exact(self) -> Expr:
        """The formula as published."""
        return parse_expression(self.formula)

    @property
    def expression(self) -> Expr:
        """The formula as a search would evaluate it, its logarithms with their floor."""
        return guarded(self.exact)

    def loss(self, kind: Kind | None = None, reduction: str = "mean") -> SymbolicLoss:
        """The published loss as a value, for the first of its kinds unless told otherwise."""
        return SymbolicLoss(self.exact, kind or self.kinds[0], reduction)

    def _repr_latex_(self) -> str:
        return self.loss()._repr_latex_()


def number_text(value: float | Decimal) -> str:
    """The shortest text that reads back as the same float."""
    return repr(float(value)).removesuffix(".0")
