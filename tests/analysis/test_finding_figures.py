"""Figures of what an analysis found: optima, crossings, residuals, hold-out, sensitivity."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.bars import Forest
from scaling.analysis.cost import COSTS
from scaling.analysis.crossing_figure import crossings
from scaling.analysis.figure import Figure, Layer, Skipped
from scaling.analysis.figures import figures
from scaling.analysis.holdout_figure import forecasts
from scaling.analysis.isoflop_figure import NAME as ISOFLOP
from scaling.analysis.isoflop_figure import isoflop_valleys
from scaling.analysis.isoflop_groups import isoflop_of
from scaling.analysis.isoflop_result import Isoflop
from scaling.analysis.loss_figure import loss_vs_axis, loss_vs_compute
from scaling.analysis.optima_figure import optima_vs_compute
from scaling.analysis.plots import draw
from scaling.analysis.residual_figure import residuals
from scaling.analysis.sensitivity_figure import moved_exponents, moved_multipliers
from scaling.analysis.summary import analyse
from scaling.analysis.trust import Trust, trust
from scaling.analysis.versus import Versus

Simulate = Callable[..., pd.DataFrame]
ONE = {"astro": (30.0, 0.2)}


def layer(figure: object, kind: str, key: str) -> Layer:
    assert isinstance(figure, Figure)
    (found,) = [
        one for panel in figure.panels for one in panel.layers if (one.kind, one.key) == (kind, key)
    ]
    return found


def test_marks_carry_the_ids_of_what_they_show(runs: pd.DataFrame) -> None:
    named = runs.assign(run_id=[f"run {i}" for i in range(len(runs))])
    for table, ids in ((runs, runs.index.map(str)), (named, named["run_id"])):
        figure = loss_vs_compute(analyse(table, comparison_draws=0))
        seeds = layer(figure, "seeds", "astro")
        losses = dict(zip(ids, table["loss"]))
        assert [losses[one] for one in seeds.ids] == seeds.y.tolist()
        means = runs.groupby("configuration")["loss"].mean()
        marks = layer(figure, "configurations", "astro")
        np.testing.assert_allclose([means[one] for one in marks.ids], marks.y)
        front = layer(figure, "frontier", "astro")
        assert set(front.ids) <= {"", *runs["configuration"]}
        assert len(front.ids) == len(front.x)


def test_residuals_are_of_what_was_fitted(runs: pd.DataFrame) -> None:
    analysis = analyse(runs, comparison_draws=0)
    figure = residuals(analysis)
    group = analysis.groups["astro"]
    assert group.frontier is not None
    assert group.fit is not None
    points = group.frontier.points
    marks = layer(figure, "frontier", "astro")
    expected = 100 * (points["loss"] / group.fit.predict(points) - 1)
    np.testing.assert_allclose(marks.y, expected)
    assert min(marks.y) < 0 < max(marks.y)
    band = layer(figure, "band", "astro")
    assert band.upper is not None
    assert (band.y < 0).all()
    assert (band.upper > 0).all()
    assert isinstance(figure, Figure)
    for axes in draw(figure).subfigs[0].axes:  # an axis through 0 is a plain one
        low, high = axes.get_ylim()
        assert axes.get_yscale() == "linear"
        assert low < min(marks.y)
        assert max(marks.y) < high


def test_residuals_of_a_law_in_size_and_data_are_of_all_runs(runs: pd.DataFrame) -> None:
    figure = residuals(analyse(runs, law="chinchilla", starts=4))
    assert len(layer(figure, "seeds", "astro").x) == (runs["architecture"] == "astro").sum()
    bare = runs[["params", "examples", "loss"]]
    figure = residuals(analyse(bare, law="chinchilla", starts=4))
    assert isinstance(figure, Figure)
    assert figure.x_label == "parameters x examples"


def test_without_a_fit_there_are_no_residuals(runs: pd.DataFrame) -> None:
    one = runs[runs["budget"] == runs["budget"].min()]
    figure = residuals(analyse(one))
    assert isinstance(figure, Skipped)
    assert "astro, transformer: no fit, 1 row can't" in figure.reason


@pytest.fixture(scope="module")
def judged(simulate: Simulate) -> Trust:
    return trust(simulate(noise=0.002))


@pytest.mark.slow
def test_hold_out_stands_beside_its_forecast(judged: Trust) -> None:
    figure = forecasts(judged.groups)
    held = judged.groups["astro"].held
    assert held is not None
    marks, allowed = layer(figure, "frontier", "astro"), layer(figure, "interval", "astro")
    assert allowed.upper is not None
    assert np.isfinite([allowed.y, allowed.upper]).all()
    for step, x, y, low, high in zip(
        held.steps, marks.x, marks.y, allowed.y, allowed.upper, strict=True
    ):
        assert x == step.compute
        assert y == pytest.approx(100 * (step.measured / step.predicted - 1))
        assert (low <= y <= high) == step.inside
    assert isinstance(figure, Figure)
    assert any(held.sentence() in note for note in figure.notes)
    assert isinstance(forecasts({}), Skipped)


@pytest.mark.slow
def test_sensitivity_shows_every_choice(judged: Trust) -> None:
    exponents = moved_exponents(judged.sensitivity)
    assert isinstance(exponents, Forest)
    assert [panel.title for panel in exponents.panels] == ["astro", "transformer"]
    rows = [row for row in judged.sensitivity.rows if row.group == "astro"]
    panel = exponents.panels[0]
    assert panel.labels[0] == "as asked"
    assert len(panel.labels) == len(rows)
    for row, value, low, high in zip(rows, panel.values, panel.lower, panel.upper):
        if "alpha" in row.exponents:
            assert (value, (low, high)) == row.exponents["alpha"]
        else:
            assert np.isnan(value)
    untried = [row for row in judged.sensitivity.rows if not row.group]
    told = " ".join(exponents.notes)
    assert all(f"{row.choice}: {row.setting} ({row.note})" in told for row in untried)
    multipliers = moved_multipliers(judged.sensitivity)
    assert isinstance(multipliers, Forest)
    assert (multipliers.log, multipliers.equal) == (True, 1.0)
    assert [panel.title for panel in multipliers.panels] == ["astro against transformer"]
    for figure in (exponents, multipliers):
        assert len(draw(figure).subfigs[0].axes) == len(figure.panels)


def test_optima_are_those_of_the_valleys(simulate: Simulate) -> None:
    analysis = analyse(simulate(ONE, sizes=5, seeds=1))
    found = isoflop_of(analysis, ISOFLOP)
    assert isinstance(found, Isoflop)
    drawn = {one.name: one for one in optima_vs_compute(found)}
    group = found.groups["astro"]
    assert len(group.minima) >= 4
    for axis in ("params", "examples"):
        figure = drawn[f"optimal_{axis}"]
        marks, bars = layer(figure, "frontier", "astro"), layer(figure, "interval", "astro")
        assert bars.upper is not None
        assert marks.y.tolist() == [getattr(one, axis) for one in group.minima]
        assert marks.x.tolist() == [one.compute for one in group.minima]
        assert (bars.y < bars.upper).all()
        line = layer(figure, "curve", "astro")
        slope = np.diff(np.log(line.y)) / np.diff(np.log(line.x))
        np.testing.assert_allclose(slope, group.exponents[axis].value)
    # The simulated valley lies at the same size for every budget, so the rest goes into data.
    assert group.exponents["params"].value == pytest.approx(0.0, abs=0.15)
    assert group.exponents["examples"].value == pytest.approx(1.0, abs=0.15)


def test_a_budget_without_a_minimum_has_an_open_mark(simulate: Simulate) -> None:
    runs = simulate(ONE, sizes=5, seeds=1)
    smallest = runs["budget"].min()
    runs = runs[(runs["budget"] > smallest) | (runs["width"] <= 64)]
    found = isoflop_of(analyse(runs, comparison_draws=0), ISOFLOP)
    assert isinstance(found, Isoflop)
    group = found.groups["astro"]
    (refused,) = group.refused
    figure = optima_vs_compute(found)[0]
    edge = layer(figure, "configurations", "astro")
    assert edge.x.tolist() == [refused.compute]
    here = runs[(runs["budget"] == smallest) & (runs["architecture"] == "astro")]
    means = here.groupby("configuration")[["validation_loss", "params"]].mean()
    assert edge.ids == (means["validation_loss"].idxmin(),)
    assert isinstance(figure, Figure)
    assert any("enclose no minimum" in note for note in figure.notes)


def test_tables_without_shared_compute_have_no_optima(runs: pd.DataFrame) -> None:
    spread = runs.assign(compute=runs["params"] * 1e6).drop(columns="budget")
    for table in (spread, runs.drop(columns="params")):
        found = isoflop_of(analyse(table, comparison_draws=0), ISOFLOP)
        assert isinstance(found, Skipped)
        assert found.reason == "no budget is shared by several configurations"


def test_equal_compute_is_a_budget_where_none_is_named(runs: pd.DataFrame) -> None:
    """As `climber isoflop` has it; the figure says so."""
    named = isoflop_of(analyse(runs, comparison_draws=0), ISOFLOP)
    found = isoflop_of(analyse(runs.drop(columns="budget"), comparison_draws=0), ISOFLOP)
    assert isinstance(found, Isoflop)
    assert isinstance(named, Isoflop)
    for key, group in named.groups.items():
        assert [m.size for m in found.groups[key].minima] == [m.size for m in group.minima]
    told = "No budgets are named: compute within 10% of its mean is one"
    figures_of = [isoflop_valleys(one) for one in (found, named)]
    assert [told in one.notes for one in figures_of if isinstance(one, Figure)] == [True, False]


def test_without_budgets_the_line_of_sizes_falls(simulate: Simulate) -> None:
    """Digitised sizes differ in their last digits: the best of each would join every run."""
    runs = simulate(ONE, sizes=5, seeds=1).drop(columns="budget")
    rng = np.random.default_rng(0)
    runs["params"] *= 1 + 1e-6 * rng.normal(size=len(runs))
    runs["compute"] *= 1 + 0.5 * rng.random(len(runs))
    line = layer(loss_vs_axis(analyse(runs, bootstrap=0), "params"), "line", "all runs")
    assert len(line.x) >= 2
    assert (np.diff(line.x) > 0).all()
    assert (np.diff(line.y) < 0).all()


def test_several_crossings_have_a_row_each(simulate: Simulate) -> None:
    truth = {"transformer": (30.0, 0.2), "astro": (60.0, 0.225), "din": (15.0, 0.175)}
    analysis = analyse(simulate(truth, noise=0.0005), comparison_draws=400)
    contests = [one for one in analysis.contests if isinstance(one, Versus)]
    figure = crossings(contests, COSTS["compute"])
    assert isinstance(figure, Forest)
    (panel,) = figure.panels
    assert panel.labels == ("astro against transformer", "din against transformer")
    for one, value, low, high in zip(contests, panel.values, panel.lower, panel.upper):
        found = one.comparison.crossing
        assert value == found.compute
        assert low == (found.interval[0] or 0.0)
        assert high == (found.interval[1] or np.inf)
    drawn = {one.name: one for one in figures(analysis)[0]}
    assert "crossing" in drawn
    both = drawn["multiplier_vs_compute"]
    assert isinstance(both, Figure)
    for label, value in zip(panel.labels, panel.values):  # each in the colour of its contest
        mark = layer(both, "configurations", label)
        assert (mark.x.tolist(), mark.y.tolist()) == ([value], [1.0])
    assert isinstance(crossings([], COSTS["compute"]), Skipped)
