"""Many starts: the same optimum, however it is come to, and an honest share."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from scaling.analysis import multistart
from scaling.analysis.fitting import fit
from scaling.analysis.law import LAWS


def runs(rows: int, noise: float = 0.01, name: str = "chinchilla") -> pd.DataFrame:
    rng = np.random.default_rng(5)
    law = LAWS.get(name)()
    columns = {variable: 10 ** rng.uniform(7, 10, size=rows) for variable in law.variables}
    table = pd.DataFrame(columns)
    return table.assign(loss=law(table, law.example) * np.exp(noise * rng.normal(size=rows)))


@pytest.mark.parametrize("objective", ["huber", "squares"])
def test_a_large_table_comes_to_the_optimum_of_all_its_rows(
    monkeypatch: pytest.MonkeyPatch, objective: str
) -> None:
    table = runs(1500)
    in_steps = fit("chinchilla", table, starts=6, objective=objective)  # type: ignore[arg-type]
    monkeypatch.setattr(multistart, "FEW_ROWS", 10_000)
    at_once = fit("chinchilla", table, starts=6, objective=objective)  # type: ignore[arg-type]
    assert in_steps.objective == pytest.approx(at_once.objective, rel=1e-7)
    assert in_steps.params == pytest.approx(at_once.params, rel=1e-3)
    assert in_steps.starts_at_optimum == at_once.starts_at_optimum == 1.0


def test_a_start_that_ends_elsewhere_counts_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    table = runs(1500, 0.001, "repeated")
    table["unique_examples"] = table["examples"] / 10 ** np.random.default_rng(0).uniform(
        0, 2, 1500
    )
    law = LAWS.get("repeated")()
    table["loss"] = law(table, law.example)
    dead = {**law.example, "A": 1e-9, "E": 2.6}  # the term in N is gone, and stays so
    found = fit("repeated", table, starts=[dict(law.example), dead], objective="squares")
    assert found.params["alpha"] == pytest.approx(law.example["alpha"], rel=1e-4)
    assert (found.starts, found.starts_at_optimum) == (2, 0.5)


def test_a_delta_far_below_the_scatter_is_reached_in_steps() -> None:
    table = runs(120)
    found = fit("chinchilla", table, huber_delta=1e-4, starts=40)
    assert found.starts_at_optimum > 0.8
    near = fit("chinchilla", table, huber_delta=1e-4, starts=[found.params])
    assert near.objective >= found.objective * (1 - 1e-6)
