"""The data behind a figure, as a table."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from scaling.analysis.bars import Bars, Forest, TimeBars
from scaling.analysis.figure import Figure
from scaling.analysis.figures import Drawing
from scaling.analysis.temperatures import HeatMap

KEYED: dict[type, tuple[str, ...]] = {
    Figure: ("panel", "kind", "key", "x", "y", "upper", "id"),
    HeatMap: ("panel", "row", "column", "value", "text"),
    Bars: ("panel", "label", "share"),
    TimeBars: ("kind", "key", "start", "end", "count"),
    Forest: ("panel", "label", "value", "lower", "upper"),
}
"""The columns of the table of each type."""


def figure_table(drawing: Drawing) -> pd.DataFrame:
    """What is drawn, a row per mark, in the order of the drawing; numbers unrounded.

    Returns:
        the columns of `KEYED`. Of a figure `x` and `y` are what its axes say, `upper` is the other
        end of a band or an interval, `id` the run, row or configuration that a mark shows; a
        horizontal line (`floor`, `reference`) has no x. Of time bars `kind` is `count`, or `mark`
        for what begins at `start`. Nothing at a place is NaN, and an empty text.
    """
    columns = list(KEYED[type(drawing)])
    if isinstance(drawing, Figure):
        rows = _layers(drawing)
    elif isinstance(drawing, HeatMap):
        rows = _cells(drawing)
    elif isinstance(drawing, Bars):
        rows = [
            (panel.title, label, share)
            for panel in drawing.panels
            for label, share in zip(panel.labels, panel.shares)
        ]
    elif isinstance(drawing, TimeBars):
        periods = zip(drawing.starts, drawing.starts[1:], drawing.counts)
        rows = [("count", "", start, end, count) for start, end, count in periods]
        nothing = np.datetime64("NaT")
        rows += [("mark", name, moment, nothing, np.nan) for name, moment in drawing.marks]
    else:
        rows = [
            (panel.title, *row)
            for panel in drawing.panels
            for row in zip(panel.labels, panel.values, panel.lower, panel.upper)
        ]
    return pd.DataFrame(rows, columns=columns)


def write_tables(directory: Path, drawings: Sequence[Drawing]) -> list[Path]:
    """Write the table of every drawing as NAME.csv, aside and then renamed."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for drawing in drawings:
        path = directory / f"{drawing.name}.csv"
        aside = path.with_name(f".{path.name}.{os.getpid()}.partial")
        try:
            figure_table(drawing).to_csv(aside, index=False)
            aside.replace(path)
        finally:
            aside.unlink(missing_ok=True)
        paths.append(path)
    return paths


def _layers(figure: Figure) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for panel in figure.panels:
        for layer in panel.layers:
            nothing = np.full(len(layer.y), np.nan)
            x = nothing if layer.kind in ("floor", "reference") else layer.x
            upper = nothing if layer.upper is None else layer.upper
            ids = layer.ids or ("",)
            if len(ids) == 1:  # a trail is of one run
                ids *= len(layer.y)
            place = panel.title, layer.kind, layer.key
            rows += [(*place, *row) for row in zip(x, layer.y, upper, ids)]
    return rows


def _cells(figure: HeatMap) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for panel in figure.panels:
        for (i, row), (j, column) in product(enumerate(panel.rows), enumerate(panel.columns)):
            text = panel.texts[i][j] if panel.texts else ""
            rows.append((panel.title, row, column, panel.values[i, j], text))
    return rows
