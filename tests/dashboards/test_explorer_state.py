"""What an address says, and what passes a filter."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from scaling.dashboards.explorer_choices import choices_of, chosen, resolve
from scaling.dashboards.explorer_filters import axes_of, ends, passing
from scaling.dashboards.explorer_state import LONGEST, State, parse

STATES = (
    State(),
    State(sweeps=("a b", "ü&=?"), architectures=("",), metric="loss.like", run="<script>"),
    State(cost="params", law="chinchilla", counting="compute_causal", figure="isoflop"),
    State(by="variant", filters={"depth": ("2", "4"), "lr": ("1e-3..",), "a=b&c": ("", "–", "\u202e")}),
)  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_an_address_says_the_whole_state(state: State) -> None:
    assert parse(state.search()) == (state, [])
    assert State.from_dict(state.to_dict()) == state


def test_what_is_usual_is_left_out_of_the_address() -> None:
    assert State().search() == ""
    assert State(sweeps=("a b",), metric="auc").search() == "?sweeps=a+b&metric=auc"


def test_an_address_that_says_nonsense_is_told_about() -> None:
    state, told = parse("?metric=auc&<script>=1&metric=ne")
    assert state == State(metric="ne")
    assert told == ["The address says '<script>', which means nothing here."]
    assert parse("?run=" + "x" * LONGEST)[0] == State()
    assert "20,000 characters" in parse("?run=" + "x" * LONGEST)[1][0]


def test_what_runs_lack_is_named_with_what_they_have(simulate: Any) -> None:
    runs = simulate()
    wanted = State(
        metric="auc", cost="latency_ms", law="nolaw", figure="pie", architectures=("gru",)
    )
    state, choices, told = resolve(wanted, runs)
    assert state == State()
    assert [text.split(";")[0] for text in told] == [
        "These runs have no metric 'auc'",
        "These runs have no cost 'latency_ms'",
        "These runs have no law 'nolaw'",
        "These runs have no figure 'pie'",
        "These runs have no architecture 'gru'",
    ]
    assert "valid: loss, validation_loss." in told[0]
    assert set(choices.cost) == {"compute", "params", "examples"}
    assert list(choices.architectures) == ["astro", "transformer"]


def test_a_metric_that_rises_gets_a_law_that_rises(simulate: Any) -> None:
    runs = simulate().assign(auc=lambda t: 1 - t["loss"])
    state, choices, told = resolve(State(metric="auc"), runs)
    assert (state.law, told) == ("gap", [])
    assert set(choices.law) == {"gap", "logit"}
    state, choices, told = resolve(State(law="gap"), runs)
    assert (state.law, told) == ("offset", [])
    assert "gap" not in choices_of(runs, "loss").law


def test_filters_by_value_and_by_range(simulate: Any) -> None:
    runs = simulate(sizes=3)
    axes = {axis.name: axis for axis in axes_of(runs.assign(lr=np.linspace(1e-3, 2e-3, len(runs))))}
    assert axes["width"].values == ("16", "32", "64")
    assert axes["lr"].values == ()
    assert (axes["lr"].low, axes["lr"].high) == (1e-3, 2e-3)
    assert "blocks" not in axes, "all runs have the same"
    kept, told = passing(runs, {"width": ("16", "64"), "examples": ("..1e6",)})
    assert told == []
    assert set(kept["width"]) == {16, 64}
    assert kept["examples"].max() <= 1e6
    assert len(kept) == ((runs["width"] != 32) & (runs["examples"] <= 1e6)).sum()


def test_a_missing_value_is_a_value_to_filter_by() -> None:
    runs = pd.DataFrame({"variant": ["a", None, "b"], "depth": [1.0, np.nan, 2.0]})
    values = {axis.name: axis.values for axis in axes_of(runs)}
    assert values == {"variant": ("a", "b", "–"), "depth": ("1", "2", "–")}
    assert list(passing(runs, {"variant": ("–",)})[0].index) == [1]
    assert list(passing(runs, {"depth": ("2", "–")})[0].index) == [1, 2]


def test_a_filter_that_means_nothing_filters_nothing(simulate: Any) -> None:
    runs = simulate()
    kept, told = passing(runs, {"__class__": ("x",), "width": ("a..b",), "depth": ("3..1",)})
    assert len(kept) == len(runs)
    assert "no such axis here; valid: status, dataset" in told[0]
    assert told[1] == "Nothing is filtered by width: 'a..b' is no range; valid: such as 1e-3..1e-2."
    assert "wrong order" in told[2]
    assert ends("..") == (-np.inf, np.inf)


@pytest.mark.parametrize(("names", "left"), [(("astro",), 30), ((), 60), (("",), 0)])
def test_architectures(simulate: Any, names: tuple[str, ...], left: int) -> None:
    runs = simulate()
    assert len(chosen(runs, State(architectures=names))[0]) == left
