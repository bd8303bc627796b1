"""The constants with which a formula fits best: least squares with exact derivatives.

The formula's scale and offset enter linearly, so for any other constants the best ones are known in closed
form and are left out of the search (variable projection, Golub and Pereyra 1973; the derivative is Kaufman's
1975 approximation of it). Neither is lost: the scale stands before the formula, and training does not see the
offset.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import least_squares

from symloss.expr import Expr, call, constants_of, fold, with_constants
from symloss.expr.fold import scaled, split_factor
from symloss.fitting.samples import Samples, program_on
from symloss.losses.calls import Array
from symloss.losses.population import structure_of
from symloss.losses.tape import mixed_tape, sensitivity_tape, slope_tape, value_tape

ROUNDING = 1e-18
"""A formula whose seen part is a smaller share of it than this, both squared, has none."""

LARGE = 1e12
"""Constants and values beyond this are of no use in a loss."""


@dataclass(frozen=True)
class Fitted:
    """A formula that was fitted.

    error: root mean square of what is left, as a fraction of that of what was fitted: 0 is perfect, 1 is as
           good as a constant.
    """

    expression: Expr
    error: float

    @property
    def size(self) -> int:
        """Number of nodes, the scale included."""
        return self.expression.size


class Fit:
    """A formula's structure and the samples: how well it fits for any values of its constants."""

    def __init__(self, expr: Expr, samples: Samples) -> None:
        self.expr, self._samples = expr, samples
        structure = structure_of(expr)
        of_values = samples.of == "value"
        tape = sensitivity_tape(structure) if of_values else mixed_tape(structure)
        self._wanted = samples.wanted / samples.size
        self._outputs = value_tape(structure) if of_values else slope_tape(structure)
        self._program = program_on(samples, tape)
        self._known: tuple[bytes, float, Array, Array] | None = None

    def at(self, constants: Array) -> tuple[float, Array, Array]:
        """The best scale, what is left then (n,), and its derivatives by the constants (n, constants)."""
        key = constants.tobytes()
        if self._known is None or self._known[0] != key:
            self._known = (key, *self._computed(constants))
        return self._known[1:]

    def _computed(self, constants: Array) -> tuple[float, Array, Array]:
        domain, program = self._samples.domain, self._program
        program.run(domain.prediction, domain.target, constants)
        with np.errstate(all="ignore"):
            seen = self._samples.seen(np.concatenate([program.first, program.others]))
            value, slopes = seen[0], seen[1:]
            square = float(value @ value)
            plain = float(np.sum(program.first[0] ** 2 * domain.weight))
        worthless = 1e3 * self._wanted, np.zeros((len(value), len(constants)))
        usable = np.isfinite(seen).all() and 1e-24 < square < LARGE**2 and np.abs(seen).max() < LARGE
        if not usable or square < ROUNDING * plain:  # what is left is rounding
            return 0.0, *worthless
        scale = float(value @ self._wanted) / square
        across = slopes - np.outer(slopes @ value / square, value)
        return scale, self._wanted - scale * value, -scale * across.T

    def errors(self, many: Array) -> Array:
        """The error for each of many choices of the constants (choices, constants), all at once."""
        domain = self._samples.domain
        program = program_on(self._samples, self._outputs, len(many))
        program.run(domain.prediction, domain.target, many.T.ravel())
        with np.errstate(all="ignore"):
            seen = self._samples.seen(program.first)
            squares = np.sum(seen**2, axis=1)
            plain = np.sum(program.first**2 * domain.weight, axis=1)
            explained = np.where(squares < ROUNDING * plain, 0.0, (seen @ self._wanted) ** 2 / squares)
        return np.asarray(np.sqrt(np.clip(1.0 - np.nan_to_num(explained, nan=0.0), 0.0, 1.0)))

    def promising(self, constants: Sequence[float], rng: np.random.Generator, count: int) -> Array:
        """The best of `count` random choices about these constants."""
        own = np.array(constants, dtype=float)
        many = own * rng.lognormal(0.0, 1.0, (count, len(own)))
        many[: count // 4] *= rng.choice([-1.0, 1.0], (count // 4, len(own)))
        many[0] = own
        best: Array = many[int(np.argmin(self.errors(many)))]
        return best

    def fitted(
        self, constants: Sequence[float], evaluations: int, free: Array | None = None
    ) -> Fitted | None:
        """The best fit found from these constants on, or None if there is none.

        evaluations: at most so many. free: which constants may move (all of them without it).
        """
        start = np.array(constants, dtype=float)
        moving = np.arange(len(start)) if free is None else free
        if len(moving) and evaluations > 1:
            start = self._moved(start, moving, evaluations)
        scale, left, _ = self.at(start)
        if scale == 0.0 or not np.isfinite(scale) or np.abs(start).max(initial=0.0) > LARGE:
            return None
        bare = with_constants(self.expr, start.tolist())
        expression = fold(call("mul", scale * self._samples.size, fold(bare)))
        if "prediction" not in expression.inputs:
            return None
        return Fitted(expression, float(np.sqrt(left @ left)))

    def _moved(self, start: Array, moving: Array, evaluations: int) -> Array:
        def whole(part: Array) -> Array:
            constants: Array = start.copy()
            constants[moving] = part
            return constants

        result = least_squares(
            lambda part: self.at(whole(part))[1],
            start[moving],
            jac=lambda part: self.at(whole(part))[2][:, moving],
            method="lm",
            x_scale="jac",
            max_nfev=evaluations,
        )
        found: Array = whole(result.x)
        return found if bool(np.isfinite(found).all()) else start


def refitted(expr: Expr, samples: Samples, evaluations: int = 100) -> Fitted | None:
    """The formula with the constants that fit best, starting from its own."""
    if "prediction" not in expr.inputs:
        return None
    return Fit(expr, samples).fitted(constants_of(expr), evaluations)


def polished(found: Fitted, samples: Samples, tries: int = 20) -> Fitted:
    """The best of fits that start near the constants of this one.

    In formulas with kinks least squares stops wherever a kink would have to cross a sample.
    """
    constants = np.array(constants_of(found.expression))
    fit, rng, best = Fit(found.expression, samples), np.random.default_rng(0), found
    for _ in range(tries if len(constants) else 0):
        near = constants * rng.lognormal(0.0, 0.2, (16, len(constants)))
        tried = fit.fitted(near[int(np.argmin(fit.errors(near)))].tolist(), 60)
        if tried is not None and tried.error < best.error and tried.size <= best.size:
            best = tried
    return best


def error_of(expr: Expr, samples: Samples) -> float:
    """How far a formula is from the samples with its constants as they are, up to scale and offset."""
    found = Fit(expr, samples).fitted(constants_of(expr), 1)
    return 1.0 if found is None else found.error


def rounded(found: Fitted, samples: Samples, worse: float = 1.02) -> Fitted:
    """The formula with constants such as 0.998 made 1, where the fit does not suffer.

    worse: by how much the error may grow for it.
    """
    best = found
    limit = max(found.error * worse, 1e-9)
    for place, value in enumerate(constants_of(found.expression)):
        near = round(2 * value) / 2
        if place >= len(constants_of(best.expression)) or near == value or abs(near - value) > 0.1:
            continue
        numbers = list(constants_of(best.expression))
        numbers[place] = near
        free = np.array([i for i in range(len(numbers)) if i != place], dtype=int)
        tried = Fit(best.expression, samples).fitted(numbers, 30, free)
        if tried is not None and tried.error <= limit and tried.size <= best.size:
            best = tried
    return _without_noise(best)


def _without_noise(found: Fitted) -> Fitted:
    """With a factor in front such as 0.9999999999999999, which is fitted anew above each time, made 1."""
    factor, rest = split_factor(found.expression)
    near = round(2 * factor) / 2
    if near == 0.0 or abs(near - factor) > 1e-9 * abs(near):
        return found
    return replace(found, expression=scaled(near, rest))
