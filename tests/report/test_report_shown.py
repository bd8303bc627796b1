"""Analyses as text, JSON and figures."""

import functools
import io
import json

import pytest
from rich.console import Console

from symloss.errors import ReportError
from symloss.expr import parse_expression
from symloss.losses.catalogue import CATALOGUE
from symloss.records import Kind, SymbolicLoss
from symloss.report.analysis import analyze
from symloss.report.analysis.figure import draw, save
from symloss.report.analysis.text import as_text

LOSSES = {
    "absolute-cross-entropy": CATALOGUE["absolute-cross-entropy"].loss(),
    "guarded": SymbolicLoss(parse_expression("-((0.9 * y + 0.1 * inv(C)) * log(p))"), Kind.MULTICLASS),
    "binary-focal": CATALOGUE["binary-focal"].loss(),
    "quantile": CATALOGUE["quantile"].loss(),
    "two sides": SymbolicLoss(
        parse_expression("-(y * ln(p)) - 0.3 * ((1 - y) * abs(log(1.25 * (1 - p))))"), Kind.BINARY
    ),
}


@functools.cache
def analysis_of(name):
    return analyze(LOSSES[name], 10, name)


def printed(name, width):
    stream = io.StringIO()
    Console(file=stream, width=width, color_system=None).print(as_text(analysis_of(name)))
    return stream.getvalue()


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("width", [80, 120])
def test_the_text_fits_and_says_everything(name, width):
    text = printed(name, width)
    assert max(map(len, text.splitlines())) <= width
    together = " ".join(text.split())
    for sentence in analysis_of(name).conclusion:
        assert sentence in together
    for row in analysis_of(name).neighbours:
        assert row.name in text
    assert "…" not in text


def test_what_guards_do_is_a_footnote():
    assert "* by the guards of its operators; without them it" in printed("guarded", 80)


@pytest.mark.parametrize("name", LOSSES)
def test_json_reads_back_and_holds_the_findings(name):
    analysis = analysis_of(name)
    data = json.loads(json.dumps(analysis.as_json(), allow_nan=False))
    assert data["kind"] == LOSSES[name].kind.value
    assert data["conclusion"] == list(analysis.conclusion)
    assert parse_expression(data["expression"]) == LOSSES[name].expression


def test_limits_in_json_are_words_and_numbers():
    update = analysis_of("absolute-cross-entropy").as_json()["findings"]["sides"][0]["updates"][2]["end"]
    assert update["other"] == {"words": "grows to +infinity", "value": None, "unguarded": None}
    assert update["target"]["value"] == pytest.approx(0.91)


@pytest.mark.parametrize("name", LOSSES)
def test_a_figure_has_two_panels_with_words_on_every_axis(name):
    panels = draw(analysis_of(name)).axes
    assert len(panels) == 2
    for axes in panels:
        assert axes.get_xlabel()
        assert axes.get_ylabel()
    assert "this loss" in " ".join(text.get_text() for text in panels[1].get_legend().get_texts())


@pytest.mark.parametrize(
    ("ending", "beginning"), [(".png", b"\x89PNG"), (".pdf", b"%PDF"), (".svg", b"<?xml")]
)
def test_a_figure_is_the_same_file_each_time(tmp_path, ending, beginning):
    one, other = tmp_path / f"one{ending}", tmp_path / f"other{ending}"
    for file in (one, other):
        save(analysis_of("quantile"), file)
    assert one.read_bytes().startswith(beginning)
    assert one.read_bytes() == other.read_bytes()


def test_a_figure_is_overwritten_only_if_asked(tmp_path):
    file = tmp_path / "figure.png"
    file.write_text("mine")
    with pytest.raises(ReportError, match="exists already"):
        save(analysis_of("quantile"), file)
    assert file.read_text() == "mine"
    save(analysis_of("quantile"), file, overwrite=True)
    assert file.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["figure", "figure.jpg", "none/figure.png", "folder.png"])
def test_a_file_that_cannot_be_is_refused(tmp_path, name):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(ReportError):
        save(analysis_of("quantile"), tmp_path / name)
