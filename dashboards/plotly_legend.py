"""The legend of an interactive figure: an entry per key that hides all of it, and what marks mean."""

from __future__ import annotations

from scaling.analysis import style
from scaling.analysis.figure import Figure, Kind
from scaling.analysis.legend import marked_keys, meanings, named_keys
from scaling.analysis.plots import LINES
from scaling.dashboards.plain_text import markup
from scaling.dashboards.plotly_layers import FILLED, WIDTHS, Look, dash_of, token
from scaling.dashboards.plotly_theme import Json

LONGEST = 96
"""Characters of an entry."""


def entries(figure: Figure, look: Look) -> list[Json]:
    """The keys, whose entries show and hide all that belongs to them, and below these the meanings,
    which do nothing when they are clicked."""
    kinds = {layer.kind for panel in figure.panels for layer in panel.layers}
    marked = marked_keys(figure)
    found = [
        {
            **_entry(label), "legendgroup": token(key), "uid": f"key-{token(key)}",
            "mode": "lines+markers" if key in marked else "lines",
            "line": {
                "color": look.colours[key], "width": 2.2, "dash": dash_of(look.dashes[key], 2.2),
            },
            **(
                {"marker": {"symbol": look.symbols[key], "size": 9, "color": look.colours[key]}}
                if key in marked else {}
            ),
        }
        for key, label in ((figure.keys[i], figure.labels[i]) for i in named_keys(figure))
    ]  # fmt: skip
    return found + [_meaning(kind, text, look) for kind, text in meanings(figure, kinds)]


def _entry(text: str) -> Json:
    return {
        "type": "scatter", "x": [None], "y": [None], "name": markup(text, LONGEST),
        "hoverinfo": "skip", "showlegend": True,
    }  # fmt: skip


def _meaning(kind: Kind, text: str, look: Look) -> Json:
    shapes: dict[Kind, Json] = {
        "seeds": {"marker": {"size": 5, "symbol": "circle"}},
        "configurations": {"marker": {"size": 9, "symbol": "circle-open"}},
        "frontier": {"marker": {"size": 11, "symbol": "circle"}},
        "band": {"line": {"width": 10, "dash": "solid"}, "opacity": 2 * FILLED},
        "beyond": {"line": {"width": 1.6, "dash": dash_of(style.BEYOND, 1.6)}},
    }
    dashes = dash_of(LINES.get(kind, "solid"), 1.3)
    shape = shapes.get(kind, {"line": {"width": WIDTHS.get(kind, 1.3), "dash": dashes}})
    part = "marker" if "marker" in shape else "line"
    return {
        **_entry(text), **shape, "uid": f"meaning-{kind}",
        "mode": "markers" if part == "marker" else "lines", "legend": "legend2",
        part: {"color": look.theme.muted, **shape[part]},
    }  # fmt: skip
