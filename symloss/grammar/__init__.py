"""Grammars: which formulas a search may propose. Imports neither torch nor SymPy nor DEAP."""

from symloss.grammar.analysis import Reach, reach_of
from symloss.grammar.derive import derive
from symloss.grammar.library import grammar_folder, load_grammar, shipped_grammars
from symloss.grammar.model import (
    Derivation,
    Grammar,
    Hole,
    Production,
    RandomConstant,
    Template,
    TemplateCall,
    admits,
    from_json,
    to_json,
)
from symloss.grammar.reader import parse_grammar, read_grammar

__all__ = [
    "Derivation",
    "Grammar",
    "Hole",
    "Production",
    "RandomConstant",
    "Reach",
    "Template",
    "TemplateCall",
    "admits",
    "derive",
    "from_json",
    "grammar_folder",
    "load_grammar",
    "parse_grammar",
    "reach_of",
    "read_grammar",
    "shipped_grammars",
    "to_json",
]
