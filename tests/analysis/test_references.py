"""References stand beside the groups: no fit knows them, and every table and figure names them."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.figure import Figure
from scaling.analysis.loss_figure import loss_vs_axis, loss_vs_compute
from scaling.analysis.plots import draw, svg
from scaling.analysis.summary import analyse

Simulate = Callable[..., pd.DataFrame]


def with_references(runs: pd.DataFrame, **losses: float) -> pd.DataFrame:
    rows = [
        {
            "architecture": name, "role": "reference", "seed": 0, "budget": 0.0, "compute": 0.0,
            "dataset": "synthetic", "candidates_per_request": 8.0, "configuration": name,
            "loss": loss, "status": "finished", "reason": "",
        }
        for name, loss in losses.items()
    ]  # fmt: skip
    trained = runs.assign(role="trained")
    return pd.DataFrame([*trained.to_dict("records"), *rows])


def test_fits_comparisons_and_frontiers_do_not_change(runs: pd.DataFrame) -> None:
    plain = analyse(runs, bootstrap=50).to_dict()
    found = analyse(with_references(runs, popularity=0.571, markov=0.57), bootstrap=50).to_dict()
    for part in ("groups", "pinned", "comparisons", "excluded"):
        assert found[part] == plain[part]
    assert found["references"] == {"markov": {"loss": 0.57}, "popularity": {"loss": 0.571}}
    assert plain["references"] == {}
    json.dumps(found, allow_nan=False)


def test_a_table_without_roles_was_trained(runs: pd.DataFrame) -> None:
    missing = with_references(runs, popularity=0.57)
    missing.loc[missing["role"] == "trained", "role"] = np.nan
    assert set(analyse(missing, bootstrap=0).groups) == set(analyse(runs, bootstrap=0).groups)


def test_every_law_leaves_them_out(runs: pd.DataFrame) -> None:
    for law in ("power", "chinchilla"):
        found = analyse(with_references(runs, popularity=0.571), law=law, bootstrap=0)
        assert set(found.groups) == {"astro", "transformer"}
        assert [one.sentence("loss") for one in found.references] == [
            "popularity: a reference, counted: loss 0.571"
        ]


def test_a_failed_reference_is_excluded_with_its_reason(runs: pd.DataFrame) -> None:
    table = with_references(runs, popularity=0.57, markov=0.6)
    table.loc[table["architecture"] == "markov", ["status", "reason"]] = ["failed", "no room"]
    found = analyse(table, bootstrap=0)
    assert [one.name for one in found.references] == ["popularity"]
    assert found.excluded["excluded"].tolist() == ["failed: no room"]


def test_references_alone_are_nothing_to_fit(runs: pd.DataFrame) -> None:
    table = with_references(runs, popularity=0.57)
    with pytest.raises(ValueError, match="all are references"):
        analyse(table[table["role"] == "reference"], bootstrap=0)


def test_a_reference_of_other_data_is_refused_or_named_apart(runs: pd.DataFrame) -> None:
    table = with_references(runs, popularity=0.57)
    table.loc[table["architecture"] == "popularity", "dataset"] = "movielens-1m"
    with pytest.raises(ValueError, match="mixes data set movielens-1m and data set synthetic"):
        analyse(table, bootstrap=0)
    (one,) = analyse(table, bootstrap=0, allow_mixed=True).references
    assert one.name == "popularity · data set movielens-1m"


def test_lines_are_drawn_near_the_curves_and_told_far_from_them(simulate: Simulate) -> None:
    runs = simulate(lengths=(32, 64))
    found = analyse(with_references(runs, popularity=0.571, absurd=0.95), bootstrap=0)
    for figure in (loss_vs_compute(found), loss_vs_axis(found, "params")):
        assert isinstance(figure, Figure)
        for panel in figure.panels:
            lines = [layer for layer in panel.layers if layer.kind == "reference"]
            assert [(line.key, line.y.tolist()) for line in lines] == [("popularity", [0.571])]
        assert any("absurd" in note and "above the axis" in note for note in figure.notes)
        assert "popularity" not in figure.keys
        svg(figure)


def test_names_of_close_lines_share_a_row(runs: pd.DataFrame) -> None:
    found = analyse(with_references(runs, popularity=0.571, markov=0.5705, item=0.52), bootstrap=0)
    figure = loss_vs_compute(found)
    assert isinstance(figure, Figure)
    canvas = draw(figure)
    (axes,) = (axes for part in canvas.subfigs for axes in part.axes)
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["item 0.52", "markov 0.5705, popularity 0.571", "known floor 0.45"]
