"""The whole analysis: groups, pinned offsets, refusals, and the JSON that others read."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.compare_figure import multiplier_vs_compute
from scaling.analysis.cost import COSTS
from scaling.analysis.figure import Figure
from scaling.analysis.summary import analyse
from scaling.analysis.versus import Versus, versus

Simulate = Callable[..., pd.DataFrame]
GROUP_KEYS = {
    "status", "n", "params", "stderr", "interval", "objective", "starts", "starts_at_optimum",
    "identifiable", "warnings",
}  # fmt: skip


def numbers(value: object) -> Iterator[float]:
    if isinstance(value, dict):
        for item in value.values():
            yield from numbers(item)
    elif isinstance(value, list):
        for item in value:
            yield from numbers(item)
    elif isinstance(value, float):
        yield value


@pytest.mark.parametrize("law", ["offset", "power", "loglinear", "chinchilla"])
@pytest.mark.parametrize("bootstrap", [0, 100])
def test_json_contract(runs: pd.DataFrame, law: str, bootstrap: int) -> None:
    runs.loc[0, "loss"] = np.nan
    found = analyse(runs, law=law, bootstrap=bootstrap).to_dict()
    assert {"law", "target", "level", "interval_method", "groups"} <= set(found)
    assert found["law"] == law
    assert found["interval_method"] == ("bootstrap" if bootstrap else "profile")
    assert set(found["groups"]) == {"astro", "transformer"}
    for group in found["groups"].values():
        assert set(group) >= GROUP_KEYS
        assert set(group["params"]) == set(group["interval"]) == set(group["stderr"])
        assert 0 < group["starts_at_optimum"] <= 1
        assert all(len(ends) == 2 for ends in group["interval"].values())
    assert all(math.isfinite(number) for number in numbers(found))
    json.dumps(found, allow_nan=False)
    assert found["excluded"] == [{"row": "0", "reason": "loss is missing"}] or found[
        "excluded"
    ] == [{"row": 0, "reason": "loss is missing"}]


def test_offset_is_fitted_free_and_pinned_to_the_known_floor(runs: pd.DataFrame) -> None:
    found = analyse(runs, bootstrap=200)
    for group in found.groups.values():
        assert group.fit is not None
        assert group.pinned is not None
        assert group.pinned.params["E"] == 0.45
        low, high = group.fit.interval()["E"]
        assert low <= 0.45 <= high
        free, pinned = (f.interval()["alpha"] for f in (group.fit, group.pinned))
        assert pinned[1] - pinned[0] < free[1] - free[0]
    assert set(found.to_dict()["pinned"]) == {"astro", "transformer"}
    head, rows = found.table()
    assert [row[:2] for row in rows] == [
        ["astro", "free"], ["astro", "known floor"],
        ["transformer", "free"], ["transformer", "known floor"],
    ]  # fmt: skip
    assert all(len(row) == len(head) for row in rows)
    unknown = analyse(runs.assign(loss_floor=np.nan), bootstrap=0)
    assert all(group.pinned is None for group in unknown.groups.values())
    assert unknown.to_dict()["pinned"] == {}


def test_a_floor_above_the_losses_is_said(runs: pd.DataFrame) -> None:
    above = analyse(runs.assign(loss_floor=0.9), bootstrap=0)
    assert all("above every loss" in group.pinned_error for group in above.groups.values())
    assert above.failed() == []
    between = analyse(runs.assign(loss_floor=0.53), bootstrap=0).groups["astro"].pinned
    assert between is not None
    assert any("above the lowest loss" in text for text in between.warnings)


def test_a_group_keeps_its_numbers_beside_others(runs: pd.DataFrame) -> None:
    both = analyse(runs, bootstrap=100).to_dict()["groups"]["astro"]
    alone = analyse(runs[runs["architecture"] == "astro"], bootstrap=100).to_dict()["groups"]
    shuffled = analyse(runs.sample(frac=1, random_state=0), bootstrap=100).to_dict()["groups"]
    assert alone["astro"] == both
    assert shuffled["astro"] == both


def test_copies_of_a_run_table_are_one(runs: pd.DataFrame) -> None:
    found = analyse(pd.concat([runs, runs]), bootstrap=0)
    assert len(found.excluded) == len(runs)
    assert found.to_dict()["groups"] == analyse(runs, bootstrap=0).to_dict()["groups"]


def test_a_group_that_cannot_be_fitted_is_kept_with_its_reason(runs: pd.DataFrame) -> None:
    few = runs[(runs["architecture"] == "astro") | (runs["budget"] < 1e12)]
    found = analyse(few, bootstrap=50)
    assert found.failed() == ["transformer"]
    described = found.to_dict()["groups"]["transformer"]
    assert set(described) >= GROUP_KEYS
    assert described["status"] == "failed"
    assert "2 rows can't determine" in described["warnings"][0]
    assert found.comparisons == ()


def test_one_budget_and_one_size_of_data_are_said(runs: pd.DataFrame) -> None:
    one = analyse(runs[runs["budget"] == runs["budget"].min()], bootstrap=0)
    assert "only one budget" in one.warnings[0]
    assert one.failed() == ["astro", "transformer"]
    sized = analyse(runs.assign(examples=1e6), bootstrap=0)
    assert "size law at D = 1e+06 examples" in sized.warnings[0]


def test_flat_and_rising_losses_are_said(runs: pd.DataFrame) -> None:
    noise = np.random.default_rng(0).normal(size=len(runs))
    flat = runs.drop(columns="validation_loss").assign(loss=0.6 * np.exp(0.003 * noise))
    found = analyse(flat, law="power", bootstrap=200)
    for group in found.groups.values():
        assert any("loss is not shown to fall with compute" in text for text in group.warnings)
    assert found.comparisons[0].verdict == "not decided"


@pytest.mark.parametrize(
    ("column", "values", "named"),
    [
        ("dataset", ("movielens-1m", "synthetic"), "data set movielens-1m and data set synthetic"),
        ("candidates_per_request", (1.0, 8.0), "1 candidates per request and 8 candidates"),
    ],
)
def test_mixed_tables_are_refused_or_split(
    runs: pd.DataFrame, column: str, values: tuple[object, object], named: str
) -> None:
    mixed = pd.concat([runs.assign(**{column: value}) for value in values], ignore_index=True)
    with pytest.raises(ValueError, match=named):
        analyse(mixed)
    found = analyse(mixed, allow_mixed=True, bootstrap=0)
    assert len(found.groups) == 4
    for comparison in found.comparisons:  # never across data sets
        assert comparison.baseline.split(" · ")[1] == comparison.candidate.split(" · ")[1]
    assert len(found.comparisons) == 2


def test_scatter_of_the_mean_number_of_candidates_is_no_mixture(runs: pd.DataFrame) -> None:
    spread = np.linspace(7.45, 7.55, len(runs))
    assert len(analyse(runs.assign(candidates_per_request=spread), bootstrap=0).groups) == 2


def test_refusals_say_what_would_do(runs: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="no column 'colour' to group by"):
        analyse(runs, by="colour")
    with pytest.raises(ValueError, match="valid: astro, transformer"):
        analyse(runs, baseline="din", bootstrap=0)
    with pytest.raises(ValueError, match="level"):
        analyse(runs, level=95)
    with pytest.raises(ValueError, match="no usable run among 60: failed: out of memory"):
        analyse(runs.assign(status="failed", reason="out of memory"))
    with pytest.raises(ValueError, match="the table is empty"):
        analyse(runs.head(0))


def test_every_run_on_request(runs: pd.DataFrame) -> None:
    found = analyse(runs, all_runs=True, bootstrap=100)
    assert found.groups["astro"].frontier is None
    assert found.to_dict()["groups"]["astro"]["n"] == 30
    assert analyse(runs, law="chinchilla", bootstrap=0).to_dict()["groups"]["astro"]["n"] == 30


def test_groups_by_a_number_come_in_its_order(simulate: Simulate) -> None:
    found = analyse(simulate(lengths=(32, 128)), by="seq_len", bootstrap=0)
    assert list(found.groups) == ["32", "128"]


def test_any_table_with_compute_and_loss_works(curve: pd.DataFrame) -> None:
    found = analyse(curve, bootstrap=0)
    (group,) = found.groups.values()
    assert group.fit is not None
    assert group.name == "all"
    assert group.fit.params["alpha"] == pytest.approx(0.2, rel=1e-6)


def test_no_torch_ray_or_mlflow_is_loaded() -> None:
    code = """
import importlib, pkgutil, sys
for name in ("scaling.analysis", "scaling.analysis.laws", "scaling.dashboards"):
    package = importlib.import_module(name)
    for module in pkgutil.iter_modules(package.__path__, name + "."):
        importlib.import_module(module.name)
print(sorted({"torch", "ray", "mlflow", "matplotlib.pyplot"} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.strip() == "[]", done.stderr


def test_comparisons_are_those_of_compare(simulate: Simulate) -> None:
    truth = {"din": (31.0, 0.2), "astro": (28.0, 0.2), "transformer": (30.0, 0.2)}
    runs = simulate(truth)
    found = analyse(runs, comparison_draws=200)
    assert [(one.baseline, one.candidate) for one in found.comparisons] == [
        ("transformer", "astro"), ("transformer", "din"),
    ]  # fmt: skip
    for one in found.comparisons:
        (alone,) = versus(runs, "transformer", one.candidate, draws=200)
        assert alone.comparison == one
    figure = multiplier_vs_compute(
        [one for one in found.contests if isinstance(one, Versus)], COSTS["compute"]
    )
    assert isinstance(figure, Figure)
    assert figure.keys == ("astro against transformer", "din against transformer")
    assert figure.title == "How much more compute transformer needs for the loss of the candidate"
