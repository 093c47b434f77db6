"""Marks, lines, bands and intervals as plotly's traces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

import numpy as np

from scaling.analysis import style
from scaling.analysis.axes import axes_of
from scaling.analysis.figure import Figure, Kind, Layer, Panel
from scaling.analysis.legend import MARKED, dashes_of
from scaling.analysis.result import number
from scaling.dashboards.plain_text import lines_of, markup
from scaling.dashboards.plotly_theme import SYMBOLS, Json, Theme, numbers

MANY = 3000
"""From so many points on marks are drawn by WebGL: slower for few, and not everywhere there."""
ORDER: tuple[Kind, ...] = (
    "band", "trail", "interval", "configurations", "seeds", "line", "curve", "beyond", "frontier",
)  # fmt: skip
"""What is drawn first lies below."""
WIDTHS: dict[str, float] = {"curve": 2.4, "trail": 0.9, "interval": 1.5}
"""Of lines, in pixels; all others are 1.6 wide."""
PALE = 0.5
"""How opaque the courses of runs are, and runs themselves where they are many: what counts is how
densely they lie. All other marks are opaque, so that their colours keep their contrast."""
FILLED = 0.2
"""How opaque a band is."""


@dataclass(frozen=True)
class Look:
    """What all layers of a figure share."""

    theme: Theme
    colours: Mapping[str, str]
    symbols: Mapping[str, str]
    dashes: Mapping[str, Any]
    """By key, as matplotlib takes them."""
    readings: str
    """The lines of a hover text that read the axes, as plotly's template."""
    many: bool
    """Whether there are many marks."""
    hover: Mapping[str, str]
    """What is shown of a mark besides, by id."""


def look_of(figure: Figure, theme: Theme, dark: bool, hover: Mapping[str, str]) -> Look:
    """How the layers of a figure are drawn."""
    x, y = axes_of(figure)
    points = sum(layer.x.size for p in figure.panels for layer in p.layers if layer.kind in MARKED)
    return Look(
        theme=theme,
        colours=style.colours(figure.series, figure.ordered, dark=dark),
        symbols={key: SYMBOLS[mark] for key, mark in style.markers(figure.series).items()},
        dashes=dashes_of(figure),
        readings=(
            f"{markup(figure.x_label)}: %{{x:{_form(x.low)}}}"
            f"<br>{markup(figure.y_label)}: %{{y:{_form(y.low)}}}"
        ),
        many=points > MANY,
        hover=hover,
    )


def traces(panel: Panel, place: int, look: Look) -> list[Json]:
    """The traces of one panel, from below; horizontal lines are the layout's.

    Args:
        panel: with axes.
        place: of the panel in the figure.
        look: of the figure.
    """
    found = []
    for kind in ORDER:
        layers = [layer for layer in panel.layers if layer.kind == kind]
        keys = dict.fromkeys(layer.key for layer in layers)
        for key in keys:
            mine = [layer for layer in layers if layer.key == key]
            for index, trace in enumerate(_traces(kind, key, mine, panel, look)):
                # By its name plotly finds what a reader hid, when other groups have come before it.
                name = f"{place}-{kind}-{token(key)}-{index}"
                found.append(
                    {
                        **trace, "name": markup(key), "legendgroup": token(key), "uid": name,
                        "showlegend": False,
                    }
                )  # fmt: skip
    return found


def _traces(kind: Kind, key: str, layers: Sequence[Layer], panel: Panel, look: Look) -> list[Json]:
    colour = look.colours.get(key, look.theme.muted)
    if kind in MARKED:
        return [_marks(layer, colour, look) for layer in layers]
    if kind == "band":
        return [_band(layer, colour) for layer in layers]
    if kind == "interval":
        return [_intervals(layer, colour) for layer in layers]
    width = WIDTHS.get(kind, 1.6)
    dashes = style.BEYOND if kind == "beyond" else look.dashes.get(key, "solid")
    drawn = {
        "type": "scatter", "mode": "lines", "opacity": PALE if kind == "trail" else 1.0,
        "line": {"color": colour, "width": width, "dash": dash_of(dashes, width)},
    }  # fmt: skip
    if kind == "trail":
        return [{**drawn, **_trails(layers, look)}]
    bands = [layer for layer in panel.layers if layer.kind == "band" and layer.key == key]
    return [{**drawn, **_line(layer, bands, look)} for layer in layers]


def _line(layer: Layer, bands: Sequence[Layer], look: Look) -> Json:
    lines = ["<b>%{fullData.name}</b>", look.readings]
    out: Json = {"x": numbers(layer.x), "y": numbers(layer.y)}
    if bands:
        out["text"] = [_interval_at(x, bands) for x in layer.x]
        lines.append("%{text}")
    return {**out, "hovertemplate": "<br>".join(lines) + "<extra></extra>"}


def _interval_at(x: float, bands: Sequence[Layer]) -> str:
    """What the band is at a place of its curve."""
    for band in bands:
        assert band.upper is not None
        if band.x.size and band.x[0] <= x <= band.x[-1]:
            low, high = (float(np.interp(x, band.x, edge)) for edge in (band.y, band.upper))
            return f"interval: {number(low)} to {number(high)}"
    return "no interval here"


def _trails(layers: Sequence[Layer], look: Look) -> Json:
    """Many lines as one trace, with gaps between them: a trace each would be slow."""
    x: list[float | None] = []
    y: list[float | None] = []
    ids: list[str] = []
    for layer in layers:
        x += [*numbers(layer.x), None]
        y += [*numbers(layer.y), None]
        ids += [*(layer.ids or ("",))] * (layer.x.size + 1)
    return {"x": x, "y": y, "connectgaps": False, **_told(tuple(ids), look)}


def _marks(layer: Layer, colour: str, look: Look) -> Json:
    symbol = look.symbols.get(layer.key, "circle")
    style_of: dict[str, Json] = {
        "seeds": {"size": 5, "symbol": "circle"},
        "configurations": {"size": 9, "symbol": f"{symbol}-open"},
        "frontier": {
            "size": 11,
            "symbol": symbol,
            "line": {"width": 1.2, "color": look.theme.paper},
        },
    }
    opacity = PALE if look.many and layer.kind == "seeds" else 1.0
    return {
        "type": "scattergl" if look.many else "scatter", "mode": "markers",
        "x": numbers(layer.x), "y": numbers(layer.y),
        "marker": {"color": colour, "opacity": opacity, **style_of[layer.kind]},
        **_told(layer.ids, look),
    }  # fmt: skip


def _told(ids: Sequence[str], look: Look) -> Json:
    """Ids, and what is shown where the pointer is."""
    lines = ["<b>%{fullData.name}</b>", look.readings]
    out: Json = {"customdata": list(ids)} if ids else {}
    known = {one: lines_of(look.hover[one]) for one in dict.fromkeys(ids) if one in look.hover}
    if known:
        out["text"] = [known.get(one, "") for one in ids]
        lines.append("%{text}")
    return {**out, "hovertemplate": "<br>".join(lines) + "<extra></extra>"}


def _band(layer: Layer, colour: str) -> Json:
    assert layer.upper is not None
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return {
        "type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": {"width": 0},
        "x": numbers(layer.x) + numbers(layer.x[::-1]),
        "y": numbers(layer.upper) + numbers(layer.y[::-1]),
        "fill": "toself", "fillcolor": f"rgba({red},{green},{blue},{FILLED})",
    }  # fmt: skip


def _intervals(layer: Layer, colour: str) -> Json:
    assert layer.upper is not None
    ends = zip(numbers(layer.x), numbers(layer.y), numbers(layer.upper))
    points = [(x, value) for x, low, high in ends for value in (low, high, None)]
    return {
        "type": "scatter", "mode": "lines", "hoverinfo": "skip", "connectgaps": False,
        "x": [x for x, _ in points], "y": [value for _, value in points],
        "line": {"color": colour, "width": WIDTHS["interval"]},
    }  # fmt: skip


def dash_of(dashes: Any, width: float) -> str:
    """Plotly's name of matplotlib's dashes, which are counted in line widths."""
    if dashes == "solid":
        return "solid"
    return ",".join(f"{part * width:.3g}px" for part in dashes[1])


def token(key: str) -> str:
    """A key as a short name that stays the same."""
    return blake2s(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _form(low: float) -> str:
    """How numbers of an axis are written: with prefixes from one on, `1.234M`, but not `1.2m`."""
    return ".4~s" if low >= 1000 else ".5~g"
