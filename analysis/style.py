"""How figures look: colours that differ for the colour-blind, marks that differ in grey, ticks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import numpy as np

INK, MUTED, GRID, PAPER = "#1b1f24", "#57606b", "#d5dae0", "#fefefe"
"""Text, axes, grid and background; one spelling each, so that a page can replace them by its own."""
CATEGORIES = (
    "#0072b2", "#d55e00", "#009e73", "#a0447a", "#898444", "#6191f2",
    "#5b21c9", "#3a3a3a",
)  # fmt: skip
"""After Okabe and Ito 2008, darkened to a contrast of 3 to white. Seen without red or green
receptors any two of them differ by more than 17 (CIE 1976); 2.3 is just noticed."""
DARK_CATEGORIES = (
    "#56b4e9", "#f0894a", "#2fbf97", "#d78fc0", "#e0b13c", "#9fd0f5",
    "#8a7dff", "#f7f3b0",
)  # fmt: skip
"""The same hues, light enough for a dark background."""
BEYOND: Any = (0, (4, 2.5))
"""Dashes of what is extrapolated."""
DASHES: tuple[Any, ...] = ("solid", (0, (7, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (1.5, 1)))
"""Of lines that carry no marks."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "h")

STYLE: Any = {
    "axes.axisbelow": True,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": 10,
    "axes.linewidth": 0.8,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "figure.facecolor": PAPER,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same widths everywhere
    "font.size": 9,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.edgecolor": GRID,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "pdf.fonttype": 42,  # TrueType: printers of papers refuse Type 3
    "savefig.facecolor": PAPER,
    "svg.fonttype": "path",
    "svg.hashsalt": "climber",  # the same figure, the same file
    "text.color": INK,
    "xtick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.color": MUTED,
    "ytick.labelcolor": INK,
}


def colours(keys: Sequence[str], ordered: bool, *, dark: bool = False) -> dict[str, str]:
    """A colour per key: categories, or steps from dark to light for ordered keys.

    Args:
        keys: in the order of the legend.
        ordered: whether they are steps of one quantity.
        dark: for a dark background.
    """
    if not ordered:
        chosen = DARK_CATEGORIES if dark else CATEGORIES
        return {key: chosen[i % len(chosen)] for i, key in enumerate(keys)}
    # The part of the map that has a contrast of 3 to the background.
    first, last = (0.45, 1.0) if dark else (0.1, 0.58)
    steps = np.linspace(first, last, max(len(keys), 2))
    scale = mpl.colormaps["viridis"]
    return {key: mpl.colors.to_hex(scale(step)) for key, step in zip(keys, steps)}


def markers(keys: Sequence[str]) -> dict[str, str]:
    """A marker per key; after eight they repeat."""
    return {key: MARKERS[i % len(MARKERS)] for i, key in enumerate(keys)}


def dashes(keys: Sequence[str], told: bool) -> dict[str, Any]:
    """A line style per key; solid for all where marks or the order tell the keys apart (`told`)."""
    return {key: DASHES[0 if told else i % len(DASHES)] for i, key in enumerate(keys)}


def log_ticks(low: float, high: float) -> tuple[list[float], list[float]]:
    """Labelled and unlabelled ticks of a log axis, so that at least three are labelled."""
    decades = math.log10(high / low)
    inner: Sequence[float] = (1, 2, 3, 4, 5, 6, 7, 8, 9)
    if decades > 8:
        step = math.ceil(decades / 8)
        labelled = _multiples(low, high, (1,), step)
        return labelled, [t for t in _multiples(low, high, (1,)) if t not in labelled]
    if decades < 1:  # the third of it between 1 and 2 would be bare
        inner = (*(1 + tenth / 10 for tenth in range(10)), 2, 2.5, 3, 3.5, 4, 4.5, *inner[4:])
    # The coarsest grid with three labels, then finer ones; within one digit, even steps.
    for leading in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        labelled = _multiples(low, high, leading)
        if len(labelled) >= 3:
            return labelled, [t for t in _multiples(low, high, inner) if t not in labelled]
    return _even(low, high), []


def _even(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 of some decimal, at least three of them."""
    power = math.floor(math.log10(high - low))
    for digits, lead in ((0, 5), (0, 2), (0, 1), (1, 5), (1, 2), (1, 1)):
        step = lead * 10.0 ** (power - digits)
        ticks = np.arange(math.ceil(low / step), math.floor(high / step) + 1)
        if len(ticks) >= 3:
            break
    return [float(f"{tick * step:.12g}") for tick in ticks]


def _multiples(low: float, high: float, leading: Sequence[float], step: int = 1) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [
        float(f"{lead}e{power}")
        for power in range(first, last + 1)
        if power % step == 0
        for lead in leading
    ]
    return [tick for tick in ticks if low <= tick <= high]


_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_label(value: float) -> str:
    """`10¹²`, `3·10¹²`: for compute, where prefixes say little."""
    mantissa, exponent = f"{value:.2e}".split("e")
    lead = mantissa.rstrip("0").rstrip(".")
    power = "10" + str(int(exponent)).translate(_SUPERSCRIPTS)
    return power if lead == "1" else f"{lead}·{power}"


def count_label(value: float) -> str:
    """`512`, `20k`, `1.5M`: for parameters and lengths."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size * 0.9995:
            return f"{value / size:.3g}{letter}"
    return f"{value:.4g}"


def exact_label(value: float) -> str:
    """`20k`, and `1024` where a prefix would round: for lengths and numbers of layers."""
    short = float(f"{value:.3g}") == float(f"{value:.12g}")
    return count_label(value) if short else f"{value:.12g}"


def value_label(value: float) -> str:
    """For values of any size: `10⁻⁵`, `0.02`, `20k`."""
    return power_label(value) if 0 < value < 1e-3 else count_label(value)


def literal(text: str) -> str:
    """A name as text and nothing else: `$` starts no formula, and a leading `_` hides no entry."""
    return ("\u2009" if text.startswith("_") else "") + text.replace("$", r"\$")


def short(text: str, size: int) -> str:
    """At most `size` characters; what is too long loses its middle."""
    if len(text) <= size:
        return text
    head = (size - 1) // 2
    return f"{text[:head]}…{text[head + 1 - size :]}"
