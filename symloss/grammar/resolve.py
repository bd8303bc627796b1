"""Rules as written become rules without lone names, and a grammar that cannot work is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from symloss.grammar.analysis import NEVER, compute_reach, contents, reach_of
from symloss.grammar.model import Grammar, Hole, Production, Template
from symloss.grammar.template import MAX_NESTING, Fault, Place

if TYPE_CHECKING:
    import networkx as nx

MAX_PRODUCTIONS = 1_000
"""Most productions of a grammar, counted after lone names have been replaced."""


@dataclass(frozen=True)
class Alternative:
    """One right side. As written it may be a lone name."""

    template: Template
    weight: float
    place: Place


@dataclass(frozen=True)
class Rule:
    """A name and its right sides, as written."""

    name: str
    place: Place
    alternatives: tuple[Alternative, ...]


def resolve(written: Mapping[str, Rule]) -> dict[str, tuple[Production, ...]]:
    """Rules without lone names: `a = b` becomes the alternatives of b, which share its weight."""
    resolved: dict[str, list[Alternative]] = {}
    for name in _inner_first(written):
        found: list[Alternative] = []
        for alternative in written[name].alternatives:
            if isinstance(alternative.template, Hole):
                inner = resolved[alternative.template.nonterminal]
                total = sum(a.weight for a in inner)
                found += [replace(a, weight=alternative.weight * a.weight / total) for a in inner]
            else:
                found.append(alternative)
            if len(found) > MAX_PRODUCTIONS:
                reason = f"rule '{name}' stands for more than {MAX_PRODUCTIONS} alternatives"
                raise Fault(reason, written[name].place)
        if min(a.weight for a in found) <= 0.0:
            raise Fault(f"the weights behind rule '{name}' differ too much", written[name].place)
        resolved[name] = found
    return _numbered(written, resolved)


def _inner_first(written: Mapping[str, Rule]) -> list[str]:
    """The names, each after those that it names alone. A circle of lone names is refused."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(written)
    for name, rule in written.items():
        for alternative in rule.alternatives:
            if isinstance(alternative.template, Hole):
                graph.add_edge(name, alternative.template.nonterminal, place=alternative.place)
    try:
        return list(reversed(list(nx.topological_sort(graph))))
    except nx.NetworkXUnfeasible:
        raise _circle(graph) from None


def _circle(graph: nx.DiGraph) -> Fault:
    import networkx as nx

    circle = nx.find_cycle(graph)
    names = " = ".join([edge[0] for edge in circle] + [circle[0][0]])
    place: Place = graph.edges[circle[0][:2]]["place"]
    return Fault(f"rules name one another in a circle: {names}", place)


def _numbered(
    written: Mapping[str, Rule], resolved: Mapping[str, list[Alternative]]
) -> dict[str, tuple[Production, ...]]:
    rules: dict[str, tuple[Production, ...]] = {}
    count = 0
    for name, rule in written.items():
        found = resolved[name]
        if count + len(found) > MAX_PRODUCTIONS:
            raise Fault(f"a grammar may have at most {MAX_PRODUCTIONS} alternatives in full", rule.place)
        rules[name] = tuple(Production(count + i, a.template, a.weight) for i, a in enumerate(found))
        count += len(found)
    return rules


def check_used(written: Mapping[str, Rule], start: str) -> None:
    """Every rule has to be reachable from the start."""
    import networkx as nx

    graph = nx.DiGraph()
    graph.add_nodes_from(written)
    for name, rule in written.items():
        for alternative in rule.alternatives:
            graph.add_edges_from((name, hole) for hole in Production(0, alternative.template).holes)
    reached = nx.descendants(graph, start) | {start}
    for name, rule in written.items():
        if name not in reached:
            raise Fault(f"rule '{name}' is never used from '{start}'", rule.place)


def check_possible(grammar: Grammar, written: Mapping[str, Rule], height_place: Place | None) -> None:
    """Every rule has to end, and formulas with the required inputs have to fit the limits."""
    found = contents(grammar.rules)
    for name, rule in written.items():
        if not found[name]:
            reason = f"rule '{name}' never ends: each of its alternatives needs a rule without an end"
            raise Fault(reason, rule.place)
    place = written[grammar.start].place
    wanted = " and ".join(sorted(grammar.required))
    if not any(grammar.required <= inputs for inputs in found[grammar.start]):
        raise Fault(f"no formula of '{grammar.start}' contains {wanted}", place)
    reach = reach_of(grammar)
    if reach.height(grammar.start, grammar.required) >= NEVER:
        needed = _height_needed(grammar)
        reason = f"a formula with {wanted} needs height {needed}, but at most {grammar.max_height} is allowed"
        raise Fault(reason, place)
    size = reach.size(grammar.start, grammar.required)
    if size > grammar.max_size:
        reason = (
            f"a formula with {wanted} at most {grammar.max_height} high needs "
            f"{size if size < NEVER else 'very many'} nodes, but at most {grammar.max_size} are allowed"
        )
        raise Fault(reason, place)
    least, greatest = (
        reach.height(grammar.start, grammar.required, grammar.max_size),
        grammar.initial_height[1],
    )
    if least > greatest:
        reason = f"the first formulas may be {greatest} high, but one with {wanted} needs height {least}"
        raise Fault(reason, height_place or place)


def _height_needed(grammar: Grammar) -> str:
    reach = compute_reach(grammar.rules, grammar.required, MAX_NESTING)
    height = reach.height(grammar.start, grammar.required)
    return str(height) if height < NEVER else f"more than {MAX_NESTING}"
