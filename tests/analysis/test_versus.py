"""Two architectures of a table: which runs, at which cost, with how many tries each."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.compare_figure import multiplier_vs_compute
from scaling.analysis.cost import COSTS, SINGLE
from scaling.analysis.figure import Figure, Skipped
from scaling.analysis.sides import excluded_runs
from scaling.analysis.versus import Versus, versus

Simulate = Callable[..., pd.DataFrame]
NAMES = ("transformer", "astro")


def answer(runs: pd.DataFrame, **options: Any) -> Versus:
    (found,) = versus(runs, *NAMES, **{"draws": 200, "starts": 6} | options)
    return found


def test_the_answer_and_what_it_rests_on(simulate: Simulate) -> None:
    found = answer(simulate(sizes=4, seeds=3))
    assert found.comparison.verdict == "candidate cheaper"
    low, high = found.comparison.at.interval
    assert low <= (30 / 26) ** 5 <= high
    assert found.tries.baseline == found.tries.candidate == (4,) * 5
    assert found.fair is None
    assert "no column 'flops_per_request_single'" in found.single_reason
    text = " ".join(found.sentences())
    assert "95% interval" in text
    assert "Frontier: the minimum of each budget's valley" in text
    described = found.to_dict()
    assert {
        "baseline", "candidate", "level", "verdict", "multiplier", "crossing", "exponent_difference"
    } <= set(described)  # fmt: skip
    assert set(described["multiplier"][0]) == {
        "compute", "value", "reason", "interval", "extrapolated"
    }  # fmt: skip
    assert {"compute", "interval", "probability", "probability_in_range"} <= set(
        described["crossing"]
    )
    json.dumps(described, allow_nan=False)


def test_unequal_numbers_are_said_and_the_result_repeated(simulate: Simulate) -> None:
    runs = simulate(sizes=6, seeds=2, noise=0.002)
    many = runs[(runs["architecture"] == "astro") | runs["width"].isin([64, 128, 256])]
    found = answer(many)
    assert found.tries.unequal
    assert found.tries.ratio == 2.0
    assert found.tries.sentence(NAMES) == "configurations per budget: transformer 3, astro 6"
    assert found.fair is not None
    assert found.fair.at.value is not None
    assert "With equally many configurations per budget" in " ".join(found.sentences())
    if found.comparison.verdict != "not decided":
        assert found.fair.verdict == found.comparison.verdict


def test_one_candidate_per_request_where_the_table_tells(simulate: Simulate) -> None:
    runs = simulate(sizes=3, seeds=2)
    # astro pays 4 times as much for a history of its own: what it saves together is lost alone.
    cost = np.where(runs["architecture"] == "astro", 4.0, 1.0)
    alone = runs.assign(**{SINGLE: cost * runs["compute"] / 3 / runs["examples"]})
    found = answer(alone, law="power")
    assert found.single is not None
    assert found.single.verdict == "baseline cheaper"
    assert found.comparison.verdict == "candidate cheaper"
    alone.loc[alone.index[0], SINGLE] = np.nan
    assert answer(alone, law="power").single_reason.startswith(f"{SINGLE} is missing in 1 of")


def test_costs_of_another_kind(simulate: Simulate) -> None:
    runs = simulate(sizes=3, seeds=1)
    machine = {"device": "cpu", "threads": 1, "precision": "fp32"}
    runs = runs.assign(train_seconds=runs["compute"] / 1e10, **machine)
    found = answer(runs, cost="train_seconds", law="power")
    assert found.comparison.unit == "s"
    assert found.comparison.at.compute <= 1e3 * 1.02
    assert "times the training time" in found.comparison.sentence()
    assert found.single is None
    unlike = {"device": "cuda", "threads": 2, "precision": "bf16", "workers": 2}
    for column, other in unlike.items():
        mixed = runs.assign(workers=1)
        mixed[column] = mixed[column].astype(object)
        mixed.loc[mixed.index[0], column] = other
        with pytest.raises(ValueError, match=f"different {column} can't be compared"):
            answer(mixed, cost="train_seconds")
    with pytest.raises(ValueError, match="lacks threads"):
        answer(runs.drop(columns="threads"), cost="train_seconds")
    with pytest.raises(ValueError, match=r"column 'latency_ms'; it can be compared at: compute"):
        answer(runs, cost="latency_ms")
    with pytest.raises(ValueError, match=r"no cost 'money'; valid: compute, flops_per_request"):
        answer(runs, cost="money")


def test_bad_questions_are_named(runs: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"no candidate 'din' .*valid: astro, transformer"):
        versus(runs, "transformer", "din")
    with pytest.raises(ValueError, match="both 'astro'"):
        versus(runs, "astro", "astro")
    with pytest.raises(ValueError, match="no column 'colour'"):
        versus(runs, *NAMES, by="colour")
    with pytest.raises(ValueError, match="'chinchilla' is not in compute"):
        versus(runs, *NAMES, law="chinchilla")
    with pytest.raises(ValueError, match="level must lie between 0 and 1"):
        versus(runs, *NAMES, level=95)
    failed = runs.assign(status=np.where(runs["architecture"] == "astro", "failed", "finished"))
    with pytest.raises(ValueError, match="no usable run of astro"):
        versus(failed, *NAMES)
    assert len(excluded_runs(failed, NAMES, "architecture", "compute", "loss")) == 30


def test_mixed_tables_are_refused_or_answered_side_by_side(runs: pd.DataFrame) -> None:
    mixed = pd.concat([runs.assign(dataset=name) for name in ("a", "b")], ignore_index=True)
    with pytest.raises(ValueError, match="mixes data set a and data set b"):
        versus(mixed, *NAMES)
    found = versus(mixed, *NAMES, allow_mixed=True, draws=100, starts=4)
    assert [one.scope for one in found] == ["data set a", "data set b"]
    assert found[0].tries.baseline == (3,) * 5  # not pooled


def test_users_are_read_for_the_runs_that_stand_for_budgets(runs: pd.DataFrame) -> None:
    runs = runs.assign(run_id=[f"r{i}" for i in range(len(runs))])
    asked: list[str] = []

    def read(names: Any) -> dict[str, pd.DataFrame]:
        asked.extend(names)
        users = np.arange(50)
        columns = {"request": users, "user": users, "behaviour": "like", "count": 8}
        rng = np.random.default_rng(0)
        hard = np.exp(0.3 * rng.normal(size=50))
        return {name: pd.DataFrame(columns | {"sum_loss": 8 * hard}) for name in names}

    found = answer(runs, evaluations=read)
    assert found.paired.users == 50
    assert len(asked) == 2 * 5 * 2  # architectures, budgets, seeds
    assert answer(runs).paired.users_reason == "a run table holds no losses by user"


def test_the_figure_shows_band_crossing_and_what_decides(simulate: Simulate) -> None:
    crossed = simulate({"astro": (30.0 * 10 ** (12.25 * 0.05), 0.25), "transformer": (30.0, 0.2)})
    found = answer(crossed)
    figure = multiplier_vs_compute([found], COSTS["compute"])
    assert isinstance(figure, Figure)
    kinds = {(layer.kind, layer.key) for layer in figure.panels[0].layers}
    assert ("band", "astro against transformer") in kinds
    assert ("frontier", "crossing") in kinds
    assert ("beyond", "astro against transformer") in kinds
    flat = crossed.assign(loss=0.6 * np.exp(0.003 * np.sin(np.arange(len(crossed)))))
    flat = flat.drop(columns="validation_loss")
    assert isinstance(multiplier_vs_compute([answer(flat, law="power")], COSTS["compute"]), Skipped)
