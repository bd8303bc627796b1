"""Programs compute what their tapes do, and remember nothing of an earlier run."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from strategies import expressions, law

from symloss.expr import OPERATORS, PREDICTION, TARGET, Call, constants_of, parse_expression, weighted
from symloss.expr.primitives import GUARD
from symloss.losses.population import structure_of
from symloss.losses.program import Program
from symloss.losses.tape import Tape, mixed_tape, slope_tape, value_tape

EDGES = [0.0, GUARD, -GUARD, np.nextafter(GUARD, 1), -np.nextafter(GUARD, 1), 1e-300, -1e-300, 1.0, -1.0]
PREDICTIONS = np.concatenate([EDGES, np.linspace(-3, 3, 13)]).reshape(-1, 2)
TARGETS = (np.arange(PREDICTIONS.size).reshape(PREDICTIONS.shape) % 3 == 0).astype(float)


def replayed(tape, predictions, constants):
    """By torch, one model at a time: (outputs, *shape)."""
    tensors = torch.tensor(predictions), torch.tensor(TARGETS), torch.tensor(constants, dtype=torch.float64)
    return torch.stack(tape.replay(*tensors)).numpy()


def columns(constants):
    """Constants (models, constants) in the order of a program's."""
    return np.array(constants, dtype=float).T.ravel()


@law
@given(st.lists(expressions(), min_size=1, max_size=4), st.integers(1, 3), st.booleans())
def test_a_program_computes_what_torch_does_with_its_tapes(exprs, count, shared):
    losses = [weighted(expr) for expr in exprs]
    tapes = [mixed_tape(structure_of(loss)) for loss in losses]
    own = [[[c * (1 + k) for c in constants_of(loss)] for k in range(count)] for loss in losses]
    models = 1 if shared else count * len(tapes)
    predictions = np.stack([np.roll(PREDICTIONS, k, 0) for k in range(models)])
    program = Program(tapes, [count] * len(tapes), PREDICTIONS.shape, PREDICTIONS.dtype, shared)
    program.run(predictions, TARGETS, np.concatenate([columns(c) for c in own]))
    model = row = 0
    for tape, constants in zip(tapes, own, strict=True):
        others = program.others[row : row + count * tape.num_constants]
        others = others.reshape(tape.num_constants, count, *PREDICTIONS.shape)
        for k in range(count):
            expected = replayed(tape, predictions[0 if shared else model + k], constants[k])
            found = np.stack([program.first[model + k], *others[:, k]])
            usable = np.isfinite(found) & np.isfinite(expected)
            # Torch's sign of what is no number is 0 and not NaN; nothing else may differ in what is finite.
            if not {"sign", "guard_slope"} & {word for word, *_ in tape.instructions}:
                np.testing.assert_array_equal(np.isfinite(found), np.isfinite(expected))
            np.testing.assert_allclose(found[usable], expected[usable], rtol=1e-9, atol=1e-12)
        model, row = model + count, row + count * tape.num_constants


@law
@given(st.lists(expressions(), min_size=1, max_size=4), st.lists(st.floats(-2, 2), min_size=2, max_size=4))
def test_a_run_leaves_nothing_to_the_next_one(exprs, factors):
    losses = [weighted(expr) for expr in exprs]
    tapes = [mixed_tape(structure_of(loss)) for loss in losses]
    form = ([1] * len(tapes), PREDICTIONS.shape, PREDICTIONS.dtype, True)
    used = Program(tapes, *form)
    for factor in [*factors, factors[-1]]:
        constants = np.concatenate([[], *(factor * np.array(constants_of(loss)) for loss in losses)])
        fresh = Program(tapes, *form)
        for program in (used, fresh):
            program.run(factor * PREDICTIONS[None], TARGETS, constants)
        np.testing.assert_array_equal(used.first, fresh.first)
        np.testing.assert_array_equal(used.others, fresh.others)


@pytest.mark.parametrize("name", sorted(OPERATORS))
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_operators_agree_with_torch_where_they_are_guarded_and_for_what_is_no_number(name, dtype):
    predictions = np.array([[*EDGES, np.inf, -np.inf, np.nan]], dtype)
    other = np.full_like(predictions, 0.7)
    expr = Call(name, (PREDICTION, TARGET)[: OPERATORS[name].arity])
    for of_values, tape in ((True, value_tape(expr)), (False, slope_tape(expr))):
        program = Program([tape], [1], predictions.shape, predictions.dtype)
        program.run(predictions[None], other, np.empty(0, dtype))
        expected = tape(torch.tensor(predictions), torch.tensor(other), ()).numpy()
        wanted = ~np.isnan(predictions[0]) & ~np.isnan(expected[0])
        np.testing.assert_allclose(program.first[0, 0, wanted], expected[0, wanted], rtol=1e-5)
        assert np.isnan(program.first[0, 0, -1]) or not of_values


@pytest.mark.parametrize("formula", ["y", "p", "2", "2 * y", "3 * 2", "p + 0 * y"])
def test_outputs_may_be_inputs_numbers_or_the_same_twice(formula):
    tape = value_tape(parse_expression(formula))
    twice = type(tape)(tape.num_constants, tape.literals, tape.instructions, tape.outputs * 2)
    constants = np.array(constants_of(parse_expression(formula)))
    program = Program([tape, twice], [1, 1], PREDICTIONS.shape, PREDICTIONS.dtype, shared=True)
    program.run(PREDICTIONS[None], TARGETS, np.concatenate([constants, constants]))
    expected = replayed(tape, PREDICTIONS, constants)[0]
    for found in (program.first[0], program.first[1], program.others[0]):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("output", [True, False])
@pytest.mark.parametrize("word", ["guard", "guard_slope", "sign", "sigmoid", "erf", "clamp_min"])
def test_what_is_needed_no_more_may_be_overwritten_by_the_result(word, output):
    """The sum's array is free for the instruction that uses it last, wherever the result stands."""
    two = (word, 2, 0) if word == "clamp_min" else (word, 2, -1)
    instructions = (("add", 0, 1), two) if output else (("add", 0, 1), two, ("mul", 3, 1))
    tape = Tape(0, (), instructions, (len(instructions) + 1,))
    program = Program([tape], [1], PREDICTIONS.shape, PREDICTIONS.dtype)
    program.run(PREDICTIONS[None], -TARGETS, np.empty(0))
    tensors = torch.tensor(PREDICTIONS), torch.tensor(-TARGETS), ()
    np.testing.assert_allclose(program.first[0], tape(*tensors).numpy(), rtol=1e-12)
