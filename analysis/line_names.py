"""What stands above the horizontal lines of a figure, as plain data: any renderer writes the same."""

from __future__ import annotations

from collections.abc import Callable

from scaling.analysis import style
from scaling.analysis.figure import Panel
from scaling.analysis.result import number

LONGEST = 24
"""Characters of a name."""


def line_names(
    panel: Panel, height: Callable[[float], float], apart: float
) -> list[tuple[float, str]]:
    """Where names stand, and names with values. References too close for a name each share one row.

    Args:
        panel: with `floor` and `reference` layers.
        height: of a value on the page.
        apart: how far a name reaches above its line, in the same unit.

    Returns:
        the value of a row's highest line, and its names from below; floors last.
    """
    rows: list[tuple[float, str]] = []
    counted = [layer for layer in panel.layers if layer.kind == "reference"]
    for layer in sorted(counted, key=lambda one: float(one.y[0])):
        value = float(layer.y[0])
        text = f"{style.short(layer.key, LONGEST)} {number(value)}"
        if rows and height(value) - height(rows[-1][0]) < apart:
            text = f"{rows.pop()[1]}, {text}"
        rows.append((value, text))
    floors = [float(layer.y[0]) for layer in panel.layers if layer.kind == "floor"]
    return rows + [(value, f"known floor {number(value)}") for value in floors]
