"""The search of learning rates: ASHA through real Ray, its cost, and the sweep that uses it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from scaling.sweeps.base import Sweep
from scaling.sweeps.learning_rates import learning_rates
from scaling.sweeps.plan import make_plan
from scaling.sweeps.rate_search import search_of, searched
from scaling.sweeps.runner_team import begin_run
from scaling.tracking_read import read_runs

FACTORS = (1e-5, 0.3, 1.0, 3.0, 1e5)


def test_each_size_is_searched_at_its_smallest_budget(tiny: Any) -> None:
    declared = tiny.bags(budgets=(6e5, 3e5), widths=(4, 8), seeds=(1, 0))
    search = search_of(declared, (1.0, 2.0))
    assert search.sweep.title == "bags-rates"
    cells = {(t.model.width, t.budget, t.seed, t.training.lr) for t in search.sweep.trials}
    assert cells == {(w, 3e5, 0, 2.5e-3 * f) for w in (4, 8) for f in (1, 2)}
    assert len(set(search.groups.values())) == 2


def test_finds_usable_rates_and_repeats_nothing(
    tiny: Any, launch: Callable[..., Any], store: str
) -> None:
    declared = tiny.bags(budgets=(1.5e6, 3e6), widths=(4, 8))
    search = search_of(declared, FACTORS)
    outcome = launch(search.sweep, store, make_run=begin_run, stopping=search.rule())
    assert outcome.done + outcome.stopped + len(outcome.failed) == 10
    assert outcome.stopped >= 2, "nothing was stopped"
    table = read_runs("bags-rates", tracking_uri=store, everything=True)
    found = searched(search, table)
    assert len(found.searches) == 2
    for one in found.searches:
        assert len(one.rates) == 5
        assert 2.5e-3 * 0.1 < one.chosen < 2.5e-3 * 10
        assert not one.at_an_end
        assert one.compute < 5 * one.budget
    total = sum(one.compute for one in found.searches)
    assert total == pytest.approx(table["compute"].sum())
    stopped = table[table["status"] == "stopped"]
    assert (stopped["compute"] < 0.9 * stopped["budget"]).all()
    assert stopped["reason"].str.contains("behind the better ones").all()
    # The spec goes through JSON; the winners are copied, the rest is to do at the rates found.
    again = Sweep.from_dict(found.to_dict())
    plan = make_plan(again, tracking_uri=store)
    assert plan.search_compute == pytest.approx(total)
    assert {p.state for p in plan.trials if p.trial.budget == 1.5e6} == {"reuse"}
    assert {p.state for p in plan.trials if p.trial.budget == 3e6} == {"to do"}
    chosen = {one.chosen for one in found.searches}
    assert {p.trial.training.lr for p in plan.trials} == chosen
    # A second launch of the search runs nothing.
    second = launch(search.sweep, store, make_run=begin_run, stopping=search.rule())
    assert (second.done, second.stopped) == (0, outcome.stopped)


def test_a_size_without_a_usable_rate_is_named(
    tiny: Any, launch: Callable[..., Any], store: str
) -> None:
    search = search_of(tiny.bags(budgets=(3e5,), widths=(4,), seeds=(1,)), (1.0, 2.0))
    launch(search.sweep, store, make_run=tiny.FaultyRun, stopping=search.rule())
    table = read_runs("bags-rates", tracking_uri=store, everything=True)
    with pytest.raises(ValueError, match=r"no learning rate of bag d1 w4 .*left the real line"):
        searched(search, table)


def test_refuses_what_can_not_be_searched(tiny: Any) -> None:
    with pytest.raises(ValueError, match="two or more positive factors"):
        search_of(tiny.bags(), (1.0, 1.0))
    declared = learning_rates(architectures=("transformer",), widths=(32,), depths=(2,))
    with pytest.raises(ValueError, match="5 learning rates: it compares rates itself"):
        search_of(declared)
