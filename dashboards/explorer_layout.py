"""The explorer's page: native controls with labels, one figure, and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dash import dcc, html

from scaling.dashboards.explorer_filters import Axis
from scaling.dashboards.explorer_state import RANGE
from scaling.units import MISSING

PULSE_MS = 2000
"""Between two questions of a page whether there is anything new."""
SELECTS = {
    "figure-kind": ("figure", "Figure"),
    "metric": ("metric", "Metric"),
    "cost": ("cost", "Cost axis"),
    "counting": ("counting", "FLOPs counted"),
    "law": ("law", "Scaling law"),
    "group": ("by", "Groups"),
}
"""Element to the name in the state, and its label."""
CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "scrollZoom": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "toImage", "sendChartToCloud"],
    "plotlyServerURL": "",
}
"""Of plotly.js; nothing of it sends a figure anywhere."""
HEADLESS = """<!DOCTYPE html>
<html lang="en">
<head>
{%metas%}
<title>{%title%}</title>
{%favicon%}
{%css%}
</head>
<body>
{%app_entry%}
<footer>
{%config%}
{%scripts%}
{%renderer%}
</footer>
</body>
</html>
"""
"""Dash's page with a language. Asking for plotly.js at once gains nothing: compiling it is what takes time."""


def layout(source: str) -> html.Div:
    """The page before anything is known.

    Args:
        source: what the runs come from.
    """
    return html.Div(
        [
            html.A("Skip to the figure", href="#main", className="skip"),
            *_memory(),
            html.Header(
                [
                    html.H1("Scaling explorer"),
                    html.P(source, className="muted source", title=source),
                    html.Button("Dark", id="theme", type="button", **{"aria-pressed": "false"}),
                ]
            ),
            html.Div([_controls(), _main()], className="columns"),
        ],
        id="page",
    )


def _memory() -> list[Any]:
    return [
        dcc.Location(id="url", refresh=False),
        dcc.Interval(id="pulse", interval=PULSE_MS),
        dcc.Store(id="form", data={}),
        dcc.Store(id="state"),
        dcc.Store(id="choices"),
        dcc.Store(id="revision"),
        dcc.Store(id="theme-now"),
        dcc.Store(id="fit-order"),
        dcc.Store(id="fit-done"),
        dcc.Store(id="fitted"),
        dcc.Store(id="fit-running", data=False),
        dcc.Download(id="download"),
    ]


def _controls() -> html.Details:
    selects = [
        html.Div(
            [
                html.Label(label, htmlFor=name),
                html.Select(id=name, **{"data-choice": key}),
            ],
            className="field",
        )
        for name, (key, label) in SELECTS.items()
    ]
    return html.Details(
        [
            html.Summary("What to show"),
            html.Form(
                [
                    _checks("sweeps", "Sweeps"),
                    _checks("architectures", "Architectures"),
                    *selects,
                    html.Fieldset(
                        [
                            html.Legend("Filters"),
                            html.Div(id="filters"),
                            html.Button("Show all runs", id="reset", type="button"),
                        ]
                    ),
                ],
                id="controls",
                **{"aria-label": "What to show"},
            ),
        ],
        id="panel",
        open=True,
    )


def _checks(name: str, label: str) -> html.Fieldset:
    return html.Fieldset(
        [html.Legend(label), dcc.Checklist(id=name, options=[], value=[], className="checks")]
    )


def _main() -> html.Main:
    return html.Main(
        [
            html.Div(id="lost", role="alert"),
            html.Div(id="error", role="alert"),
            html.Div(
                [
                    html.P("Reading runs ...", id="status", role="status"),
                    html.Div(
                        [
                            html.Span(id="progress-words"),
                            html.Progress(
                                id="progress", max="1", value="0", **{"aria-label": "Fit"}
                            ),
                            html.Button("Cancel", id="cancel", type="button", disabled=True),
                        ],
                        id="working",
                        hidden=True,
                    ),
                    html.Button("Refit", id="refit", type="button"),
                    html.Button("Read all again", id="again", type="button"),
                ],
                className="bar",
            ),
            html.Section(
                [
                    html.H2(id="figure-title"),
                    html.Div(id="empty", hidden=True),
                    dcc.Graph(id="figure", config=CONFIG, responsive=True),
                    html.Div(id="notes", className="muted"),
                ],
                id="figure-section",
                **{"aria-label": "Figure"},
            ),
            html.Div(
                [
                    html.Button("Figure as SVG", id="download-figure", type="button"),
                    html.Button("as PNG", id="download-png", type="button"),
                    html.Button("for print (SVG)", id="download-print", type="button"),
                    html.Button("Data (CSV)", id="download-data", type="button"),
                ],
                className="bar",
                role="group",
                **{"aria-label": "Downloads"},
            ),
            html.Section(
                [html.H2("What the fit says"), html.Div(id="verdict")],
                **{"aria-label": "What the fit says"},
            ),
            html.Section(
                [
                    html.H2("One run"),
                    html.Div(
                        [
                            html.Label("Run", htmlFor="run"),
                            html.Select(id="run", **{"data-choice": "run"}),
                            html.Span(id="run-note", className="muted"),
                        ],
                        className="field wide",
                    ),
                    html.Div(id="run-details", **{"aria-live": "polite"}),
                ],
                **{"aria-label": "One run"},
            ),
        ],
        id="main",
        tabIndex="-1",
    )


def options(values: Mapping[str, str], none: str | None = None) -> list[html.Option]:
    """Of a select; `none` is what its first, empty one says."""
    first = [] if none is None else [html.Option(none, value="")]
    return first + [html.Option(words, value=value) for value, words in values.items()]


def filters(axes: Sequence[Axis], held: Mapping[str, Sequence[str]]) -> list[html.Details]:
    """A part to open for each axis, with what passes now."""
    found = []
    for axis in axes:
        words = axis.name.replace("_", " ")
        inside: list[Any]
        if axis.values:
            inside = [
                dcc.Checklist(
                    id={"type": "values", "axis": axis.name},
                    options=[{"label": value, "value": value} for value in axis.values],
                    value=[v for v in held.get(axis.name, axis.values) if v in axis.values],
                    className="checks",
                )
            ]
        else:
            ends = (held.get(axis.name) or [RANGE])[0].partition(RANGE)[::2]
            inside = [
                html.Div(
                    [
                        html.Label(f"{word} {words}", htmlFor=f"{axis.name}-{end}"),
                        html.Div(
                            dcc.Input(
                                id={"type": end, "axis": axis.name},
                                value=text,
                                debounce=True,
                                placeholder=f"{limit:.4g}",
                                inputMode="decimal",
                            ),
                            **{"data-labelled": f"{word} {words}"},
                        ),
                    ],
                    className="field",
                )
                for end, word, text, limit in (
                    ("low", "lowest", ends[0], axis.low),
                    ("high", "highest", ends[1], axis.high),
                )
            ]
        opened = axis.name in held
        found.append(
            html.Details([html.Summary(words), *inside], open=opened, key=axis.name)
            if opened
            else html.Details([html.Summary(words), *inside], key=axis.name)
        )
    return found


def table(head: Sequence[str], rows: Sequence[Sequence[str]], label: str) -> html.Div:
    """A table that scrolls sideways where it is wide, by keyboard, too."""
    return html.Div(
        html.Table(
            [
                html.Thead(html.Tr([html.Th(cell, scope="col") for cell in head])),
                html.Tbody([html.Tr([html.Td(cell or MISSING) for cell in row]) for row in rows]),
            ]
        ),
        className="wide-table",
        tabIndex="0",
        role="region",
        **{"aria-label": label},
    )
