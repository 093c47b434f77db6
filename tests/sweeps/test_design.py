"""Designs: which models meet which budgets, and how combinations that can't be are told."""

from __future__ import annotations

import itertools

import pytest

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.base import SWEEPS, Sweep
from scaling.sweeps.design import grid, isoflop, variants
from scaling.sweeps.families import family
from scaling.sweeps.recipe import Recipe, training_for

BASE = TransformerConfig(depth=1, width=16, seq_len=16)
ASTRO = AstroConfig(depth=1, width=16, seq_len=16, strategies=("recent", "like"))


def test_variants_are_the_product_of_the_axes() -> None:
    found = variants(ASTRO, depth=(1, 2), width=(16, 32), blocks=(1, 2))
    seen = {(m.depth, m.width, m.blocks) for m in found}
    assert seen == set(itertools.product((1, 2), (16, 32), (1, 2)))
    assert len(found) == 8


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"seq_len": (15,), "blocks": (2,)}, "seq_len=15, blocks=2: .*does not divide"),
        ({"width": (16, 20)}, "width=20: .*multiple of head_dim"),
        ({"seq_len": (0,)}, "seq_len=0: .*at least 1"),
        ({"blocks": (3,)}, "blocks=3: .*1 to 2"),
        ({"height": (3,)}, "height=3: unknown axis 'height'; valid: depth, width"),
        ({"depth": ()}, "axis depth has no values"),
    ],
)
def test_impossible_combinations_name_the_axis_values(
    axes: dict[str, tuple[int, ...]], message: str
) -> None:
    with pytest.raises(ValueError, match=f"astro.*{message}"):
        variants(ASTRO, **axes)


def test_grid_is_every_model_at_every_budget() -> None:
    models = variants(BASE, width=(16, 32))
    sweep = grid(
        "g", models=models, dataset=SyntheticConfig.tiny(), budgets=(1e8, 1e9), seeds=(0, 1, 2)
    )
    assert len(sweep.trials) == len({trial.digest() for trial in sweep.trials}) == 12
    assert {trial.configuration() for trial in sweep.trials} == {
        trial.with_seed(7).configuration() for trial in sweep.trials
    }


def test_isoflop_ranks_sizes_and_slides_with_the_budget() -> None:
    ladder = variants(BASE, width=(64, 80, 16, 32, 48))
    sweep = isoflop(
        "i",
        ladders=[ladder],
        dataset=SyntheticConfig.tiny(),
        budgets=(1e10, 1e8, 1e9),
        sizes_per_budget=3,
        seeds=(0,),
    )
    widths: dict[float, list[int]] = {}
    for trial in sweep.trials:
        widths.setdefault(trial.budget, []).append(trial.model.width)
    assert widths == {1e8: [16, 32, 48], 1e9: [32, 48, 64], 1e10: [48, 64, 80]}


def test_isoflop_refuses_windows_wider_than_the_ladder() -> None:
    with pytest.raises(ValueError, match="sizes_per_budget must be 1 to 2"):
        isoflop(
            "i",
            ladders=[variants(BASE, width=(16, 32))],
            dataset=SyntheticConfig.tiny(),
            budgets=(1e8,),
            sizes_per_budget=3,
            seeds=(0,),
        )


def test_empty_axes_are_refused() -> None:
    with pytest.raises(ValueError, match="budgets must hold at least one value"):
        grid("g", models=[BASE], dataset=SyntheticConfig.tiny(), budgets=(), seeds=(0,))


def test_one_learning_rate_serves_every_size_and_is_recorded() -> None:
    resolved = [training_for(m, Recipe(lr=5e-3)) for m in variants(BASE, width=(16, 64, 256))]
    assert {training.lr for training in resolved} == {5e-3}
    assert resolved[0].lr_rule == "muP from 0.005 at fan-in 64"


def test_families_give_blocks_to_those_that_have_them() -> None:
    axes = {"depths": (1,), "widths": (16, 32), "seq_lens": (32,), "blocks": (1, 2)}
    assert len(family("transformer", strategies=("recent", "like"), **axes)) == 2  # type: ignore[arg-type]
    assert len(family("astro", strategies=("recent", "like"), **axes)) == 4  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"unknown model 'astra'; valid: .*astro"):
        family("astra", strategies=("recent",), **axes)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"blocks must be 1 to 1 \(strategies recent\), got 1, 2"):
        family("astro", strategies=("recent",), **axes)  # type: ignore[arg-type]


def quickstart_of(**axes: object) -> Sweep:
    return SWEEPS.get("quickstart")(**axes)


def test_quickstart_spans_what_the_demo_promises() -> None:
    trials = quickstart_of().trials
    for architecture in ("transformer", "astro"):
        mine = [trial for trial in trials if trial.model.name == architecture]
        budgets = {trial.budget for trial in mine}
        assert len(budgets) >= 5
        assert max(budgets) / min(budgets) >= 10**1.5
        for budget in budgets:
            at = [trial for trial in mine if trial.budget == budget]
            assert len({trial.configuration() for trial in at}) >= 3
            assert len({trial.seed for trial in at}) >= 2


def test_axes_is_the_full_grid() -> None:
    trials = SWEEPS.get("axes")().trials
    names = ("depth", "width", "seq_len", "blocks", "budget")
    for architecture in ("transformer", "astro"):
        mine = [trial.axes() for trial in trials if trial.model.name == architecture]
        values = [{point[name] for point in mine} for name in names]
        assert len(mine) == len(set(itertools.product(*values)))
        assert all(len(v) >= 2 for n, v in zip(names, values) if n != "blocks")
        assert len(values[-1]) >= 3
    assert len({t.model.blocks for t in trials if t.model.name == "astro"}) >= 2
