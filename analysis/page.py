"""How wide a figure is and how large its text: for a screen, or for a column of a paper."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scaling.analysis import style


@dataclass(frozen=True)
class Page:
    """Sizes in inches, of text in points."""

    width: float
    """Of a figure with one column of panels."""
    wide: float
    """Of a figure with two."""
    alone: float
    """Height of the panels of one row, without what stands below."""
    row: float
    """Height of each of several rows."""
    columns: int
    """Panels side by side, where there are few."""
    text: float
    title: float
    notes: float

    @property
    def scale(self) -> float:
        """Of marks and lines."""
        return self.text / SCREEN.text

    def across(self, panels: int) -> int:
        """So many of them side by side: of many one more, or the figure is longer than a page."""
        return min(panels, self.columns + (panels > self.columns + 2))

    @property
    def panel_title(self) -> float:
        """Size of the title of one of several panels."""
        return self.text + (1.0 if self.text > 8 else 0.5)

    def style(self, *, grid: bool = True) -> Any:
        """What matplotlib is told."""
        return {
            **style.STYLE,
            "axes.grid": grid,
            "font.size": self.text,
            "axes.labelsize": self.text + (1.0 if self.text > 8 else 0.0),
            "axes.titlesize": self.panel_title,
            "legend.fontsize": self.text,
            "lines.markersize": 6.0 * self.scale,
        }


SCREEN = Page(7.6, 8.4, 4.3, 3.5, 2, 9.0, 12.0, 8.0)
COLUMNS = {
    "single": Page(3.4, 3.4, 2.5, 2.05, 1, 7.0, 8.5, 6.0),
    "double": Page(7.0, 7.0, 3.4, 2.5, 2, 8.0, 10.0, 7.0),
}
"""Of a paper; its text is printed as large as it is drawn."""


def page_of(column: str | None) -> Page:
    """The page of `single` or `double`; the screen's without a name.

    Raises:
        ValueError: another name.
    """
    if column is None:
        return SCREEN
    if column not in COLUMNS:
        raise ValueError(f"unknown column {column!r}; valid: {', '.join(COLUMNS)}")
    return COLUMNS[column]
