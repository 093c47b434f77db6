"""Horizontal bars and time lines, as plain data: any renderer draws the same."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scaling.analysis.law import Array


@dataclass(frozen=True)
class BarPanel:
    """Shares of a whole, from above."""

    title: str
    labels: tuple[str, ...]
    shares: Array
    """[labels], of 1."""


@dataclass(frozen=True)
class Bars:
    """Panels of bars beside each other."""

    name: str
    """Of the file, without its ending."""
    title: str
    panels: tuple[BarPanel, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TimeBars:
    """Counts by period, and what begins when."""

    name: str
    title: str
    y_label: str
    starts: npt.NDArray[np.datetime64]
    """Of the periods, ascending without gaps, and the end of the last: [periods + 1]."""
    counts: Array
    """[periods]"""
    marks: tuple[tuple[str, np.datetime64], ...]
    """What begins, and when."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ForestPanel:
    """Values with intervals, a row each, from above."""

    title: str
    labels: tuple[str, ...]
    values: Array
    """[labels]; NaN where there is none."""
    lower: Array
    """[labels]; NaN: no interval."""
    upper: Array
    """[labels]; infinite: it is open."""


@dataclass(frozen=True)
class Forest:
    """Panels of values with intervals below each other, on one axis."""

    name: str
    """Of the file, without its ending."""
    title: str
    x_label: str
    panels: tuple[ForestPanel, ...]
    equal: float | None
    """Where a line stands from which rows differ."""
    log: bool
    """Whether the axis is logarithmic."""
    notes: tuple[str, ...]
