"""Interactive figures: names are text, hovering tells the rest, colours can be seen."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from scaling.analysis import style
from scaling.analysis.bars import BarPanel, Bars, Forest, ForestPanel, TimeBars
from scaling.analysis.figure import Figure, Layer, Panel
from scaling.analysis.figures import Drawing
from scaling.analysis.temperatures import HeatMap, HeatPanel
from scaling.dashboards.plain_text import shown
from scaling.dashboards.plotly_figure import plotly_figure
from scaling.dashboards.plotly_layers import MANY
from scaling.dashboards.plotly_theme import DARK, LIGHT, Theme

HOSTILE = (
    "<script>alert(1)</script>", '<a href="javascript:alert(1)">x</a>', "<b>a</b><br>\nb",
    "%{x} %{customdata} $y_1$", "\"quoted' &lt;b&gt; &amp;", "\u202eturned\u202c שלום", "A" * 10**6,
)  # fmt: skip
OUR_MARKUP = {"<b>", "</b>", "<br>", "<extra>", "</extra>"}
READINGS = re.compile(r"%\{(x|y|text|customdata|fullData\.name)(:[^}]*)?\}")
X = np.array([1e10, 1e11, 1e12])


def texts(value: Any, name: str = "") -> Iterator[tuple[str, str]]:
    """Every string of a figure with the name that it stands under, but for ids."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from texts(one, key)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one, name)


def seeds(key: str, *, count: int = 3, first: int = 0) -> Layer:
    x = np.geomspace(1e10, 1e12, count)
    ids = tuple(f"run{first + i}" for i in range(count))
    return Layer("seeds", key, x, np.linspace(1, 2, count), ids=ids)


def figure(*layers: Layer, keys: tuple[str, ...] = ("astro", "hstu")) -> Figure:
    return Figure(
        "f", "", "compute (FLOPs)", "loss", (Panel("", layers),), keys, keys, False, "best"
    )


def hostile() -> list[Drawing]:
    count = len(HOSTILE)
    values = np.linspace(1, 2, count)
    lines = [Layer("reference", name, np.array([]), np.array([1.3])) for name in HOSTILE]
    curves = [Layer("curve", name, X, np.array([1.0, 1.5, 2.0])) for name in HOSTILE]
    marks = [seeds(name) for name in HOSTILE]
    panel = Panel(HOSTILE[0], (*lines, *curves, *marks))
    days = np.array(["2024-01-01", "2024-01-02"], "datetime64[s]")
    a, b, c = HOSTILE[0], HOSTILE[1], HOSTILE[3]
    square = np.full((count, count), 1.5)
    return [
        Figure("f", a, b, c, (panel, panel), HOSTILE, HOSTILE, False, a, meanings=(("curve", b),)),
        HeatMap("h", a, b, c, (HeatPanel(a, HOSTILE, HOSTILE, square, (HOSTILE,) * count),), ()),
        Bars("b", a, (BarPanel(a, HOSTILE, values / 9),), ()),
        TimeBars("t", a, b, days, np.array([1.0]), ((c, days[0]), (a, days[1])), ()),
        Forest("o", a, b, (ForestPanel(a, HOSTILE, values, values, values),), 1.0, True, ()),
    ]


@pytest.mark.parametrize("drawing", hostile(), ids=lambda one: type(one).__name__)
def test_names_are_text_whatever_they_hold(drawing: Drawing) -> None:
    hover = {"run1": "\n".join(HOSTILE), "run2": HOSTILE[6]}
    made = plotly_figure(drawing, hover=hover)
    found = list(texts(made))
    assert len(json.dumps(made)) < 60_000
    for name, text in found:
        assert set(re.findall(r"<[^>]*>?", text)) <= OUR_MARKUP, (name, text)
        assert len(text) < 1500
        templates = ("hovertemplate", "texttemplate")
        assert "%{" not in (READINGS.sub("", text) if name in templates else text)
        assert not re.search(r"\$.*\$", text)
        assert "\u202e" not in text
        assert "\n" not in text
    told = html.unescape(" ".join(text for _, text in found))
    assert HOSTILE[0] in told


def test_what_is_shown_of_a_name() -> None:
    assert shown("plain µ שלום 名") == "plain µ שלום 名"
    assert shown("a\nb\tc\x00\u202e\u200b") == "a b c\ufffd\ufffd\ufffd"
    assert len(shown("A" * 10**6)) == 80
    assert shown("A" * 10**6)[35:45].strip("A") == "…"


def test_marks_carry_their_id_and_what_is_told_of_it() -> None:
    hover = {"run1": "depth: 2\nwidth: <32>"}
    made = plotly_figure(figure(seeds("astro"), seeds("hstu", first=3)), hover=hover)
    astro, hstu = made["data"][:2]
    assert astro["customdata"] == ["run0", "run1", "run2"]
    assert astro["text"] == ["", "depth: 2<br>width: &lt;32&gt;", ""]
    assert "%{text}" in astro["hovertemplate"]
    assert "compute (FLOPs): %{x" in astro["hovertemplate"]
    assert "text" not in hstu
    assert "%{text}" not in hstu["hovertemplate"]


def test_a_curve_tells_its_interval_where_there_is_one() -> None:
    band = Layer("band", "astro", X[:2], np.array([0.9, 1.3]), np.array([1.1, 1.7]))
    curves = [Layer("curve", key, X, np.array([1.0, 1.5, 2.0])) for key in ("astro", "hstu")]
    made = plotly_figure(figure(*curves, band))["data"]
    told = {t["name"]: t.get("text") for t in made if t.get("line", {}).get("width") == 2.4}
    assert told == {
        "astro": ["interval: 0.9 to 1.1", "interval: 1.3 to 1.7", "no interval here"], "hstu": None,
    }  # fmt: skip


def test_many_runs_are_drawn_by_webgl() -> None:
    for count, kind in ((MANY, "scatter"), (MANY + 1, "scattergl")):
        made = plotly_figure(figure(seeds("astro", count=count)))
        assert made["data"][0]["type"] == kind


def test_courses_of_many_runs_are_one_trace() -> None:
    trails = [replace(seeds("astro"), kind="trail", ids=(f"run{i}",)) for i in range(40)]
    trace, *entries = plotly_figure(figure(*trails), hover={"run3": "told"})["data"]
    assert [entry["showlegend"] for entry in entries] == [True] * len(entries)
    assert trace["x"].count(None) == 40
    assert trace["customdata"][:5] == ["run0"] * 4 + ["run1"]
    assert [i for i, text in enumerate(trace["text"]) if text] == [12, 13, 14, 15]


def test_a_hidden_group_stays_hidden_when_another_comes() -> None:
    before = plotly_figure(figure(seeds("hstu"), keys=("hstu",)))["data"]
    after = plotly_figure(figure(seeds("astro"), seeds("hstu")))["data"]
    known = {trace["uid"]: trace["name"] for trace in after}
    assert [known[trace["uid"]] for trace in before] == [trace["name"] for trace in before]


@pytest.mark.parametrize(("theme", "dark"), [(LIGHT, False), (DARK, True)])
def test_colours_have_contrast_to_the_page(theme: Theme, dark: bool) -> None:
    for text in (theme.ink, theme.muted):
        assert contrast(text, theme.paper) >= 4.5
    keys = [f"key {i}" for i in range(12)]
    for ordered in (False, True):
        for colour in style.colours(keys, ordered, dark=dark).values():
            assert contrast(colour, theme.paper) >= 3.0, colour
    made = plotly_figure(figure(seeds("astro")), dark=dark)
    assert made["layout"]["font"]["color"] == theme.ink
    assert made["data"][0]["marker"]["opacity"] == 1.0


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 defines it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
