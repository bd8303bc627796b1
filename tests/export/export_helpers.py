"""Shared by the tests of this folder: random formulas, and exported code executed in this process."""

import functools
import random

from symloss.errors import ExportError
from symloss.export import runner, verify
from symloss.export.forms import careful_form, plain_form
from symloss.export.header import Header
from symloss.export.targets import TARGETS
from symloss.expr import OPERATORS, PREDICTION, TARGET, Call, Constant, parse_expression
from symloss.records import Kind, SymbolicLoss
from symloss.workers import one_thread

EXECUTABLE = [target for target in TARGETS.values() if target.dtypes and target.name != "jax"]


def random_expression(rng, depth):
    if depth == 0 or rng.random() < 0.15:
        return rng.choice(
            [
                PREDICTION,
                PREDICTION,
                TARGET,
                Constant(rng.gauss(0, 1)),
                Constant(rng.gauss(0, 10)),
                Constant(float(rng.randint(-2, 3))),
            ]
        )
    row = rng.choice([row for row in OPERATORS.values() if not row.partial])
    operation = Call(row.name, tuple(random_expression(rng, depth - 1) for _ in range(row.arity)))
    # Parts made of constants alone are folded before a search trains them, so they do not occur.
    return operation if operation.inputs else Constant(rng.gauss(0, 1))


def random_losses(seed, count):
    rng = random.Random(seed)
    found = []
    while len(found) < count:
        expression = random_expression(rng, rng.randint(1, 6))
        if "prediction" in expression.inputs:
            found.append(
                SymbolicLoss(expression, rng.choice(list(Kind)), rng.choice(["mean", "sum", "none"]))
            )
    return found


FACTORS = [
    "C",
    "inv(C)",
    "ln(C)",
    "sqrt(C)",
    "tanh(C)",
    "inv(C - 1)",
    "exp(-C)",
    "max(C, 3)",
    "-0.3",
    "2e-4",
    "7",
]
TERMS = ["ln(p)", "ln(1 - p)", "p", "square(p)", "1", "abs(p - 0.4)"]


def losses_of_classes(seed, count):
    """Random formulas with factors that depend on the number of classes."""
    rng = random.Random(seed)

    def part():
        terms = rng.sample(TERMS, rng.randint(1, 2))
        return " + ".join(f"{rng.choice(FACTORS)} * {term}" for term in terms)

    found = []
    while len(found) < count:
        text = rng.choice([f"y * ({part()})", f"y * ({part()}) + (1 - y) * ({part()})"])
        expression = parse_expression(text)
        if "prediction" in expression.inputs:
            found.append(SymbolicLoss(expression, Kind.MULTICLASS))
    return found


@functools.cache
def prepared(kind, name):
    target = TARGETS[name]
    wanted = verify.checks(SymbolicLoss(PREDICTION, kind), target.dtypes)
    if name == "jax":  # which compiles every operation for every shape
        wanted = [c for c in wanted if c.dtype == "float64" and max(c.batch.outputs.shape) > 4]
        wanted = [c for c in wanted if c.batch.outputs.shape[-1] <= 4]
    return wanted, verify.inputs_of(wanted)


def verified_here(loss, name, text=None):
    """`verify_code` without a process of its own; without a text, in the careful form if it may be."""
    if text is not None:
        return checked_here(loss, name, text)
    try:
        return checked_here(loss, name, TARGETS[name].emit(careful_form(loss), Header()))
    except ExportError:
        return checked_here(loss, name, TARGETS[name].emit(plain_form(loss), Header()))


def checked_here(loss, name, text):
    wanted, inputs = prepared(loss.kind, name)
    with one_thread():
        return verify.compare(loss, name, wanted, runner.run_all(runner.load(text), name, inputs))


def checked_elsewhere(written, name, time_limit=400.0):
    """What `checked_here` says of several losses and texts, all executed in one process of their own.

    For JAX: its threads and the forked processes of a search do not go together. Returns the errors by loss.
    """
    jobs = [verify.Job(text, name, prepared(loss.kind, name)[1]) for loss, text in written]
    failed = {}
    results = verify.execute(jobs, time_limit, verify.MEMORY_LIMIT)
    for (loss, _), found in zip(written, results, strict=True):
        try:
            with one_thread():
                verify.compare(loss, name, prepared(loss.kind, name)[0], found)
        except ExportError as error:
            failed[loss] = str(error)
    return failed
