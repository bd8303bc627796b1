"""A loss that changes while networks train, as one formula whose constants depend on the progress of it.

Each constant is a polynomial in t, the share of training that is done. All of them are fitted at once to
several moments of the loss: fitted to each moment alone they would jump where the moments do not decide them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from symloss.errors import ExpressionError
from symloss.expr import Expr, call, constants_of, with_constants
from symloss.fitting.front import EXACT, WORSE
from symloss.fitting.samples import Samples, program_on
from symloss.losses.calls import Array
from symloss.losses.population import structure_of
from symloss.losses.tape import mixed_tape, sensitivity_tape

DEGREE = 2
"""Of the polynomials."""


@dataclass(frozen=True)
class Moment:
    """The loss at one moment: its numbers at a progress in [0, 1]."""

    progress: float
    samples: Samples


@dataclass(frozen=True)
class OverTime:
    """A formula with constants that depend on progress.

    structure:    the formula; its constants are those at progress 0.
    coefficients: of each constant, in prefix order, by powers of progress: c0 + c1 t + c2 t^2.
    errors:       at each moment, as `Fitted.error`.
    """

    structure: Expr
    coefficients: tuple[tuple[float, ...], ...]
    errors: tuple[float, ...]

    @property
    def size(self) -> int:
        return self.structure.size

    @property
    def error(self) -> float:
        """Root of the mean square over the moments."""
        return float(np.sqrt(np.mean(np.square(self.errors))))

    def at(self, progress: float) -> Expr:
        """The formula with its constants at a progress."""
        powers = progress ** np.arange(len(self.coefficients[0]))
        return with_constants(self.structure, (np.array(self.coefficients) @ powers).tolist())


def fit_over_time(formulas: Sequence[Expr], moments: Sequence[Moment], degree: int = DEGREE) -> OverTime:
    """The smallest of some formulas that follows the loss nearly as well as the best one.

    Raises ExpressionError if none can be fitted.
    """
    found = [fitted for expr in formulas if (fitted := follow(expr, moments, degree)) is not None]
    if not found:
        raise ExpressionError("no formula follows the loss through training better than a constant")
    limit = WORSE * max(min(own.error for own in found), EXACT)
    return min((own for own in found if own.error <= limit), key=lambda own: (own.size, own.error))


def follow(expr: Expr, moments: Sequence[Moment], degree: int = DEGREE) -> OverTime | None:
    """A formula with its constants as polynomials, fitted to all moments; None if that fails."""
    expr = expr if _has_scale(expr) else call("mul", 1.0, expr)
    fit = _Joint(expr, moments, degree)
    start = np.zeros((len(constants_of(expr)), degree + 1))
    start[:, 0] = constants_of(expr)
    result = least_squares(fit.left, start.ravel(), jac=fit.slopes, method="trf", x_scale="jac", max_nfev=60)
    coefficients = result.x.reshape(start.shape)
    errors = np.linalg.norm(fit.left(result.x).reshape(len(moments), -1), axis=1)
    if not np.isfinite(coefficients).all() or not (errors < 1.0).all():
        return None
    rows = tuple(tuple(float(value) for value in row) for row in coefficients)
    structure = with_constants(expr, [row[0] for row in rows])
    return OverTime(structure, rows, tuple(errors.tolist()))


def _has_scale(expr: Expr) -> bool:
    """Whether the formula has a constant in front that scales all of it."""
    from symloss.expr.fold import split_factor

    factor, _ = split_factor(expr)
    return factor != 1.0 and bool(constants_of(expr)) and constants_of(expr)[0] == factor


class _Joint:
    """The least-squares problem: what is left at all moments, and its derivatives."""

    def __init__(self, expr: Expr, moments: Sequence[Moment], degree: int) -> None:
        structure = structure_of(expr)
        of_values = moments[0].samples.of == "value"
        tape = sensitivity_tape(structure) if of_values else mixed_tape(structure)
        self._programs = [program_on(moment.samples, tape) for moment in moments]
        self._moments = moments
        self._powers = [moment.progress ** np.arange(degree + 1) for moment in moments]
        self._shape = (len(constants_of(expr)), degree + 1)

    def left(self, flat: Array) -> Array:
        return np.concatenate([self._seen(i, flat)[0] for i in range(len(self._moments))])

    def slopes(self, flat: Array) -> Array:
        blocks = []
        for i, powers in enumerate(self._powers):
            rows = self._seen(i, flat)[1]  # (constants, n)
            blocks.append((rows[:, None, :] * powers[None, :, None]).reshape(-1, rows.shape[1]).T)
        return np.concatenate(blocks)

    def _seen(self, index: int, flat: Array) -> tuple[Array, Array]:
        """What is left at a moment, as a fraction of what was to be fitted, and its derivatives."""
        samples = self._moments[index].samples
        domain, program = samples.domain, self._programs[index]
        program.run(domain.prediction, domain.target, flat.reshape(self._shape) @ self._powers[index])
        with np.errstate(all="ignore"):
            seen = samples.seen(np.concatenate([program.first, program.others]))
        seen = np.nan_to_num(seen, nan=1e6, posinf=1e6, neginf=-1e6).clip(-1e6, 1e6) / samples.size
        return seen[0] - samples.wanted / samples.size, seen[1:]
