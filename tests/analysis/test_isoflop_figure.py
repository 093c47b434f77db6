"""The figure shows every configuration, a curve and a minimum per valley, and tells refusals."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.figure import Figure, Layer
from scaling.analysis.isoflop import isoflop
from scaling.analysis.isoflop_figure import isoflop_valleys
from scaling.analysis.isoflop_result import Isoflop
from scaling.analysis.plots import svg

from .test_isoflop import BUDGETS, best_size, simulated


@pytest.fixture(scope="module")
def found() -> Isoflop:
    """Two groups; of one, the two largest budgets have their minimum beyond the sizes."""
    sizes = np.geomspace(best_size(BUDGETS[0]) / 3, best_size(BUDGETS[2]) * 1.5, 7)
    tables = [simulated(sizes=sizes), simulated(name="din", seed=1)]
    return isoflop(pd.concat(tables, ignore_index=True), bootstrap=50)


def layers(figure: Figure, panel: int, kind: str) -> list[Layer]:
    return [layer for layer in figure.panels[panel].layers if layer.kind == kind]


def test_a_valley_per_budget_and_a_panel_per_group(found: Isoflop) -> None:
    figure = isoflop_valleys(found)
    assert isinstance(figure, Figure)
    assert [panel.title for panel in figure.panels] == ["astro", "din"]
    assert len(figure.keys) == len(BUDGETS)
    for panel, group in enumerate(found.groups.values()):
        assert sum(len(one.x) for one in layers(figure, panel, "configurations")) == 35
        marks, lines = layers(figure, panel, "frontier"), layers(figure, panel, "line")
        assert len(marks) == len(lines) == len(group.minima)
        for mark, line, minimum in zip(marks, lines, group.minima):
            assert (mark.x[0], mark.y[0]) == (minimum.size, minimum.loss)
            assert line.x[0] < minimum.size < line.x[-1]
            assert line.y.min() == pytest.approx(minimum.loss, rel=1e-3)
            assert mark.key == line.key
    ET.fromstring(svg(figure))


def test_refusals_and_exponents_are_told_below(found: Isoflop) -> None:
    figure = isoflop_valleys(found)
    assert isinstance(figure, Figure)
    told = [note for note in figure.notes if "no minimum" in note]
    assert len(told) == 1  # for one reason
    assert told[0].startswith("astro, 32 EFLOP, 100 EFLOP: ")
    assert any(note.startswith("din: best parameters grow as C^0.5") for note in figure.notes)
