"""Which labels of an axis there is room for."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from scaling.analysis.page import Page
from scaling.analysis.text import width_of


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
    for i in sorted(range(len(ticks)), key=lambda i: (not math.log10(ticks[i]).is_integer(), i)):
        if all(abs(inches[i] - inches[j]) >= halves[i] + halves[j] for j in kept):
            kept.append(i)
    axes.xaxis.set_major_formatter(
        FixedFormatter([label if i in kept else "" for i, label in enumerate(labels)])
    )
