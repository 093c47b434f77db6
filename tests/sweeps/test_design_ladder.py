"""Ladders, random draws and limits: what belongs to a size, what is drawn, what is left out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.popularity import PopularityConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.base import Sweep
from scaling.sweeps.constraints import Limits
from scaling.sweeps.design import grid, isoflop, rungs, variants
from scaling.sweeps.design_ladder import ladder
from scaling.sweeps.design_random import Between, random_search
from scaling.sweeps.families import family
from scaling.sweeps.plan import make_plan

BASE = TransformerConfig(depth=1, width=16, seq_len=16)
ASTRO = AstroConfig(depth=1, width=16, seq_len=16, strategies=("recent", "like"))
DATA = SyntheticConfig.tiny()
AXES = {"depth": Between(1, 4, 1), "width": Between(16, 128, 16), "seq_len": Between(8, 64, 4)}


def test_rungs_go_up_all_axes_together() -> None:
    found = rungs(BASE, depth=(1, 2, 4), width=(16, 32, 64), seq_len=(32,))
    assert [(m.depth, m.width, m.seq_len) for m in found] == [(1, 16, 32), (2, 32, 32), (4, 64, 32)]
    with pytest.raises(ValueError, match="as many values: depth has 2, width has 3"):
        rungs(BASE, depth=(1, 2), width=(16, 32, 64))
    named = family(
        "astro", strategies=("recent", "like"), depths=(1, 2), widths=(16, 32), seq_lens=(32,),
        blocks=(2,), rung_by_rung=True,
    )  # fmt: skip
    assert [(m.depth, m.width, m.blocks) for m in named] == [(1, 16, 2), (2, 32, 2)]


def test_a_ladder_gives_each_size_its_data(store: str) -> None:
    models = [*rungs(BASE, depth=(2, 1), width=(32, 16)), PopularityConfig()]
    sweep = ladder("l", ladders=[models], dataset=DATA, seeds=(0, 1), examples_per_param=20)
    planned = [p for p in make_plan(sweep, tracking_uri=store).trials if p.params]
    assert [(p.trial.model.width, p.trial.seed) for p in planned] == [
        (16, 0), (16, 1), (32, 0), (32, 1),
    ]  # fmt: skip
    for p in planned:
        # The plan samples fewer requests, and budgets have three digits.
        assert p.examples == pytest.approx(20 * p.params, rel=0.05)
    assert len(sweep.trials) == 5, "a reference once"


def test_a_ladder_by_the_flops_of_an_example(store: str) -> None:
    sweep = ladder("l", ladders=[[ASTRO], [BASE]], dataset=DATA, seeds=(0,), examples_per_mflop=5e4)
    for p in make_plan(sweep, tracking_uri=store).trials:
        mflop = p.flops_per_request * p.requests / p.examples / 1e6
        assert p.examples == pytest.approx(5e4 * mflop, rel=0.05)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "either examples_per_param or examples_per_mflop"),
        ({"examples_per_param": 20, "examples_per_mflop": 1}, "either examples_per_param or"),
        ({"examples_per_param": 0}, "must be positive, got 0"),
        ({"examples_per_param": 1, "ladders": [[]]}, "ladder must hold at least one value"),
        ({"examples_per_param": 1, "seeds": ()}, "seeds must hold at least one value"),
    ],
)
def test_ladders_that_say_no_size(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ladder("l", **({"ladders": [[BASE]], "dataset": DATA, "seeds": (0,)} | options))


def drawn(count: int, templates: tuple[Any, ...] = (BASE,), **options: Any) -> Sweep:
    options = {"axes": AXES, "budgets": Between(1e8, 1e11), "seeds": (0,)} | options
    return random_search("r", templates=templates, dataset=DATA, count=count, **options)


def test_draws_are_distinct_within_the_ranges_and_come_again() -> None:
    sweep = drawn(40, lr=Between(1e-3, 1e-2))
    assert len({trial.configuration() for trial in sweep.trials}) == 40
    assert sweep == drawn(40, lr=Between(1e-3, 1e-2))
    assert sweep != drawn(40, lr=Between(1e-3, 1e-2), draw_seed=1)
    for trial in sweep.trials:
        model = trial.model
        assert 1 <= model.depth <= 4
        assert model.width in range(16, 129, 16)
        assert model.seq_len in range(8, 65, 4)
        assert 1e8 <= trial.budget <= 1e11
        assert 1e-3 <= trial.training.lr <= 1e-2
    # Log-uniform: as many in the lower half of the decades.
    assert 10 <= sum(trial.budget < 10**9.5 for trial in sweep.trials) <= 30


def test_draws_are_an_architectures_own() -> None:
    alone, more = drawn(5), drawn(8, (ASTRO, BASE), axes=AXES | {"blocks": Between(1, 2, 1)})
    mine = [trial for trial in more.trials if trial.model.name == "transformer"]
    assert mine[:5] == list(alone.trials)
    assert {trial.model.blocks for trial in more.trials} == {1, 2}


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Between(2, 1), "go up from a positive number, got 2 to 1"),
        (lambda: Between(0, 1), "go up from a positive number"),
        (lambda: Between(17, 30, 16), "no multiple of 16 in 17 to 30"),
        (lambda: drawn(0), "count must be at least 1, got 0"),
        (
            lambda: drawn(5, axes={"depth": Between(1, 2, 1)}, budgets=Between(1e9, 1e9)),
            "gave 2 distinct configurations of transformer, not 5: widen",
        ),
        (
            lambda: drawn(1, axes={"width": Between(17, 23)}),
            "gave 0 .*the last one refused: .*width=.*multiple of head_dim",
        ),
        (lambda: drawn(1, limits=Limits(params=10)), "refused: transformer d.* more than 10$"),
    ],
)
def test_draws_that_cannot_be(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(params=1e5), "parameters, more than 1e5"),
        (Limits(flops_per_request=1e7), "FLOP per request, more than 1e7"),
        (Limits(memory_bytes=7e8), "B of memory, more than 7e8"),
    ],
)
def test_models_beyond_a_limit_are_left_out_and_told(limits: Limits, reason: str) -> None:
    models = [*variants(BASE, width=(16, 1024)), PopularityConfig()]
    ways = [
        grid("g", models=models, dataset=DATA, budgets=(1e12,), seeds=(0,), limits=limits),
        ladder(
            "l", ladders=[models], dataset=DATA, seeds=(0,), examples_per_param=20, limits=limits
        ),
        isoflop(
            "i", ladders=[models], dataset=DATA, budgets=(1e12,), sizes_per_budget=1, seeds=(0,),
            limits=limits,
        ),
    ]  # fmt: skip
    for sweep in ways:
        assert [t.model.width for t in sweep.trials if t.model.role == "trained"] == [16]
        assert len(sweep.trials) == 2, "a reference has no size"
        (told,) = sweep.left_out
        assert told.startswith("transformer d1 w1024 n16: ")
        assert reason in told
        assert Sweep.from_dict(json.loads(json.dumps(sweep.to_dict()))) == sweep


def test_limits_that_leave_nothing() -> None:
    few = Limits(params=1e5)
    with pytest.raises(ValueError, match=r"leave no model of transformer: .*w1024.*more than 1e5"):
        grid(
            "g", models=[ASTRO, *variants(BASE, width=(1024,))], dataset=DATA, budgets=(1e9,),
            seeds=(0,), limits=few,
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"sizes of transformer within the limits \(.*w1024"):
        isoflop(
            "i", ladders=[variants(BASE, width=(16, 1024))], dataset=DATA, budgets=(1e9,),
            sizes_per_budget=2, seeds=(0,), limits=few,
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"Limits.params must be positive, got -1"):
        Limits(params=-1)


def test_budgets_of_a_large_cluster_are_planned(store: str) -> None:
    large = rungs(
        AstroConfig(depth=1, width=1024, seq_len=4096, strategies=("recent", "like"), head_dim=128),
        depth=(24, 48, 96), width=(2048, 4096, 8192),
    )  # fmt: skip
    sweep = grid("large", models=large, dataset=DATA, budgets=(1e20, 1e21), seeds=tuple(range(30)))
    plan = make_plan(sweep, tracking_uri=store)
    assert len(plan.trials) == 180
    assert plan.compute == pytest.approx(90 * 1.1e21)
    for p in plan.trials:
        assert p.requests * p.flops_per_request * 3 == pytest.approx(p.trial.budget)
        assert p.steps > 0
        assert p.params > 1e9
        assert p.memory_bytes > 16 * p.params
