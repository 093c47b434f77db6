"""References in sweeps: one trial each, free of charge, run and read back beside the others."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from scaling.analysis.summary import analyse
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.base import ModelConfig
from scaling.models.markov import MarkovConfig
from scaling.models.popularity import PopularityConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.allowance import within_compute
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import grid, isoflop, variants
from scaling.sweeps.families import family
from scaling.sweeps.plan import make_plan
from scaling.sweeps.plan_table import plan_rows, plan_table, summary
from scaling.sweeps.recipe import Recipe
from scaling.tracking_read import read_runs

TINY = SyntheticConfig.tiny()
TRAINED = variants(TransformerConfig(depth=1, width=16, seq_len=8), width=(16, 32))
REFERENCES = [PopularityConfig(), MarkovConfig(requests=300)]


def sweep_of(models: list[ModelConfig], seeds: tuple[int, ...] = (0, 1)) -> Sweep:
    return grid(
        "beside", models=models, dataset=TINY, budgets=(1e8, 2e8), seeds=seeds,
        recipe=Recipe(batch_size=8),
    )  # fmt: skip


def counted(sweep: Sweep) -> list[tuple[str, float, int]]:
    return [(t.model.name, t.budget, t.seed) for t in sweep.trials if t.model.role == "reference"]


def test_a_grid_runs_each_reference_once() -> None:
    sweep = sweep_of([*TRAINED, *REFERENCES])
    assert counted(sweep) == [("popularity", 0.0, 0), ("markov", 0.0, 0)]
    assert len(sweep.trials) == 2 * 2 * 2 + 2
    assert Sweep.from_dict(sweep.to_dict()) == sweep


def test_isoflop_ladders_may_be_references() -> None:
    sweep = isoflop(
        "i",
        ladders=[TRAINED, [REFERENCES[0]], [REFERENCES[1]]],
        dataset=TINY,
        budgets=(1e8, 2e8, 4e8),
        sizes_per_budget=2,
        seeds=(0, 1),
    )
    assert counted(sweep) == [("popularity", 0.0, 0), ("markov", 0.0, 0)]
    assert len(sweep.trials) == 2 * 2 * 3 + 2


def test_families_know_references_by_name() -> None:
    for name in ("popularity", "markov"):
        (model,) = family(
            name, strategies=("recent",), depths=(1, 2), widths=(16, 32), seq_lens=(8,)
        )
        assert (model.name, model.role) == (name, "reference")
    declared = SWEEPS.get("quickstart")(architectures=("transformer", "popularity", "markov"))
    assert [name for name, _, _ in counted(declared)] == ["popularity", "markov"]


def test_a_plan_charges_nothing_for_them(store: str) -> None:
    plan = make_plan(sweep_of([*TRAINED, *REFERENCES], seeds=(0,)), tracking_uri=store)
    popularity, markov = plan.trials[-2:]
    assert plan.compute == pytest.approx(2 * 3e8)
    assert (markov.requests, markov.steps, markov.epochs) == (300, 2, None)
    assert popularity.requests == 20_000
    assert popularity.flops_per_request == popularity.params == 0
    assert 0 < markov.seconds < popularity.seconds < 10
    assert popularity.warnings == ()
    assert popularity.name == "popularity (counted) s0"
    rows = plan_rows(plan)
    assert {len(row) for row in rows} == {len(rows[0])}
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(plan_table(plan))
    assert "a reference: counted, not trained" in console.export_text()
    alone = make_plan(sweep_of(list(REFERENCES)), tracking_uri=store)
    assert "2 trials: 2 to do, 0 done; 0 FLOP" in summary(alone)


def test_an_allowance_keeps_them_and_cuts_budgets() -> None:
    sweep = sweep_of([*TRAINED, *REFERENCES], seeds=(0,))
    kept, cut = within_compute(sweep, 2e8)
    assert cut == [2e8]
    assert [t.budget for t in kept.trials] == [1e8, 1e8, 0.0, 0.0]
    with pytest.raises(ValueError, match=r"smallest budget, 1e\+08, need 2e\+08"):
        within_compute(sweep, 1e8)
    alone = sweep_of(list(REFERENCES))
    assert within_compute(alone, 1.0) == (alone, [])


def test_their_digest_does_not_depend_on_the_recipe() -> None:
    digests = {
        grid(
            "g", models=[PopularityConfig()], dataset=TINY, budgets=(1e8,), seeds=(seed,),
            recipe=Recipe(lr=lr),
        ).trials[0].digest()
        for lr, seed in ((1e-3, 0), (1e-2, 5))
    }  # fmt: skip
    assert len(digests) == 1


def test_a_sweep_with_references_runs_from_end_to_end(
    tiny: Any, ray_running: None, store: str
) -> None:
    from scaling.sweeps.runner import run_sweep

    bags = tiny.bags(widths=(4,), budgets=(3e5, 6e5, 1.2e6, 2.4e6))
    models = [*{trial.model for trial in bags.trials}, *REFERENCES]
    sweep = grid(
        "both", models=models, dataset=TINY, budgets=(3e5, 6e5, 1.2e6, 2.4e6), seeds=(0,),
        recipe=Recipe(batch_size=8),
    )  # fmt: skip
    outcome = run_sweep(sweep, tracking_uri=store)
    assert (outcome.done, outcome.failed) == (6, ())
    table = read_runs("both", tracking_uri=store).set_index("architecture")
    assert table.loc["bag", "role"].tolist() == ["trained"] * 4
    for name in ("popularity", "markov"):
        row = table.loc[name]
        assert (row["role"], row["status"]) == ("reference", "finished")
        assert row["compute"] == row["budget"] == row["params"] == 0
        assert 0 < row["loss"] < 1
        assert row[["lr", "depth", "width", "mfu"]].isna().all()
    assert table.loc["markov", "requests"] == 300
    found = analyse(table.reset_index(), law="power", bootstrap=0)
    assert list(found.groups) == ["bag"]
    assert {one.name: one.loss for one in found.references} == {
        name: table.loc[name, "loss"] for name in ("popularity", "markov")
    }
    again = run_sweep(sweep, tracking_uri=store)
    assert (again.done, again.skipped) == (0, 6)


def test_they_have_no_axes() -> None:
    assert PopularityConfig().scaled(depth=1) == PopularityConfig()
    with pytest.raises(ValueError, match=r"popularity has no depth axis.*got 2"):
        PopularityConfig().scaled(depth=2)
