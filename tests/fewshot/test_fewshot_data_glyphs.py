"""Glyphs: what is drawn, that it is the same everywhere, and how it is warped."""

import itertools
import unicodedata
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from fontTools.ttLib import TTFont

from symloss.errors import TaskError
from symloss.fewshot.episodes import glyphs as module
from symloss.fewshot.episodes.drawing import draw, fill
from symloss.fewshot.episodes.episode import SPLITS
from symloss.fewshot.episodes.glyphs import FONTS, Glyphs, load_glyphs
from symloss.fewshot.episodes.lookalikes import distinct
from symloss.fewshot.episodes.warp import WARPS, Warp

FOLDER = Path(mpl.get_data_path()) / "fonts" / "ttf"


@pytest.fixture(scope="module")
def glyphs():
    return load_glyphs()


def drawn(text, font="DejaVuSans"):
    with TTFont(FOLDER / f"{font}.ttf", lazy=True) as opened:
        return dict(draw(opened, map(ord, text)))


def square(low, high, clockwise=False):
    corners = [(low, low), (high, low), (high, high), (low, high)]
    corners = corners[::-1] if clockwise else corners
    return list(zip(corners, corners[1:] + corners[:1], strict=True))


def test_a_square_fills_the_box():
    picture = fill(square(0, 100))
    assert (picture[4:24, 4:24] == 255).all()
    assert picture.sum() == 255 * 400


def test_a_hole_winds_the_other_way():
    with_hole = fill([*square(0, 100), *square(25, 75, clockwise=True)])
    assert with_hole.sum() == 255 * 300
    twice = fill([*square(0, 100), *square(25, 75)])  # overlapping parts of a glyph leave no hole
    assert twice.sum() == 255 * 400


def test_ink_is_the_area_of_the_outline():
    """Of a disc, whose outline is curves."""
    from symloss.fewshot.episodes.drawing import _lines

    angles = np.arange(9) * np.pi / 4
    on = [(np.cos(a), np.sin(a)) for a in angles]
    off = [(np.cos(a) / np.cos(np.pi / 8), np.sin(a) / np.cos(np.pi / 8)) for a in angles + np.pi / 8]
    curve = [p for pair in zip(off[:8], on[1:], strict=True) for p in (pair,)]
    disc = [("moveTo", (on[0],)), *(("qCurveTo", pair) for pair in curve), ("closePath", ())]
    lines = list(_lines(disc))
    without_points = list(_lines([("qCurveTo", (*off[:8], None)), ("closePath", ())]))
    for outline in (lines, without_points):
        assert fill(outline).sum() / 255 == pytest.approx(np.pi * 100, rel=0.02)


def test_a_drawing_agrees_with_another_library():
    """FreeType's rasteriser, by pillow, at eight times the size."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.truetype(str(FOLDER / "DejaVuSans.ttf"), 400)
    for text in "AgΩЖ8":
        mine = drawn(text)[ord(text)].astype(float)
        large = Image.new("L", (900, 900))
        ImageDraw.Draw(large).text((200, 200), text, fill=255, font=font)
        large = large.crop(large.getbbox())
        size = tuple(round(side * 160 / max(large.size)) for side in large.size)
        x, y = ((224 - side) // 2 for side in size)
        fine = np.zeros((224, 224))
        fine[y : y + size[1], x : x + size[0]] = np.asarray(large.resize(size, Image.Resampling.BOX))
        other = fine.reshape(28, 8, 28, 8).mean((1, 3))
        assert (mine * other).sum() / np.sqrt((mine**2).sum() * (other**2).sum()) > 0.998, text


def test_what_is_drawn_now_is_what_is_kept(glyphs):
    """The whole set is checked by its digest whenever it is loaded; here some are drawn again."""
    assert glyphs.digest() == module.DIGEST
    for split in SPLITS:
        classes = glyphs.classes(split)
        for name in ("DejaVuSans", "STIXGeneralItalic"):
            text = [chr(code) for code in list(classes)[::8]]
            for code, picture in drawn(text, name).items():
                assert any(np.array_equal(picture, kept) for kept in classes[code]), chr(code)


def test_there_are_more_than_a_thousand_classes_of_at_least_two_drawings(glyphs):
    counts = [len(drawings) for split in SPLITS for drawings in glyphs.classes(split).values()]
    assert len(counts) == 1352
    assert min(counts) >= 2
    assert len(FONTS) == 12


def test_scripts_are_kept_apart(glyphs):
    """By the names that Unicode gives to characters, which the table of scripts does not use."""
    scripts = {
        split: {unicodedata.name(chr(code)).split()[0] for code in glyphs.classes(split)} for split in SPLITS
    }
    known = {"LATIN", "GREEK", "CYRILLIC", "HEBREW", "GEORGIAN", "ARMENIAN", "TIFINAGH", "LAO", "CANADIAN"}
    known |= {"ARABIC", "OGHAM", "NKO", "COPTIC"}
    # Old Coptic letters lie among the Greek ones in Unicode, and Tifinagh is named after nothing else.
    for script in known:
        assert sum(script in found for found in scripts.values()) <= 1, script


def test_look_alikes_are_one_class(glyphs):
    codes = {code for split in SPLITS for code in glyphs.classes(split)}
    for alike in ("AΑА", "BΒВ", "OΟОo0", "HНΗ", "Pр", "cс", "XΧХх", "ΤTТ"):  # noqa: RUF001 -- look-alikes
        assert len(codes & set(map(ord, alike))) <= 1, alike
    assert {ord("Ω"), ord("Ж"), ord("R")} <= codes


def test_the_first_of_look_alikes_is_kept():
    a, b, o = (np.stack([drawn(text)[ord(text)]]) for text in "AΑO")  # noqa: RUF001 -- look-alikes
    assert distinct([a, o, b]) == [True, True, False]
    assert distinct([b, o, a, o] * 40) == [True, True, False, False] + [False] * 156


def test_no_two_classes_of_different_splits_look_alike(glyphs):
    from symloss.fewshot.episodes.lookalikes import ALIKE, _blurred

    parts = [_blurred(np.concatenate(list(glyphs.classes(split).values()))) for split in SPLITS]
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert (parts[first] @ parts[second].T).max() <= ALIKE


def test_fonts_that_draw_otherwise_are_refused(tmp_path, monkeypatch, glyphs):
    monkeypatch.setenv("SYMLOSS_DATA", str(tmp_path))
    other = Glyphs(255 - glyphs.pictures, glyphs.codes, glyphs.scripts)
    monkeypatch.setattr(module, "draw_glyphs", lambda: other)
    monkeypatch.setattr(module, "folders", lambda name, data: [tmp_path])
    with pytest.raises(
        TaskError, match=r"have the digest [0-9a-f]{12}, expected ff4cfc36f09b, .*install matplotlib"
    ):
        load_glyphs()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 no archive", "other"])
def test_a_damaged_cache_is_drawn_again(tmp_path, monkeypatch, glyphs, damage):
    if damage == "other":
        np.savez(
            tmp_path / module.FILE, pictures=255 - glyphs.pictures, codes=glyphs.codes, scripts=glyphs.scripts
        )
    else:
        (tmp_path / module.FILE).write_bytes(damage)
    monkeypatch.setattr(module, "draw_glyphs", lambda: glyphs)
    monkeypatch.setattr(module, "folders", lambda name, data: [tmp_path])
    monkeypatch.setattr(module, "store", lambda name, data: tmp_path)
    assert load_glyphs().digest() == module.DIGEST
    assert [path.name for path in tmp_path.iterdir()] == [module.FILE]
    monkeypatch.setattr(module, "draw_glyphs", None)
    assert load_glyphs().digest() == module.DIGEST


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch, glyphs):
    monkeypatch.setattr(module, "draw_glyphs", lambda: glyphs)
    monkeypatch.setattr(module, "folders", lambda name, data: [])
    (tmp_path / "file").touch()
    monkeypatch.setattr(module, "store", lambda name, data: tmp_path / "file")
    assert load_glyphs().digest() == module.DIGEST


def images(count=6):
    return torch.rand(count, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def test_a_warp_of_nothing_leaves_images_as_they_are():
    x = images()
    assert torch.allclose(Warp(0, 0, 0, 0)(x, np.random.default_rng(0)), x, atol=1e-5)


def test_a_warp_turns_moves_and_resizes_as_it_says():
    """By the moments of a disc far from the middle: its centre, and its area."""
    rows, columns = np.mgrid[:28, :28]
    disc = torch.from_numpy(((rows - 13.5) ** 2 + (columns - 18.5) ** 2 < 9).astype(np.float32))[None, None]
    x = disc.expand(200, 1, 28, 28)

    def moments(warp):
        found = warp(x, np.random.default_rng(0))[:, 0].numpy().astype(float)
        area = found.sum((1, 2))
        return area, (found * (columns - 13.5)).sum((1, 2)) / area, (found * (rows - 13.5)).sum((1, 2)) / area

    area, right, down = moments(Warp(40, 0, 0, 0))
    angle = np.degrees(np.arctan2(down, right))
    assert np.allclose(np.hypot(right, down), 5, atol=0.2)
    assert -41 < angle.min() < -35 < 35 < angle.max() < 41
    area, right, down = moments(Warp(0, 0, 0.2, 0))
    assert 5 - 2.9 < right.min() < 5 - 2.5 < 5 + 2.5 < right.max() < 5 + 2.9
    area, _, _ = moments(Warp(0, 0, 0, 0.4))
    plain = float(disc.sum())
    assert plain / 2.1 < area.min() < plain / 1.5 < plain * 1.5 < area.max() < plain * 2.1


def test_warps_by_name_grow():
    assert list(WARPS) == ["none", "mild", "strong", "extreme"]
    for weaker, stronger in itertools.pairwise(list(WARPS.values())[1:]):
        assert all(getattr(weaker, name) < getattr(stronger, name) for name in vars(weaker))
