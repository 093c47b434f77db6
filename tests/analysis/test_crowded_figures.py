"""Many groups, panels, steps, scenarios and marks: figures that still fit a page and can be read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas

from scaling.analysis import style
from scaling.analysis.bars import Forest, ForestPanel
from scaling.analysis.figure import Figure, Layer, Panel
from scaling.analysis.figures import figures
from scaling.analysis.forest_plot import range_of
from scaling.analysis.legend import NAMED_STEPS, dashes_of, marked_keys
from scaling.analysis.loss_figure import loss_vs_axis
from scaling.analysis.page import page_of
from scaling.analysis.plots import draw
from scaling.analysis.summary import analyse
from scaling.analysis.temperatures import HeatMap, HeatPanel

Simulate = Callable[..., pd.DataFrame]
X = np.array([1.0, 2.0, 4.0])
PAGE = 10.5
"""Inches: the height of a letter page without its margins, or nearly."""


def figure_of(
    keys: int, panels: int, *, ordered: bool = False, more: tuple[Layer, ...] = ()
) -> Figure:
    names = tuple(f"architecture_{i}" for i in range(keys))
    layers = tuple(Layer("frontier", name, X, 1.0 + i + X / 10) for i, name in enumerate(names))
    return Figure(
        "many", "Loss", "blocks", "loss", tuple(Panel(f"architecture_{i}", (*layers, *more)) for i in range(panels)),
        names, names, ordered, "frontier", ticks=tuple(X),
    )  # fmt: skip


def axes_of(canvas: Canvas) -> list[Axes]:
    return [axes for part in canvas.subfigs for axes in part.axes if axes.get_visible()]


def renderer_of(canvas: Canvas) -> Any:
    return canvas.canvas.get_renderer()  # type: ignore[attr-defined]


@pytest.mark.parametrize("column", ["single", "double"])
def test_eight_groups_fit_a_page(column: str) -> None:
    canvas = draw(figure_of(8, 8), page_of(column))
    assert canvas.get_figheight() < PAGE
    renderer = renderer_of(canvas)
    for axes in axes_of(canvas):
        labels = [t.get_window_extent(renderer) for t in axes.get_xticklabels() if t.get_text()]
        assert all(a.x1 < b.x0 for a, b in pairwise(labels))


def test_eight_groups_have_eight_colours() -> None:
    assert len(set(style.CATEGORIES)) == len(set(style.DARK_CATEGORIES)) == len(style.MARKERS)


def test_a_group_has_one_colour_in_all_figures(simulate: Simulate) -> None:
    """Also where others are missing, and in the comparison, where the baseline is."""
    three = {"astro": (26.0, 0.2), "hstu": (30.0, 0.2), "transformer": (28.0, 0.2)}
    runs = simulate(three, seeds=1).assign(latency_ms=1.0)
    runs.loc[runs["architecture"] == "astro", "latency_ms"] = np.nan
    drawn, _ = figures(analyse(runs, baseline="hstu", bootstrap=0, comparison_draws=200))
    colours: dict[str, set[str]] = {name: set() for name in three}
    for one in drawn:
        if isinstance(one, Figure) and not one.ordered:
            look = style.colours(one.series, one.ordered)
            for key in one.keys:
                colours[key.split(" against ")[0]].add(look[key])
    assert {len(found) for found in colours.values()} == {1}
    assert any(set(one.keys) == {"hstu", "transformer"} for one in drawn if isinstance(one, Figure))


def test_of_many_steps_some_are_named() -> None:
    canvas = draw(figure_of(200, 1, ordered=True), page_of("single"))
    named = [
        t.get_text() for part in canvas.subfigs for one in part.legends for t in one.get_texts()
    ]
    assert named[0] == "architecture_0"
    assert named[NAMED_STEPS - 1] == "architecture_199"
    assert len(set(named[:NAMED_STEPS])) == NAMED_STEPS
    assert "188 steps between" in " ".join(
        t.get_text() for part in canvas.subfigs for t in part.texts
    )
    few = draw(figure_of(10, 1, ordered=True), page_of("single"))
    assert sum(len(one.get_texts()) for part in few.subfigs for one in part.legends) == 11


def test_a_line_without_marks_has_dashes() -> None:
    bare = Layer("line", "bare", X, X)
    figure = figure_of(2, 1, more=(bare,))
    figure = Figure(
        **{**vars(figure), "keys": (*figure.keys, "bare"), "labels": (*figure.labels, "bare")}
    )
    assert "bare" not in marked_keys(figure)
    assert dashes_of(figure)["bare"] != "solid"
    assert {dashes_of(figure)[key] for key in figure.keys[:2]} == {"solid"}
    (legend, _) = [one for part in draw(figure).subfigs for one in part.legends]
    assert legend.legend_handles[-1].get_marker() == ""  # type: ignore[union-attr]


def test_many_marks_are_smaller() -> None:
    def size(count: int) -> float:
        x = np.linspace(1, 2, count)
        marks = Layer("configurations", "architecture_0", x, x)
        (axes,) = axes_of(draw(figure_of(1, 1, more=(marks,))))
        return float(axes.collections[-1].get_sizes()[0])

    assert size(100) == size(300) > size(1000) > size(4000) > 1.0


def test_names_of_lines_lie_beside_marks() -> None:
    """At both ends stand marks, in the middle there is room."""
    column = np.linspace(0.5, 5.0, 60)
    marks = tuple(
        Layer("frontier", "architecture_0", np.full(60, x), column) for x in (X[0], X[-1])
    )
    line = Layer("reference", "popularity", np.array([]), np.array([2.0]))
    canvas = draw(figure_of(1, 1, more=(*marks, line)), page_of("single"))
    (axes,) = axes_of(canvas)
    (name,) = axes.texts
    box = name.get_window_extent(renderer_of(canvas))
    left, right = (axes.transData.transform((x, 2.0))[0] for x in (X[0], X[-1]))
    assert left < box.x0 < box.x1 < right


@pytest.mark.parametrize("column", ["single", "double", None])
def test_a_map_of_many_scenarios_can_be_read(column: str | None) -> None:
    rows, columns = ("recent", "long-watched"), tuple(f"scenario_{i}" for i in range(15))
    values = np.full((2, 15), 1.25)
    panel = HeatPanel("astro", rows, columns, values)
    canvas = draw(HeatMap("t", "T", "scenario", "block", (panel,), ()), page_of(column))
    (axes,) = axes_of(canvas)
    renderer = renderer_of(canvas)
    assert min(text.get_fontsize() for text in axes.texts) >= 6
    numbers = [text.get_window_extent(renderer) for text in axes.texts[:15]]
    assert all(a.x1 <= b.x0 for a, b in pairwise(numbers))
    if (angle := axes.get_xticklabels()[0].get_rotation()) in (0, 90):
        names = [label.get_window_extent(renderer) for label in axes.get_xticklabels()]
        assert all(a.x1 <= b.x0 for a, b in pairwise(names)), angle


def test_many_maps_fit_a_page() -> None:
    panel = HeatPanel("astro", ("1", "2", "4"), ("64", "128"), np.ones((3, 2)))
    figure = HeatMap("m", "M", "length", "depth", (panel,) * 9, ())
    assert draw(figure, page_of("double")).get_figheight() < PAGE
    labelled = [bool(axes.get_xlabel()) for axes in axes_of(draw(figure, page_of("double")))]
    assert labelled == [False] * 7 + [True] * 2


def test_many_rows_of_many_groups_fit_a_page() -> None:
    """The same choices for all: named once, at the left; other rows stay below each other."""
    rows, values = tuple(f"choice {i}" for i in range(9)), np.arange(1.0, 10.0)

    def drawn(groups: int, last: str = "choice 8") -> Canvas:
        panels = [
            ForestPanel(f"g{i}", rows, values, values - 0.5, values + 0.5) for i in range(groups)
        ]
        panels[-1] = replace(panels[-1], labels=(*rows[:-1], last))
        return draw(Forest("f", "F", "exponent", tuple(panels), None, False, ()), page_of("double"))

    canvas = drawn(8)
    assert canvas.get_figheight() < PAGE
    axes = axes_of(canvas)
    assert len(axes) == 8
    named = [any(t.get_text() and t.get_visible() for t in one.get_yticklabels()) for one in axes]
    assert named == [True, False, False] * 2 + [True, False]
    assert [bool(one.get_xlabel()) for one in axes] == [False] * 5 + [True] * 3
    assert drawn(8, "another").get_figheight() > 2 * canvas.get_figheight()


def test_a_single_value_stands_amid_round_numbers() -> None:
    one = np.array([5.6e16])
    panel = ForestPanel("", ("a against b",), one, np.zeros(1), np.full(1, np.inf))
    figure = Forest("crossing", "C", "compute (FLOPs)", (panel,), None, True, ())
    low, high = range_of(figure)
    assert low < 5e16 < 1e17 < high
    (axes,) = axes_of(draw(figure, page_of("single")))
    labels = [text.get_text() for text in axes.get_xticklabels()]
    assert {"5·10¹⁶", "10¹⁷"} <= set(labels)


def test_no_frontier_is_promised_where_its_place_is_unknown(simulate: Simulate) -> None:
    """The minimum of a valley in the size lies between configurations: it has no length."""
    analysis = analyse(simulate(sizes=5, seeds=1, lengths=(32, 64)), bootstrap=0)
    points = {
        key: group.frontier.points for key, group in analysis.groups.items() if group.frontier
    }
    for key in points:
        points[key]["seq_len"] = np.nan
    figure = loss_vs_axis(analysis, "seq_len")
    assert isinstance(figure, Figure)
    layers = [layer for panel in figure.panels for layer in panel.layers]
    assert all(np.isfinite(layer.x).all() for layer in layers)
    assert "frontier" not in {layer.kind for layer in layers}


def test_names_and_labels_of_targets_and_ticks() -> None:
    from scaling.analysis.figure import label_of, name_of, title_of

    assert title_of("loss") == "Test loss"
    assert title_of("validation_auc") == "Validation AUC"
    assert title_of("final_loss") == name_of("final_loss") == "final_loss"
    assert title_of("loss.long_view") == "Test loss of long_view"
    assert label_of("validation_auc.click") == "validation AUC of click"
    assert label_of("loss") == "test loss (log loss per label)"
    assert label_of("auc") == "test AUC"
    assert label_of("loss.click") == "test loss of click (log loss per label)"
    assert [style.exact_label(x) for x in (64, 1024, 1500, 2e4)] == ["64", "1024", "1.5k", "20k"]
