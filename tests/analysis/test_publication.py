"""Figures for print: for the colour-blind, in grey, in the columns of a paper."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest

from scaling.analysis import style
from scaling.analysis.figures import Drawing, figures
from scaling.analysis.law import Array
from scaling.analysis.page import COLUMNS, SCREEN, page_of
from scaling.analysis.plots import draw, write_plots
from scaling.analysis.summary import analyse
from scaling.analysis.text import width_of, wrapped

BLIND = {
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
"""Of linear RGB, at full severity: Machado, Oliveira and Fernandes 2009."""
XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
     [0.0193339, 0.1191920, 0.9503041]]
)  # fmt: skip
"""From linear sRGB, D65."""


def linear(colour: str) -> Array:
    rgb = np.array(mpl.colors.to_rgb(colour))
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def lab(rgb: Array) -> Array:
    """CIELAB of linear sRGB."""
    xyz = XYZ @ np.clip(rgb, 0, 1) / (XYZ @ np.ones(3))
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def distances(colours: Any, seen: Any) -> list[float]:
    """CIE 1976 distances of all pairs, as seen through a matrix of linear RGB."""
    places = [lab(np.array(seen) @ linear(colour)) for colour in colours]
    return [float(np.linalg.norm(a - b)) for a, b in combinations(places, 2)]


@pytest.mark.parametrize(("kind", "least"), [("protanopia", 17.6), ("deuteranopia", 19.3)])
def test_colours_differ_for_the_colour_blind(kind: str, least: float) -> None:
    """A distance of 2.3 is just noticed; the smallest of each kind is stated."""
    assert min(distances(style.CATEGORIES, BLIND[kind])) == pytest.approx(least, abs=0.1)


def test_groups_differ_in_grey() -> None:
    """By their marks; and by dashes where a figure has no marks, neighbour from neighbour."""
    keys = [f"k{i}" for i in range(len(style.MARKERS))]
    assert len(set(style.markers(keys).values())) == len(keys)
    dashes = style.dashes(keys, told=False)
    assert all(dashes[a] != dashes[b] for a, b in pairwise(keys))
    assert len(set(map(str, dashes.values()))) == len(style.DASHES)
    assert str(style.BEYOND) not in map(str, style.DASHES)  # an extrapolation is no other group


def test_steps_of_a_quantity_differ_in_grey() -> None:
    """From dark to light, each a step of lightness from the one before."""
    colours = style.colours([f"k{i}" for i in range(6)], ordered=True).values()
    lightness = [lab(linear(colour))[0] for colour in colours]
    assert min(np.diff(lightness)) > 5


def test_widths_are_of_what_is_drawn() -> None:
    """Measured widths hold the text as it is rendered, and by no more than a tenth."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(dpi=300)
    renderer: Any = FigureCanvasAgg(canvas).get_renderer()
    for text in ("training compute (FLOPs)", "illicit", "WWWMMM", "3·10¹²"):
        for bold in (False, True):
            drawn = canvas.text(
                0, 0, text, fontsize=8, weight="bold" if bold else "normal",
                family=style.STYLE["font.family"],
            ).get_window_extent(renderer).width / 300  # fmt: skip
            assert drawn <= width_of(text, 8, bold=bold) <= 1.12 * drawn + 0.02


@pytest.mark.parametrize(
    "text", ["a few words to break", "x" * 300, "", "two  blanks", "模型 " * 40]
)
def test_wrapped_text_fits_and_loses_nothing(text: str) -> None:
    lines = wrapped(text, 1.0, 8)
    assert all(width_of(line, 8) <= 1.0 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")
    (short,) = wrapped(text, 1.0, 8, most=1)
    assert width_of(short, 8) <= 1.0
    assert (short == text) or short.endswith("…")


NAMES = {
    "astro with sub-sequences and gating": (30.0, 0.2),
    "two towers, a name that goes on and on and on": (34.0, 0.2),
    "transformer": (32.0, 0.197),
}


@pytest.fixture(scope="module")
def drawings(simulate: Callable[..., pd.DataFrame]) -> list[Drawing]:
    """Of three architectures with long names, four sizes each."""
    return figures(analyse(simulate(NAMES, sizes=4, seeds=1), comparison_draws=200))[0]


@pytest.mark.parametrize("column", ["single", pytest.param("double", marks=pytest.mark.slow), None])
def test_nothing_is_clipped_or_lies_on_other_text(
    drawings: list[Drawing], column: str | None
) -> None:
    page = page_of(column)
    for figure in drawings:
        canvas = draw(figure, page)
        assert canvas.get_figwidth() in (page.width, page.wide)
        renderer = canvas.canvas.get_renderer()  # type: ignore[attr-defined]
        box = canvas.bbox
        for part in canvas.subfigs:
            boxes = [one.get_window_extent(renderer) for one in (*part.legends, *part.texts)]
            boxes += [axes.get_tightbbox(renderer) for axes in part.axes if axes.get_visible()]
            if part._suptitle is not None and part._suptitle not in part.texts:  # type: ignore[attr-defined]
                boxes.append(part._suptitle.get_window_extent(renderer))  # type: ignore[attr-defined]
            for one in boxes:
                assert one.x0 >= box.x0 - 1, figure.name
                assert one.x1 <= box.x1 + 1, figure.name
                assert one.y0 >= box.y0 - 1, figure.name
                assert one.y1 <= box.y1 + 1, figure.name
            for a, b in combinations(boxes, 2):
                apart = (
                    a.x1 <= b.x0 + 2 or b.x1 <= a.x0 + 2 or a.y1 <= b.y0 + 2 or b.y1 <= a.y0 + 2
                )  # fmt: skip
                assert apart, figure.name
        for axes in (axes for part in canvas.subfigs for axes in part.axes if axes.get_visible()):
            labels = [t.get_window_extent(renderer) for t in axes.get_xticklabels() if t.get_text()]
            assert all(a.x1 < b.x0 for a, b in pairwise(labels)), figure.name
            sizes = [t.get_fontsize() for t in axes.texts + axes.get_xticklabels()]
            assert min(sizes, default=6.0) >= 6.0


def test_files_of_a_paper(drawings: list[Drawing], tmp_path: Path) -> None:
    formats = ("png", "svg", "pdf")
    drawings = drawings[:1]
    paths = write_plots(tmp_path / "a", drawings, formats=formats, column="single")
    assert [path.suffix for path in paths] == [".png", ".svg", ".pdf"]
    png, vector, pdf = paths
    assert png.read_bytes()[16:20] == int(3.4 * 300).to_bytes(4, "big")
    assert ET.parse(vector).getroot().get("width") == f"{3.4 * 72:g}pt"
    assert pdf.read_bytes().startswith(b"%PDF")
    assert b"/TrueType" in pdf.read_bytes() or b"/CIDFontType2" in pdf.read_bytes()
    assert b"/Type3" not in pdf.read_bytes()
    again = write_plots(tmp_path / "b", drawings, formats=formats, column="single")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_unknown_formats_and_columns_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown format 'gif'; valid: png, svg, pdf"):
        write_plots(tmp_path, [], formats=("gif",))
    with pytest.raises(ValueError, match="unknown column 'triple'; valid: single, double"):
        write_plots(tmp_path, [], column="triple")
    assert list(tmp_path.iterdir()) == []
    assert page_of(None) is SCREEN
    assert [page.width for page in COLUMNS.values()] == [3.4, 7.0]
