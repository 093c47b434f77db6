"""What is drawn is in the data; what is drawn in files is readable XML and PNG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from scaling.analysis import style
from scaling.analysis.figure import Figure, Layer
from scaling.analysis.figures import figures
from scaling.analysis.loss_figure import loss_vs_axis, loss_vs_compute
from scaling.analysis.plots import svg, write_plots
from scaling.analysis.summary import analyse

Simulate = Callable[..., pd.DataFrame]


def layers(figure: object, kind: str, key: str = "astro") -> list[Layer]:
    assert isinstance(figure, Figure)
    return [la for p in figure.panels for la in p.layers if la.kind == kind and la.key == key]


def test_loss_against_compute_shows_runs_frontier_curve_band_and_floor(runs: pd.DataFrame) -> None:
    analysis = analyse(runs, bootstrap=100)
    figure = loss_vs_compute(analysis)
    astro = runs[runs["architecture"] == "astro"]
    (seeds,) = layers(figure, "seeds")
    assert sorted(seeds.y) == sorted(astro["loss"])
    assert len(layers(figure, "configurations")[0].x) == 15
    (front,) = layers(figure, "frontier")
    group = analysis.groups["astro"]
    assert group.frontier is not None
    assert group.fit is not None
    np.testing.assert_array_equal(front.y, group.frontier.points["loss"])
    (curve,) = layers(figure, "curve")
    np.testing.assert_allclose(curve.y, group.fit.predict({"compute": curve.x}))
    assert curve.x[-1] == pytest.approx(front.x.max())
    (beyond,) = layers(figure, "beyond")
    assert beyond.x[0] == pytest.approx(front.x.max())
    (band,) = layers(figure, "band")
    assert band.upper is not None
    assert (band.y < band.upper).all()
    (floor,) = layers(figure, "floor", "")
    assert floor.y.tolist() == [0.45]
    assert isinstance(figure, Figure)
    assert figure.x_label == "training compute (FLOPs)"
    assert "alpha" in figure.labels[0]


def test_as_many_points_as_parameters_give_a_line_but_no_interval(runs: pd.DataFrame) -> None:
    few = runs[runs["budget"].isin(sorted(runs["budget"].unique())[:3])]
    figure = loss_vs_compute(analyse(few, bootstrap=50))
    assert isinstance(figure, Figure)
    assert all("(no interval)" in label for label in figure.labels)
    assert not any("nan" in text for text in (*figure.labels, *figure.notes))
    assert not any("bands" in note for note in figure.notes)


def test_a_floor_far_below_is_said_instead_of_drawn(runs: pd.DataFrame) -> None:
    figure = loss_vs_compute(analyse(runs.assign(loss_floor=0.1), bootstrap=0))
    assert layers(figure, "floor", "") == []
    assert isinstance(figure, Figure)
    assert any("known floor, 0.1, lies below the axis" in note for note in figure.notes)


def test_valleys_have_a_line_per_budget_and_a_panel_per_group(simulate: Simulate) -> None:
    analysis = analyse(simulate(lengths=(32, 64)), bootstrap=0)
    for axis, values in (("params", 3), ("seq_len", 2)):
        figure = loss_vs_axis(analysis, axis)
        assert isinstance(figure, Figure)
        assert [panel.title for panel in figure.panels] == ["astro", "transformer"]
        assert len(figure.keys) == 5
        for key in figure.keys:
            lines = layers(figure, "line", key)
            assert [len(line.x) for line in lines] == [values, values]
            configurations = layers(figure, "configurations", key)[0]
            for x, y in zip(lines[0].x, lines[0].y):  # the best of all configurations there
                assert y == configurations.y[configurations.x == x].min()


def test_figures_without_anything_to_show_are_named(runs: pd.DataFrame) -> None:
    drawn, skipped = figures(analyse(runs, bootstrap=0))
    assert [figure.name for figure in drawn] == [
        "loss_vs_compute", "multiplier_vs_compute", "isoflop", "optimal_params",
        "optimal_examples", "optimal_width", "loss_vs_params", "loss_vs_examples",
        "residuals",
    ]  # fmt: skip
    assert {one.name: one.reason for one in skipped} == {
        "loss_vs_seq_len": "sequence length (events read): only one value, 64",
        "depth_by_length": "astro, transformer: no budget has several depths and several lengths "
        "(depths 2, lengths 64)",
    }
    _, skipped = figures(analyse(runs[["compute", "loss"]], bootstrap=0))
    assert [one.name for one in skipped] == ["isoflop", "loss_vs_params", "loss_vs_seq_len"]
    assert "no budget is shared" in skipped[0].reason
    assert "not in the table" in skipped[1].reason
    with pytest.raises(ValueError, match="unknown axis 'colour'; valid: params"):
        loss_vs_axis(analyse(runs, bootstrap=0), "colour")


def test_files_are_written_whole(runs: pd.DataFrame, tmp_path: Path) -> None:
    drawn = figures(analyse(runs, bootstrap=50))[0][:2]
    paths = write_plots(tmp_path / "new", drawn)
    names = [figure.name for figure in drawn]
    assert {path.name for path in paths} == {f"{n}.{e}" for n in names for e in ("png", "svg")}
    assert sorted(paths) == sorted((tmp_path / "new").iterdir())  # nothing else is left behind
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        else:
            ET.parse(path)
    again = write_plots(tmp_path / "again", drawn)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


@pytest.mark.parametrize(("law", "bootstrap"), [("power", 0), ("power", 50), ("chinchilla", 50)])
def test_every_law_can_be_drawn(runs: pd.DataFrame, law: str, bootstrap: int) -> None:
    drawn, _ = figures(analyse(runs, law=law, bootstrap=bootstrap))
    for figure in (one for one in drawn if not one.name.startswith("optimal")):
        ET.fromstring(svg(figure))
        key = "astro against transformer" if "multiplier" in figure.name else "astro"
        if figure.name in ("loss_vs_compute", "multiplier_vs_compute"):
            assert bool(layers(figure, "curve", key)) == (law == "power")


HOSTILE = [("<script>alert(1)</script>", "_hidden"), ("$x^$ & co", "a" * 200), ("astro", "模型")]


@pytest.mark.parametrize("names", HOSTILE)
def test_any_name_can_be_drawn(runs: pd.DataFrame, names: tuple[str, str]) -> None:
    few = runs[runs["seed"] == 0]
    new = dict(zip(("astro", "transformer"), names))
    for figure in figures(analyse(few.replace({"architecture": new}), bootstrap=0))[0]:
        ET.fromstring(svg(figure))
        assert isinstance(figure, Figure)
        told = " ".join([*figure.keys, *(panel.title for panel in figure.panels)])
        assert all(name in told for name in names)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (1e12, 1.05e12), (1e12, 3e12), (3e11, 1e13), (1e9, 1e15), (1.0, 1e30), (1.04, 5.8),
        (5.1, 7.9), (0.93, 4.0), (6e4, 6.1e4),
    ],
)  # fmt: skip
def test_log_ticks_are_few_distinct_and_inside(low: float, high: float) -> None:
    labelled, rest = style.log_ticks(low, high)
    assert 3 <= len(labelled) <= 10
    assert all(low <= tick <= high for tick in labelled + rest)
    assert len({style.power_label(tick) for tick in labelled}) == len(labelled)
    # No large part of the axis is bare, and labels are round.
    shares = [np.log(tick / low) / np.log(high / low) for tick in labelled]
    assert max(np.diff([0.0, *shares, 1.0])) < 0.55
    assert all(len(style.power_label(tick).split("·")[0]) <= 4 for tick in labelled)


def test_labels_of_ticks() -> None:
    assert [style.power_label(x) for x in (1e12, 3e12, 2.5e-3)] == ["10¹²", "3·10¹²", "2.5·10⁻³"]
    assert [style.count_label(x) for x in (512, 2e4, 1.5e6)] == ["512", "20k", "1.5M"]


def test_keys_differ_in_colour_and_in_marker() -> None:
    keys = [f"k{i}" for i in range(6)]
    assert len(set(style.colours(keys, ordered=False).values())) == 6
    assert len(set(style.colours(keys, ordered=True).values())) == 6
    assert len(set(style.markers(keys).values())) == 6


def test_two_sizes_of_a_budget_are_no_valley(simulate: Simulate) -> None:
    """The same marks stand in the figure of parameters: one without lines would say nothing more."""
    drawn, skipped = figures(analyse(simulate(sizes=2), bootstrap=0))
    assert "isoflop" not in {one.name for one in drawn}
    (why,) = [one.reason for one in skipped if one.name == "isoflop"]
    assert why == "astro, transformer: 2 values of params: a minimum takes 3"
