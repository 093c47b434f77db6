"""A stand-in until plotly_figure is there."""

from __future__ import annotations
from typing import Any
from collections.abc import Mapping
from scaling.analysis.figure import Figure
from scaling.analysis.figures import Drawing


def plotly_figure(drawing: Drawing, *, dark: bool = False, hover: Mapping[str, str] | None = None) -> dict[str, Any]:
    data = []
    ink = "#e4e8ec" if dark else "#1b1f24"
    if isinstance(drawing, Figure):
        for panel in drawing.panels:
            for layer in panel.layers:
                if layer.kind in ("floor", "reference", "band", "interval"):
                    continue
                mode = "markers" if layer.kind in ("seeds", "configurations", "frontier") else "lines"
                data.append({"type": "scatter", "mode": mode, "x": layer.x.tolist(), "y": layer.y.tolist(), "name": f"{layer.key} {layer.kind}", "customdata": list(layer.ids)})
    return {"data": data, "layout": {"title": {"text": drawing.title}, "xaxis": {"type": "log"}, "font": {"color": ink}, "paper_bgcolor": "rgba(0,0,0,0)", "plot_bgcolor": "rgba(0,0,0,0)"}}
