"""Names, titles and notes try to break out of everything that they are written into."""

import ast
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree

import pytest
from hostile_texts import HOSTILE, evaluation_of

from symloss.benchmark.report import Origins
from symloss.benchmark.report import as_latex as suite_latex
from symloss.benchmark.report import as_markdown as suite_markdown
from symloss.errors import ExportError
from symloss.escaping import as_latex_text, as_markdown_code, as_markdown_text, on_one_line, printable
from symloss.evaluation.figures import critical_differences, learning_curves
from symloss.evaluation.tables import as_latex, as_markdown
from symloss.export.forms import careful_form, plain_form
from symloss.export.header import Header
from symloss.export.latex import emit_latex, standalone_document
from symloss.export.read import facts_of, read_export
from symloss.export.targets import TARGETS
from symloss.expr import parse_expression
from symloss.gallery import Entry, entries, index
from symloss.records import Kind, SymbolicLoss

LOSS = SymbolicLoss(parse_expression("-(y * log(p))"), Kind.MULTICLASS)
needs_latex = pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on this machine")


@pytest.fixture(autouse=True)
def without_sympy(monkeypatch):
    """The formula is none of a user's words, and takes seconds to simplify."""
    monkeypatch.setattr("symloss.export.latex.formula", lambda loss, digits: "p_{ic}")


def header(text):
    return Header(title=text, reference=text, found_by=text, task=text, metric=text, guards=text)


def code(text):
    """What a Python file does, apart from its docstring."""
    first, *rest = ast.parse(text).body
    assert isinstance(first, ast.Expr)
    assert isinstance(first.value, ast.Constant)
    return ast.dump(ast.Module(rest, []))


@pytest.mark.parametrize("target", ["torch", "numpy", "jax"])
def test_a_header_changes_nothing_in_python(target):
    form = careful_form(LOSS)
    plain = TARGETS[target].emit(form, Header())
    for hostile in (*HOSTILE, "".join(HOSTILE), "\n".join(HOSTILE)):
        text = TARGETS[target].emit(form, header(hostile))
        assert code(text) == code(plain)
        assert printable(text, "\n") == text
        facts = facts_of(ast.get_docstring(ast.parse(text)))
        assert (facts["kind"], facts["expression"]) == ("multiclass", str(LOSS.expression))
        place = {}
        exec(compile(text, "exported", "exec"), place) if target == "numpy" else None
        assert "PWNED" not in place


def test_json_says_what_was_said(tmp_path):
    for hostile in HOSTILE:
        path = tmp_path / "loss.json"
        path.write_text(TARGETS["json"].emit(plain_form(LOSS), header(hostile)))
        found = read_export(path)
        assert (found.name, found.loss) == (hostile, LOSS)


def test_a_header_is_a_comment_in_latex():
    plain = emit_latex(LOSS, Header())
    for hostile in HOSTILE:
        lines = emit_latex(LOSS, header(hostile)).splitlines()
        assert [line for line in lines if not line.startswith("% ")] == [
            line for line in plain.splitlines() if not line.startswith("% ")
        ]


def test_names_are_text_in_latex():
    for hostile in HOSTILE:
        text = as_latex_text(hostile)
        assert text.isprintable()
        words = r"\\text(backslash|asciitilde|asciicircum|less|greater|bar)\{\}|\{[][*]\}"
        known = re.sub(words, "", text)
        assert not re.search(r"(?<!\\)[&%$#_{}~^\\<>|](?![&%$#_{}])", known), text


@needs_latex
def test_hostile_names_compile(tmp_path):
    # pdflatex has no letters beyond Latin ones, which is no matter of escaping.
    names = [text for text in HOSTILE if on_one_line(text).isascii()]
    assert len(names) > 15
    suite = suite_latex(Origins(names[0], names[1], names[2], {}), [])
    parts = [as_latex(evaluation_of(names)), suite, *(emit_latex(LOSS, header(text)) for text in names)]
    (tmp_path / "document.tex").write_text(standalone_document("\n\n".join(parts)))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "document.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout[-1000:]
    assert b"/etc/passwd" not in done.stdout
    assert (tmp_path / "document.pdf").stat().st_size > 1000


# --- Markdown --------------------------------------------------------------------------------------


def tokens(text):
    """What a reader of Markdown, with the tables of GitHub, sees."""
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    found = []
    for token in markdown.parse(text):
        found += [token, *(token.children or [])]
    return found


MEANT = {"text", "inline", "code_inline", "softbreak", "text_special", "code_block"}


def kinds(text):
    """The kinds of what is in a page, but for text."""
    return [own.type for own in tokens(text) if own.type not in MEANT]


def columns(text):
    """How many cells each row of each table has."""
    found = []
    for own in kinds(text):
        if own == "tr_open":
            found.append(0)
        elif own in ("td_open", "th_open"):
            found[-1] += 1
    return found


def test_an_evaluation_in_markdown_has_the_structure_of_a_plain_one():
    plain, hostile = evaluation_of([f"n{i}" for i in range(len(HOSTILE))]), evaluation_of(HOSTILE)
    assert kinds(as_markdown(hostile)) == kinds(as_markdown(plain))
    assert columns(as_markdown(hostile)) == columns(as_markdown(plain))


def test_a_name_is_read_as_it_is_in_markdown():
    for hostile in HOSTILE:
        shown = "".join(
            own.content for own in tokens(as_markdown_text(hostile, first=True)) if not own.children
        )
        assert shown == on_one_line(hostile)
        (found,) = (own for own in tokens(f"x {as_markdown_code(hostile)} x") if own.type == "code_inline")
        assert found.content.strip() == on_one_line(hostile).strip()


def test_a_suite_in_markdown_has_the_structure_of_a_plain_one():
    def page(text):
        return suite_markdown(Origins(text, f"symloss benchmark {text}", text, {"searches": 1.0}), [], None)

    for hostile in HOSTILE:
        assert kinds(page(hostile)) == kinds(page("plain"))
        assert printable(page(hostile), "\n") == page(hostile)


def test_the_gallery_has_a_row_for_each_loss():
    def page(text):
        return index([Entry("found", LOSS, header(text))])

    for hostile in HOSTILE:
        assert kinds(page(hostile)) == kinds(page("plain"))
        assert columns(page(hostile)) == columns(page("plain"))


def test_a_file_that_the_gallery_could_not_link_to_is_refused(tmp_path):
    (tmp_path / "a](x) | b.json").write_text(TARGETS["json"].emit(plain_form(LOSS), header("x")))
    with pytest.raises(ExportError, match="no name for a loss of the gallery"):
        entries(tmp_path)


# --- SVG -------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:constrained_layout")  # so many names need more room
def test_figures_are_well_formed_and_hold_no_other_elements():
    drawable = [text for text in HOSTILE if on_one_line(text).isascii()]

    def elements(names):
        found = evaluation_of(names)
        for svg in (learning_curves(found.tasks[0]), critical_differences(found.ranking)):
            yield {own.tag.rpartition("}")[2] for own in ElementTree.fromstring(svg).iter()}

    plain = [f"n{i}" for i in range(len(drawable))]
    assert list(map(sorted, elements(drawable))) == list(map(sorted, elements(plain)))
