"""LaTeX compiled by a real LaTeX: formulas, tables and whole documents, none of them running off the page."""

import re
import shutil
import subprocess
from dataclasses import replace

import pytest
from export_helpers import random_losses

from symloss.export import Header, export_code, read_export
from symloss.export.latex import (
    SYMBOLS,
    broken,
    candidates_html,
    candidates_table,
    display,
    equation,
    expression_latex,
    standalone_document,
)
from symloss.export.simplifying import kept
from symloss.expr import OPERATORS, PREDICTION, TARGET, call, parse_expression
from symloss.losses.catalogue import CATALOGUE
from symloss.records import Candidate, Confirmation, Kind, Origin, Proposal, Score, Status, SymbolicLoss

needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")

LONG = " + ".join(f"{i}.5 * square(p - {i} * y) * tanh(log(p + {i}.25))" for i in range(1, 9))


def compiled(document, folder):
    """Widths, in points, by which lines of a document are too wide. Fails if it does not compile."""
    (folder / "document.tex").write_text(document)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "document.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (folder / "document.pdf").exists()
    return [float(width) for width in re.findall(r"Overfull \\hbox \((\d+\.\d+)pt too wide\)", done.stdout)]


def candidate(text, rank):
    expression = parse_expression(text)
    score = Score(Status.OK, 0.1 * rank)
    return Candidate(
        Proposal(rank, expression, 0, Origin("random")), SymbolicLoss(expression, Kind.MULTICLASS), score
    )


@needs_latex
def test_the_catalogue_compiles_and_fits_on_the_page(tmp_path):
    with kept():
        body = "\n".join(equation(display(row.loss())) for row in CATALOGUE.values())
    assert max(compiled(standalone_document(body), tmp_path), default=0.0) < 1.0


@needs_latex
def test_operators_and_random_formulas_compile(tmp_path):
    arguments = (call("sub", PREDICTION, TARGET), call("mul", PREDICTION, -1.5))
    every = [call(name, *arguments[: row.arity]) for name, row in OPERATORS.items()]
    parts = [expression_latex(expression, SYMBOLS[Kind.BINARY]) for expression in every]
    parts += [expression_latex(loss.expression, SYMBOLS[loss.kind]) for loss in random_losses(1, 30)]
    compiled(standalone_document("\n".join(map(equation, parts))), tmp_path)


@needs_latex
def test_long_formulas_are_broken_and_fit(tmp_path):
    loss = SymbolicLoss(parse_expression(LONG), Kind.MULTICLASS)
    plain = rf"\mathcal{{L}} = \left({expression_latex(loss.expression, SYMBOLS[loss.kind])}\right)"
    assert len(broken(plain)) > 2
    assert max(compiled(standalone_document(equation(plain)), tmp_path), default=0.0) < 1.0


HOSTILE = [
    "50 % noise",
    r"\input{/etc/passwd}",
    "a_b^c $x$ #1 & ~",
    "^^M\\end{document}",
    "x\n\\bye",
    "é\u202e",
]


@needs_latex
def test_a_standalone_document_compiles_whatever_the_task_is_called(tmp_path):
    for number, name in enumerate(HOSTILE):
        (folder := tmp_path / str(number)).mkdir()
        loss = SymbolicLoss(parse_expression("-(y * log(p)) + inv(C) * p"), Kind.MULTICLASS)
        header = Header(task=name, metric=name, title=name)
        compiled(export_code(loss, "latex", header=header, standalone=True).text, folder)


@needs_latex
def test_a_table_compiles_and_fits(tmp_path):
    rows = [candidate(LONG, 1), candidate("-(y * log(p))", 2), candidate("abs(p - y)", 3)]
    table = candidates_table(rows)
    assert r"\toprule" in table
    assert "$0.2$" in table
    assert max(compiled(standalone_document(table), tmp_path), default=0.0) < 1.0


def test_a_table_says_what_its_order_is_by():
    plain = candidate("abs(p + (-0.25))", 1)
    finalist = replace(candidate("square(p - y)", 5), confirmation=Confirmation(0.375, 0.01, 100, 5))
    assert "rank & size & fitness & formula" in candidates_table([plain])
    table = candidates_table([finalist, plain])
    assert "rank & size & confirmed & fitness & formula" in table
    assert r"1 & 4 & $0.375$ & $0.5$ &" in table
    assert r"2 & 4 & -- & $0.1$ & $\left|p - 0.25\right|$" in table
    page = candidates_html([finalist, plain])
    assert "<th>confirmed</th>" in page
    assert "<td>0.375</td><td>0.5</td>" in page
    assert "<td></td><td>0.1</td>" in page


@needs_latex
def test_a_table_of_finalists_fits_on_one_page(tmp_path):
    formula = "5.8 * (1.3 * (y * pow(1.27 * (0.75 - p), 0.83)) + 0.777 * pow(1.09 * (1.1 * p - 0.05), 1.38))"
    rows = [
        replace(candidate(formula, n), confirmation=Confirmation(0.0625, 0.01, 1, 5, 0.0123))
        for n in range(1, 21)
    ]
    assert max(compiled(standalone_document(candidates_table(rows)), tmp_path), default=0.0) < 1.0
    assert "(1 page" in (tmp_path / "document.log").read_text()


@needs_latex
def test_the_check_of_documents_complains(tmp_path):
    with pytest.raises(AssertionError, match="Undefined control sequence"):
        compiled(standalone_document(r"$\undefinedcommand$"), tmp_path)
    wide = standalone_document(r"\[" + "+".join(["abcdefgh"] * 24) + r"\]")
    assert max(compiled(wide, tmp_path)) > 100.0


def test_breaking_loses_nothing():
    """But for the size of brackets that are open at a break."""
    for text in (LONG, f"3 * ({LONG})", "-(y * log(p))"):
        latex = rf"L = \sum \left({expression_latex(parse_expression(text), SYMBOLS[Kind.BINARY])}\right)"
        joined = " ".join(broken(latex))
        plain = re.sub(r"\\(Bigl|left)\b", r"\\left", re.sub(r"\\(Bigr|right)\b", r"\\right", joined))
        assert plain.replace(" ", "") == latex.replace(" ", "")
        for line in broken(latex):
            assert line.count(r"\left") == line.count(r"\right")
            assert line.count("{") == line.count("}")


def test_notebooks_show_tables_with_formulas():
    text = candidates_html([candidate("min(p, y)", 1)])
    assert text.count("<tr>") == 2
    assert r"$\min\left(p, y\right)$" in text


def test_the_number_of_classes_is_written_as_c():
    loss = CATALOGUE["sparse-lsr"].loss()
    assert r"\frac{0.1}{C}" in display(loss)
    assert r"\frac{1 - p_{ic}}{C - 1}" in display(loss)


def test_a_discovered_loss_keeps_its_digits_in_code_and_not_on_paper(tmp_path):
    loss = SymbolicLoss(parse_expression("0.123456789012345 * square(p - y)"), Kind.REGRESSION)
    assert "0.1235" in export_code(loss, "latex").text
    (tmp_path / "loss.json").write_text(export_code(loss, "json").text)
    assert read_export(tmp_path / "loss.json").loss == loss
