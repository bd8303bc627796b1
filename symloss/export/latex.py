r"""A loss as LaTeX: a display formula for a paper, with what its symbols and guards mean.

The formula is the shorter of two: the expression as it is, written through the operator table, and
SymPy's simplified form of it (see `algebra`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from symloss.export.header import Header, guarded_operators
from symloss.expr.latex import DIGITS, expression_latex, number
from symloss.records import Candidate, Kind, SymbolicLoss
from symloss.records.values import SYMBOLS

if TYPE_CHECKING:
    import sympy

WIDTH = 64
"""About how many characters fit on a line of an article; longer formulas are broken."""

_WHERE = {
    Kind.MULTICLASS: "$p_{ic}$ is the predicted probability of class $c$ for sample $i$ (softmax of the "
    "network's outputs) and $y_{ic}$ is $1$ for its true class and $0$ for the others",
    Kind.BINARY: "$p_{i}$ is the predicted probability for sample $i$ (sigmoid of the network's output) "
    "and $y_{i}$ is $0$ or $1$",
    Kind.REGRESSION: r"$\hat{y}_{i}$ is the prediction for sample $i$ and $y_{i}$ its true value (every "
    "output counts as a sample of its own)",
}


def emit_latex(loss: SymbolicLoss, header: Header) -> str:
    """The file's text: comments, the display formula and a sentence that explains it. Needs amsmath."""
    comments = "".join(f"% {name}: {text}\n" for name, text in header.facts())
    meanings = [
        rf"${row.latex.format('a', 'b')}$ stands for {row.guarded}" for row in guarded_operators(loss)
    ]
    inputs = _WHERE[loss.kind]
    if loss.kind is Kind.REGRESSION and header.standardised:
        inputs += ", both in units of standardised targets"
    where = ", and ".join([inputs, "; ".join(meanings)] if meanings else [inputs])
    return f"{comments}{equation(display(loss))}\nwhere {where}.\n"


def equation(formula: str) -> str:
    """A display equation, broken over lines before a sum's terms where it is too long for one."""
    lines = broken(formula)
    if len(lines) == 1:
        return f"\\[\n  {formula}\n\\]"
    body = " \\\\\n".join(f"  {line}" for line in lines)
    return f"\\begin{{multline*}}\n{body}\n\\end{{multline*}}"


_PIECES = re.compile(r"\\left\\?.|\\right\\?.|\\[A-Za-z]+|\\.|.", re.S)


def broken(formula: str, width: int = WIDTH) -> list[str]:
    """`formula` on lines of about `width` characters, broken before + and - outside of inner brackets.

    Brackets that are open at a break cannot stretch, so the outermost ones get a fixed size then.
    """
    pieces = _PIECES.findall(formula)
    lines, line, start = [], "", 0
    for place in _breaks(pieces):
        part = "".join(pieces[start:place])
        if line and _length(line + part) > width:
            lines.append(line.strip())
            line = ""
        line += part
        start = place
    rest = "".join(pieces[start:])
    if line and _length(line + rest) > width:
        lines.append(line.strip())
        line = ""
    lines.append((line + rest).strip())
    if len(lines) == 1:
        return lines
    return [_with_fixed_brackets(line) for line in lines]


def _breaks(pieces: list[str]) -> list[int]:
    """Positions of + and - that stand in no braces, and in one pair of stretching brackets at most."""
    found, braces, brackets = [], 0, 0
    for place, piece in enumerate(pieces):
        braces += (piece == "{") - (piece == "}")
        brackets += piece.startswith("\\left") - piece.startswith("\\right")
        before = "".join(pieces[:place]).rstrip()
        if piece in "+-" and not braces and brackets <= 1 and before[-1:] not in ("(", "=", "[", "|", ""):
            found.append(place)
    return found


def _with_fixed_brackets(line: str) -> str:
    """`line` with those of its brackets that have no partner in it at a fixed size."""
    pieces = _PIECES.findall(line)
    open_ones: list[int] = []
    alone: list[int] = []
    for place, piece in enumerate(pieces):
        if piece.startswith("\\left"):
            open_ones.append(place)
        elif piece.startswith("\\right"):
            if open_ones:
                open_ones.pop()
            else:
                alone.append(place)
    for place in [*alone, *open_ones]:
        pieces[place] = pieces[place].replace("\\left", "\\Bigl").replace("\\right", "\\Bigr")
    return "".join(pieces)


_DOCUMENT = r"""\documentclass{{article}}
\usepackage[a4paper, margin=2cm]{{geometry}}
\usepackage{{amsmath}}
\usepackage{{booktabs}}
\pagestyle{{empty}}
\begin{{document}}
{body}
\end{{document}}
"""


def standalone_document(body: str) -> str:
    """A whole document, which compiles by itself with amsmath, booktabs and geometry."""
    smaller = "\\small\n" if r"\begin{tabular}" in body else ""  # so that twenty candidates fit on a page
    return _DOCUMENT.format(body=smaller + body.rstrip("\n"))


def candidates_table(candidates: Sequence[Candidate], digits: int = DIGITS) -> str:
    """A booktabs table of candidates: rank, size, costs and formula. Formulas are broken over lines.

    Their order is by what finalists cost from fresh seeds, which is a column where there are any.
    """
    second = any(candidate.confirmation is not None for candidate in candidates)
    head = "rank & size & confirmed & fitness & formula" if second else "rank & size & fitness & formula"
    columns = "rrrrl" if second else "rrrl"
    lines = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", rf"{head} \\", r"\midrule"]
    for rank, candidate in enumerate(candidates, start=1):
        cells = [
            [number(value, 2 if place else digits) for place, value in enumerate(cost)]
            for cost in _costs(candidate, second)
        ]
        joined = [r" \pm ".join(cell) for cell in cells]
        shown = " & ".join(f"${cell}$" if cell else "--" for cell in joined)
        symbols = {"prediction": "p", "target": "y", "classes": "C"}
        first, *more = broken(expression_latex(candidate.loss.expression, symbols, digits), WIDTH - 35)
        lines.append(rf"{rank} & {candidate.size} & {shown} & ${first}$ \\")
        lines += [rf"{'& ' * (len(columns) - 1)}\quad ${line}$ \\" for line in more]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"]) + "\n"


def _costs(candidate: Candidate, second: bool) -> list[list[float]]:
    """A candidate's costs, each with its standard error if that is known; empty where there is none.

    second: there is a column for a finalist's second look.
    """
    own = candidate.confirmation
    confirmed = [] if own is None else [own.cost, own.standard_error]
    costs = [confirmed, [candidate.score.fitness]] if second else [[candidate.score.fitness]]
    return [[value for value in cost if value is not None] for cost in costs]


def candidates_html(candidates: Sequence[Candidate], digits: int = DIGITS) -> str:
    """The same table as HTML with formulas in LaTeX, as notebooks show it."""
    symbols = {"prediction": "p", "target": "y", "classes": "C"}
    second = any(own.confirmation is not None for own in candidates)

    def costs(own: Candidate) -> str:
        found = _costs(own, second)
        cells = [
            [f"{value:.{2 if place else digits}g}" for place, value in enumerate(cost)] for cost in found
        ]
        return "".join(f"<td>{' ± '.join(cell)}</td>" for cell in cells)

    rows = "".join(
        f"<tr><td>{rank}</td><td>{own.id}</td><td>{own.size}</td>{costs(own)}"
        f"<td>${html.escape(expression_latex(own.loss.expression, symbols, digits))}$</td></tr>"
        for rank, own in enumerate(candidates, start=1)
    )
    names = ["rank", "id", "size", *(["confirmed"] if second else []), "fitness", "formula"]
    head = "".join(f"<th>{name}</th>" for name in names)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def display(loss: SymbolicLoss, digits: int = DIGITS) -> str:
    """The whole loss, with its sum over classes and mean over the batch: the inside of an equation."""
    body = _grouped(formula(loss, digits))
    if loss.kind is Kind.MULTICLASS:
        body = rf"\sum_{{c=1}}^{{C}} {body}"
    batch = {"mean": r"\frac{1}{N} \sum_{i=1}^{N} ", "sum": r"\sum_{i=1}^{N} ", "none": ""}[loss.reduction]
    return rf"\mathcal{{L}}{'' if batch else '_{i}'} = {batch}{body}"


def _grouped(body: str) -> str:
    r"""A sum, or what starts with a minus, in parentheses, since it follows a sum sign."""
    depth = 0
    for piece in re.findall(r"\\left|\\right|\\?[^\\]", body):
        depth += (piece in ("\\left", "{")) - (piece in ("\\right", "}"))
        if depth == 0 and piece in "+-":
            return rf"\left({body}\right)"
    return body


def formula(loss: SymbolicLoss, digits: int = DIGITS) -> str:
    """The elementwise formula alone, simplified where that makes it shorter."""
    from symloss.export.simplifying import simplified

    plain = expression_latex(loss.expression, SYMBOLS[loss.kind], digits)
    shorter = sympy_latex(simplified(loss), loss.kind, digits)
    return min(shorter, plain, key=_ink)


def _length(latex: str) -> int:
    """About how many characters wide a formula is."""
    shown = re.sub(r"\\(left|right|hat|operatorname|,|frac|quad)|_{[^{}]*}|[{}^\\ ]", "", latex)
    return len(shown) + 3 * len(re.findall(r" [+-] ", latex)) - 2 * latex.count("\\sum")


def _ink(latex: str) -> int:
    """About how many characters a reader sees."""
    return len(re.sub(r"\\(left|right|,|[a-z]+)|[{}^_ ]", "", latex)) + latex.count("\\") // 2


# --- SymPy's form ---------------------------------------------------------------------------------


def sympy_latex(expr: sympy.Expr, kind: Kind, digits: int = DIGITS) -> str:
    """A SymPy expression with our names for the inputs and our way of writing numbers."""
    from sympy.printing.latex import LatexPrinter

    class Printer(LatexPrinter):  # type: ignore[misc]
        def _print_Float(self, number_: Any) -> str:  # noqa: N802 -- SymPy's name
            return number(float(number_), digits)

        def _print_Symbol(self, symbol: Any, style: str = "plain") -> str:  # noqa: N802
            return names[symbol.name]

    names = {"p": SYMBOLS[kind]["prediction"], "y": SYMBOLS[kind]["target"], "C": "C"}
    return str(Printer({"mul_symbol": r" \, "}).doprint(expr))
