"""Interactive figures: plotly draws the same plain data as `scaling.analysis.plots`."""

from __future__ import annotations

from collections.abc import Mapping

from scaling.analysis import style
from scaling.analysis.axes import Axis, axes_of
from scaling.analysis.bars import Bars, Forest, TimeBars
from scaling.analysis.figure import Figure, Kind, Layer, Panel
from scaling.analysis.figures import Drawing
from scaling.analysis.legend import meanings
from scaling.analysis.result import number
from scaling.analysis.temperatures import HeatMap
from scaling.dashboards.plain_text import markup
from scaling.dashboards.plotly_bars import bars, forest, time_bars
from scaling.dashboards.plotly_heat import heat_map
from scaling.dashboards.plotly_theme import (
    SYMBOLS,
    Json,
    Theme,
    axis,
    layout,
    number_of,
    numbers,
    panel_title,
    places,
    theme,
)

MANY = 2000
"""From so many marks on they are drawn by WebGL, which is slower for few and faster for many."""
_MARKED: tuple[Kind, ...] = ("seeds", "configurations", "frontier")
_HEIGHT = {1: 400, 2: 360}
"""Pixels of a panel, by columns."""

Hover = Mapping[str, str]


def plotly_figure(drawing: Drawing, *, dark: bool = False, hover: Hover | None = None) -> Json:
    """A figure as plotly's JSON: `data` and `layout`.

    Args:
        drawing: plain data; title and notes are for the page around it.
        dark: whether the page is dark.
        hover: what is shown beside the numbers of a mark, by its id (`Layer.ids`); lines of plain
            text. A mark's id stands in its `customdata`.
    """
    look = theme(dark)
    if isinstance(drawing, HeatMap):
        return heat_map(drawing, look)
    if isinstance(drawing, Bars):
        return bars(drawing, look, dark)
    if isinstance(drawing, TimeBars):
        return time_bars(drawing, look, dark)
    if isinstance(drawing, Forest):
        return forest(drawing, look, dark)
    return _figure(drawing, look, dark, hover or {})


def _figure(figure: Figure, look: Theme, dark: bool, hover: Hover) -> Json:
    columns = min(len(figure.panels), 2)
    rows = -(-len(figure.panels) // columns)
    kinds = dict.fromkeys(layer.kind for panel in figure.panels for layer in panel.layers)
    told = meanings(figure, set(kinds))
    height = _HEIGHT[columns] * rows
    out = layout(look, height=height, entries=len(figure.keys) + len(told))
    x, y = axes_of(figure)
    colours = style.colours(figure.keys, figure.ordered, dark=dark)
    markers = {key: SYMBOLS[m] for key, m in style.markers(figure.keys).items()}
    many = sum(layer.x.size for p in figure.panels for layer in p.layers) > MANY
    data: list[Json] = []
    spots = places(len(figure.panels), columns, (0.07, 0.2 / rows if rows > 1 else 0))
    for index, (panel, (across, up)) in enumerate(zip(figure.panels, spots)):
        suffix = number_of(index)
        first_column, shared = index % columns == 0, {} if index == 0 else {"matches": "y"}
        out[f"xaxis{suffix}"] = {
            **axis(x, figure.x_label, look), **across, "anchor": f"y{suffix}",
            **({} if index == 0 else {"matches": "x"}),
        }  # fmt: skip
        out[f"yaxis{suffix}"] = {
            **axis(y, figure.y_label if first_column else "", look), **up, **shared,
            "anchor": f"x{suffix}", "showticklabels": first_column,
        }  # fmt: skip
        if panel.title:
            out["annotations"].append(panel_title(panel.title, across, up))
        where = {"xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
        for layer in sorted(panel.layers, key=lambda one: _ORDER.index(one.kind)):
            colour = colours.get(layer.key, look.muted)
            symbol = markers.get(layer.key, "circle")
            trace = _trace(layer, colour, symbol, look, hover, x, many)
            data.append({**trace, **where, "legendgroup": layer.key, "showlegend": False})
        out["annotations"] += _names(panel, x, look, where)
    marked = not kinds.keys().isdisjoint(_MARKED)
    data += [
        _entry(label, key, colours[key], markers[key] if marked else None)
        for key, label in zip(figure.keys, figure.labels)
    ]
    data += [_meaning(kind, text, look) for kind, text in told]
    return {"data": data, "layout": out}


_ORDER: tuple[Kind, ...] = (
    "band", "floor", "reference", "interval", "configurations", "seeds", "line", "curve", "beyond",
    "frontier",
)  # fmt: skip
"""What is drawn first lies below."""


def _trace(
    layer: Layer, colour: str, symbol: str, look: Theme, hover: Hover, x: Axis, many: bool
) -> Json:
    if layer.kind in _MARKED:
        return _marks(layer, colour, symbol, look, hover, many)
    if layer.kind == "band":
        assert layer.upper is not None
        return {
            "type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": {"width": 0},
            "x": numbers(layer.x) + numbers(layer.x[::-1]),
            "y": numbers(layer.upper) + numbers(layer.y[::-1]),
            "fill": "toself", "fillcolor": _faint(colour),
        }  # fmt: skip
    if layer.kind == "interval":
        assert layer.upper is not None
        ends = zip(numbers(layer.x), numbers(layer.y), numbers(layer.upper))
        bars = [(x, value) for x, low, high in ends for value in (low, high, None)]
        return {
            "type": "scatter", "mode": "lines", "hoverinfo": "skip", "connectgaps": False,
            "x": [place for place, _ in bars], "y": [value for _, value in bars],
            "line": {"color": colour, "width": 1.3},
        }  # fmt: skip
    if layer.kind in ("floor", "reference"):
        value = float(layer.y[0])
        return {
            "type": "scatter", "mode": "lines", "x": [x.low, x.high], "y": [value, value],
            "line": {"color": look.muted, "width": 1.3, "dash": _DASHES[layer.kind]},
            "hoverinfo": "skip",
        }  # fmt: skip
    width = 2.4 if layer.kind == "curve" else 1.6
    dash = _DASHES.get(layer.kind, "solid")
    return {
        "type": "scatter", "mode": "lines", "x": numbers(layer.x), "y": numbers(layer.y),
        "line": {"color": colour, "width": width, "dash": dash},
        "hovertemplate": f"{markup(layer.key)}<br>%{{x:.4s}}, %{{y:.5g}}<extra></extra>",
    }  # fmt: skip


_DASHES = {"floor": "longdash", "reference": "dot", "beyond": "dash"}


def _marks(layer: Layer, colour: str, symbol: str, look: Theme, hover: Hover, many: bool) -> Json:
    style_of: dict[str, Json] = {
        "seeds": {"size": 5, "opacity": 0.55, "symbol": "circle"},
        "configurations": {"size": 9, "opacity": 0.9, "symbol": f"{symbol}-open"},
        "frontier": {"size": 11, "symbol": symbol, "line": {"width": 1.2, "color": look.paper}},
    }
    lines = ["%{x:.4s}, %{y:.6g}"]
    out: Json = {
        "type": "scattergl" if many else "scatter", "mode": "markers",
        "x": numbers(layer.x), "y": numbers(layer.y),
        "marker": {"color": colour, **style_of[layer.kind]},
    }  # fmt: skip
    if layer.ids:
        out["customdata"] = list(layer.ids)
        texts = [_lines(hover[i]) if i in hover else "" for i in layer.ids]
        if any(texts):
            out["text"] = texts
            lines.append("%{text}")
    out["hovertemplate"] = "<br>".join([f"<b>{markup(layer.key)}</b>", *lines]) + "<extra></extra>"
    return out


def _lines(text: str) -> str:
    return "<br>".join(markup(line) for line in text.splitlines()[:40])


def _names(panel: Panel, x: Axis, look: Theme, where: Mapping[str, str]) -> list[Json]:
    """What the horizontal lines are, above them."""
    found = []
    for layer in panel.layers:
        if layer.kind not in ("floor", "reference"):
            continue
        value = float(layer.y[0])
        name = "known floor" if layer.kind == "floor" else markup(layer.key, 24)
        found.append(
            {
                "text": f"{name} {number(value)}", "xref": f"{where['xaxis']} domain",
                "yref": where["yaxis"], "x": 0.005, "y": value, "xanchor": "left",
                "yanchor": "bottom", "showarrow": False, "font": {"size": 11, "color": look.muted},
            }
        )  # fmt: skip
    return found


def _entry(label: str, key: str, colour: str, symbol: str | None) -> Json:
    """A legend's entry, which shows and hides all that belongs to the key."""
    mode = "lines+markers" if symbol else "lines"
    marker = {"marker": {"symbol": symbol, "size": 9, "color": colour}} if symbol else {}
    return {
        "type": "scatter", "mode": mode, "x": [None], "y": [None], "name": markup(label, 110),
        "legendgroup": key, "showlegend": True, "line": {"color": colour, "width": 2.2},
        "hoverinfo": "skip", **marker,
    }  # fmt: skip


def _meaning(kind: Kind, text: str, look: Theme) -> Json:
    """A legend's entry that says what marks of a kind are."""
    shapes: dict[Kind, Json] = {
        "seeds": {"mode": "markers", "marker": {"size": 5, "symbol": "circle"}},
        "configurations": {"mode": "markers", "marker": {"size": 9, "symbol": "circle-open"}},
        "frontier": {"mode": "markers", "marker": {"size": 11, "symbol": "circle"}},
        "band": {"mode": "lines", "line": {"width": 9, "color": _faint(look.muted)}},
        "interval": {"mode": "lines", "line": {"width": 1.3}},
    }
    shape = shapes.get(kind, {"mode": "lines", "line": {"width": 1.6, "dash": _DASHES.get(kind)}})
    part = "marker" if shape["mode"] == "markers" else "line"
    shape = {**shape, part: {"color": look.muted, **shape[part]}}
    return {
        "type": "scatter", "x": [None], "y": [None], "name": markup(text, 110), "hoverinfo": "skip",
        "showlegend": True, "legendgroup": f"meaning {kind}", **shape,
    }  # fmt: skip


def _faint(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.2)"
