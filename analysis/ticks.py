"""Which labels of an axis there is room for."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.ticker import FixedFormatter, FixedLocator

from scaling.analysis.page import Page
from scaling.analysis.text import width_of


def freeze(axis: Axis) -> None:
    """Keep the ticks that the layout made room for: matplotlib would find them again whenever it
    draws, by the text size of that moment."""
    if isinstance(axis.get_major_locator(), FixedLocator):
        return
    places = axis.get_majorticklocs()
    labels = axis.get_major_formatter().format_ticks(list(places))
    axis.set_major_locator(FixedLocator(list(places)))
    axis.set_major_formatter(FixedFormatter(labels))


def thin(axes: Axes, page: Page) -> None:
    """Take labels off the x axis until none touches its neighbour; the ticks stay. Powers of ten
    keep theirs first."""
    locator, formatter = axes.xaxis.get_major_locator(), axes.xaxis.get_major_formatter()
    if not isinstance(locator, FixedLocator) or not isinstance(formatter, FixedFormatter):
        return
    ticks, labels = [float(tick) for tick in locator()], list(formatter.seq)
    places = axes.transData.transform([(tick, axes.get_ylim()[0]) for tick in ticks])[:, 0]
    inches = places / axes.figure.dpi
    halves = [0.5 * width_of(label, page.text) + 0.03 for label in labels]
    kept: list[int] = []
    for i in sorted(range(len(ticks)), key=lambda i: (not _round(ticks[i]), i)):
        if all(abs(inches[i] - inches[j]) >= halves[i] + halves[j] for j in kept):
            kept.append(i)
    axes.xaxis.set_major_formatter(
        FixedFormatter([label if i in kept else "" for i, label in enumerate(labels)])
    )


def _round(tick: float) -> bool:
    """Whether it is 0 or a power of ten."""
    return tick == 0 or math.log10(abs(tick)).is_integer()
