"""Several groups fitted with shared parameters."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from scaling.analysis.fitting import fit
from scaling.analysis.joint import fit_joint
from scaling.analysis.jointly import jointly
from scaling.analysis.law import LAWS, FitError
from scaling.analysis.summary import analyse

Simulate = Callable[..., pd.DataFrame]
E = 0.45
TRUTH = {"astro": (26.0, 0.21), "gru": (24.0, 0.17), "transformer": (30.0, 0.2)}


def table(noise: float = 0.0, seed: int = 0, rows: int = 8) -> pd.DataFrame:
    """Three architectures on E + A C^-alpha with a common E, over two decades of compute."""
    rng = np.random.default_rng(seed)
    compute = np.logspace(11, 13, rows)
    parts = [
        pd.DataFrame({"architecture": name, "compute": compute, "loss": E + a * compute**-alpha})
        for name, (a, alpha) in TRUTH.items()
    ]
    runs = pd.concat(parts, ignore_index=True)
    return runs.assign(loss=runs["loss"] * np.exp(noise * rng.normal(size=len(runs))))


@pytest.mark.parametrize("objective", ["huber", "squares"])
def test_noise_free_groups_give_their_parameters_back(objective: str) -> None:
    found = fit_joint("offset", table(), objective=objective)  # type: ignore[arg-type]
    assert found.shared["E"] == pytest.approx(E, rel=1e-6)
    for name, (amplitude, alpha) in TRUTH.items():
        params = found.groups[name].params
        assert params["E"] == found.shared["E"]
        assert params["A"] == pytest.approx(amplitude, rel=1e-5)
        assert params["alpha"] == pytest.approx(alpha, rel=1e-6)
    assert (found.n, found.dof) == (24, 24 - 7)
    assert found.starts_at_optimum > 0.9


@pytest.mark.parametrize("shared", [("A",), ("alpha",), ("A", "alpha")])
def test_any_parameter_can_be_shared(shared: tuple[str, ...]) -> None:
    params = {"E": 0.45, "A": 30.0, "alpha": 0.2}
    others = {"E": 0.5, "A": 40.0, "alpha": 0.25}
    compute = np.logspace(10, 13, 9)
    law = LAWS.get("offset")()
    rows = []
    for name, own in (("one", params), ("two", others)):
        values = {**own, **{key: params[key] for key in shared}}
        rows.append(pd.DataFrame({"g": name, "compute": compute}))
        rows[-1]["loss"] = law({"compute": compute}, values)
    found = fit_joint("offset", pd.concat(rows, ignore_index=True), by="g", shared=shared)
    for key in params:
        want = params[key] if key in shared else others[key]
        assert found.groups["two"].params[key] == pytest.approx(want, rel=1e-4)
    assert set(found.shared) == set(shared)


def test_equals_one_fit_where_only_one_thing_can_differ() -> None:
    runs = table(0.002)
    apart = {name: fit("offset", part) for name, part in runs.groupby("architecture")}
    found = fit_joint("offset", runs)
    assert found.objective >= sum(one.objective for one in apart.values()) * (1 - 1e-9)
    assert found.objective == pytest.approx(sum(g.objective for g in found.groups.values()))
    given = {
        name: fit("offset", part, fixed=found.shared).params["alpha"]
        for name, part in runs.groupby("architecture")
    }
    for name, alpha in given.items():  # at the joint E each group is at its own optimum
        assert found.groups[name].params["alpha"] == pytest.approx(alpha, rel=1e-4)


def test_sharing_the_floor_makes_exponents_surer() -> None:
    runs = table(0.002)
    joint = fit_joint("offset", runs, objective="squares")
    for name, part in runs.groupby("architecture"):
        alone = fit("offset", part, objective="squares")
        assert joint.groups[str(name)].stderr["alpha"] < alone.stderr["alpha"]


def test_difference_knows_what_errors_have_in_common() -> None:
    found = fit_joint("offset", table(0.002), objective="squares")
    value, (low, high) = found.difference("alpha", "astro", "gru")
    assert value == found.groups["astro"].params["alpha"] - found.groups["gru"].params["alpha"]
    assert low < value < high
    apart = np.hypot(*(found.groups[name].stderr["alpha"] for name in ("astro", "gru")))
    assert (high - low) / 2 < found.groups["astro"].quantile(0.95) * apart
    assert found.difference("E", "astro", "gru") == (0.0, (0.0, 0.0))
    reverse, ends = found.difference("alpha", "gru", "astro")
    assert (reverse, *ends) == pytest.approx((-value, -high, -low))


def test_intervals_of_differences_cover() -> None:
    truth = TRUTH["astro"][1] - TRUTH["gru"][1]
    hits = []
    for seed in range(40):
        runs = table(0.002, seed)
        found = fit_joint("offset", runs, objective="squares", starts=2)
        _, (low, high) = found.difference("alpha", "astro", "gru")
        hits.append(low <= truth <= high)
    assert np.mean(hits) >= 0.85  # 0.95 less three Monte-Carlo standard errors


def test_given_parameters_stay() -> None:
    found = fit_joint("offset", table(0.001), shared=["alpha"], fixed={"E": E})
    assert all(group.params["E"] == E for group in found.groups.values())
    assert all(group.interval()["E"] == (E, E) for group in found.groups.values())
    assert found.dof == 24 - 4


def test_as_json() -> None:
    shown = fit_joint("offset", table(0.001)).to_dict()
    assert shown["shared"]["E"]["interval"][0] < E < shown["shared"]["E"]["interval"][1]
    assert set(shown["groups"]) == set(TRUTH)


def test_refuses_what_makes_no_joint_fit() -> None:
    runs = table()
    with pytest.raises(FitError, match="no column 'family'"):
        fit_joint("offset", runs, by="family")
    with pytest.raises(FitError, match="two groups or more; architecture has: astro"):
        fit_joint("offset", runs[runs["architecture"] == "astro"])
    with pytest.raises(FitError, match="architecture is missing in row 3"):
        fit_joint("offset", runs.assign(architecture=runs["architecture"].where(runs.index != 3)))
    with pytest.raises(FitError, match=r"architecture gru: loss must be a positive.* row 9"):
        fit_joint("offset", runs.assign(loss=runs["loss"].where(runs.index != 9)))
    with pytest.raises(FitError, match="architecture gru: all rows have compute"):
        fit_joint("offset", runs.assign(compute=runs["compute"].where(runs.index // 8 != 1, 1e12)))
    with pytest.raises(ValueError, match="no parameter 'beta' to share; valid: E, A, alpha"):
        fit_joint("offset", runs, shared=["beta"])
    with pytest.raises(ValueError, match="'E' is given"):
        fit_joint("offset", runs, fixed={"E": 0.4})
    with pytest.raises(ValueError, match="nothing is shared"):
        fit_joint("offset", runs, shared=[])
    with pytest.raises(ValueError, match="everything is shared"):
        fit_joint("offset", runs, shared=["E", "A", "alpha"])
    found = fit_joint("offset", runs)
    with pytest.raises(ValueError, match="no group 'mamba'; valid: astro, gru, transformer"):
        found.difference("alpha", "mamba", "gru")
    with pytest.raises(ValueError, match="no parameter 'gamma'"):
        found.difference("gamma", "astro", "gru")


def test_the_groups_of_an_analysis_share_a_parameter(simulate: Simulate) -> None:
    truth = {"astro": (28.0, 0.21), "transformer": (30.0, 0.2)}
    found = analyse(simulate(truth), comparison_draws=0, objective="squares")
    joint = jointly(found, ["E"], objective="squares")
    points = pd.concat(
        group.frontier.points.assign(architecture=name)
        for name, group in found.groups.items()
        if group.frontier is not None
    )
    alone = fit_joint("offset", points, shared=["E"], objective="squares")
    assert joint.fit.shared == pytest.approx(alone.shared)
    assert joint.apart <= joint.fit.objective  # sharing can't fit better
    ((what, (value, (low, high))),) = joint.differences.items()
    assert what == "alpha of astro less that of transformer"
    assert low <= value <= high
    assert low <= 0.01 <= high
    assert what in joint.sentences()[1]
    assert json.loads(json.dumps(joint.to_dict(), allow_nan=False)) == joint.to_dict()
    with pytest.raises(ValueError, match="no parameter 'F' to share"):
        jointly(found, ["F"])
    pinned = analyse(simulate(truth), comparison_draws=0, fixed={"E": 0.45})
    with pytest.raises(ValueError, match="is given: it can't be shared"):
        jointly(pinned, ["E"])
    with pytest.raises(FitError, match="two groups or more"):
        jointly(analyse(simulate({"astro": (28.0, 0.21)})), ["E"])


def test_groups_of_several_data_sets_share_nothing(simulate: Simulate) -> None:
    runs = simulate({"astro": (28.0, 0.21)})
    mixed = pd.concat([runs.assign(dataset="a"), runs.assign(dataset="b")], ignore_index=True)
    with pytest.raises(ValueError, match="several data sets"):
        jointly(analyse(mixed, allow_mixed=True), ["E"])
