"""Hypothesis strategies for formulas and grammars, for the tests of every room.

from strategies import expressions, law

@law
@given(expressions())
def test_that_something_holds_for_every_formula(expr): ...
"""

import itertools

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from symloss.expr import OPERATORS, PREDICTION, TARGET, Call, Constant
from symloss.grammar import Derivation, parse_grammar, reach_of

law = settings(
    max_examples=60,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
"""How laws are checked: often enough to find mistakes, and fast on a shared machine."""

finite = st.floats(allow_nan=False, allow_infinity=False)
"""Every finite number, the extremes included."""

moderate = st.floats(-5, 5).map(lambda value: round(value, 3))
"""Numbers of the size that losses contain and meet, short enough to read in a report."""


def constants(values=moderate):
    """`Constant` nodes."""
    return st.builds(Constant, values)


def expressions(values=moderate, operators=tuple(OPERATORS), required=(), max_leaves=8):
    """Formulas.

    values: of the constants. operators: names to draw from. required: inputs that each formula contains.
    """
    leaves = st.sampled_from([PREDICTION, TARGET]) | constants(values)
    rows = [OPERATORS[name] for name in operators]

    def applied(arguments):
        return st.sampled_from(rows).flatmap(
            lambda row: st.builds(Call, st.just(row.name), st.tuples(*[arguments] * row.arity))
        )

    drawn = st.recursive(leaves, applied, max_leaves=max_leaves)
    return drawn.filter(lambda expr: set(required) <= expr.inputs) if required else drawn


# --- grammars -------------------------------------------------------------------------------------

_OPERATORS = ("tanh", "log", "square", "min", "aq")


@st.composite
def grammar_texts(draw):
    """Grammar files that are well-formed by construction.

    Rule i always has an alternative that names only later rules and is the way out, and one that names
    rule i + 1, so that every rule ends and is used; other alternatives name any rule, but alone only a
    later one. One alternative of the first rule is a formula with both inputs, and the limits admit it.
    """
    count = draw(st.integers(1, 4))
    wraps = draw(st.integers(0, 2))
    seed = "tanh(" * wraps + "prediction - target" + ")" * wraps
    lines = []
    for index in range(count):
        later = [f"r{i}" for i in range(index + 1, count)]
        every = [f"r{i}" for i in range(count)]
        alternatives = [draw(_templates(later, 1)), *draw(st.lists(_templates(every, 2), max_size=3))]
        alternatives += [f"tanh({later[0]})"] if later else []
        alternatives += [draw(st.sampled_from(later))] if later and draw(st.booleans()) else []
        alternatives += [seed] if index == 0 else []
        weights = [draw(st.sampled_from(["", " [2]", " [0.25]"])) for _ in alternatives]
        right = " | ".join(a + weight for a, weight in zip(alternatives, weights, strict=True))
        lines.append(f"r{index} = {right}")
    first = wraps + 1 + draw(st.integers(0, 2))
    most = first + draw(st.integers(0, 3))
    size = wraps + 3 + draw(st.integers(0, 12))
    low = draw(st.integers(0, first))
    headings = [f"height {low}..{first}, at most {most}", f"size at most {size}"]
    return "\n".join([*headings, *lines])


def _templates(names, depth):
    """Texts of alternatives over some rules; a rule alone is never drawn, so circles cannot arise."""
    leaf = st.sampled_from(["prediction", "target", "1", "-0.5", "uniform(0, 2)", "normal(1, 0.1)"])
    inner = leaf | st.sampled_from(names) if names else leaf

    def call(arguments):
        return st.sampled_from(_OPERATORS).flatmap(
            lambda name: st.lists(
                arguments, min_size=OPERATORS[name].arity, max_size=OPERATORS[name].arity
            ).map(lambda parts: f"{name}({', '.join(parts)})")
        )

    return st.one_of(leaf, call(inner), call(inner) if depth == 1 else call(inner | call(inner)))


def grammars():
    """Random grammars with all the traits of the format."""
    return grammar_texts().map(parse_grammar)


@st.composite
def derivations(draw, grammar):
    """Random derivations within the limits of a grammar; each formula contains the required inputs.

    Goes forward only: if the reach of the grammar were wrong anywhere, this would find no way on.
    """
    reach = reach_of(grammar)

    def fits(production, shares, height, size):
        parts = list(zip(production.holes, production.hole_depths, shares, strict=True))
        needed = production.own_size + sum(reach.size(h, s, height - d) for h, d, s in parts)
        return production.own_height <= height and needed <= size

    def ways(production, required, height, size):
        missing = sorted(required - production.inputs)
        owners = itertools.product(range(len(production.holes)), repeat=len(missing))
        for owner in owners:
            shares = [
                frozenset(name for name, o in zip(missing, owner, strict=True) if o == hole)
                for hole in range(len(production.holes))
            ]
            if fits(production, shares, height, size):
                yield production, shares

    def draw_from(name, required, height, size):
        options = [way for p in grammar.rules[name] for way in ways(p, required, height, size)]
        assert options, f"the reach of the grammar promised a '{name}' {height} high with {size} nodes"
        production, shares = draw(st.sampled_from(options))
        parts = list(zip(production.holes, production.hole_depths, shares, strict=True))
        spare = size - production.own_size - sum(reach.size(h, s, height - d) for h, d, s in parts)
        children = []
        for hole, depth, share in parts:
            least = reach.size(hole, share, height - depth)
            child = draw_from(hole, share, height - depth, least + spare)
            spare -= child.size - least
            children.append(child)
        numbers = tuple(draw(st.floats(-3, 3)) for _ in production.random_constants)
        return Derivation(production, numbers, tuple(children))

    return draw_from(grammar.start, grammar.required, grammar.max_height, grammar.max_size)
