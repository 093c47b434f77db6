"""The sweeps that come with the platform beyond the demo: what each compares, and at what cost."""

from __future__ import annotations

import dataclasses

import pytest

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.ablation import ablated
from scaling.sweeps.learning_rates import learning_rates
from scaling.sweeps.recipe import Recipe
from scaling.sweeps.same_data import same_data

MODELS = [TransformerConfig(depth=d, width=16, seq_len=16) for d in (1, 2)]


def test_models_on_the_same_data_pay_what_it_costs_them() -> None:
    recipes = [Recipe(lr=rate) for rate in (1e-3, 2e-3)]
    sweep = same_data(
        "same", models=MODELS, dataset=SyntheticConfig.tiny(), requests=100, seeds=(0, 1),
        recipes=recipes,
    )  # fmt: skip
    assert len(sweep.trials) == 8
    shallow, deep = ({t.budget for t in sweep.trials if t.model == model} for model in MODELS)
    assert len(shallow) == len(deep) == 1
    assert max(shallow) < max(deep)
    twice = same_data(
        "same", models=MODELS, dataset=SyntheticConfig.tiny(), requests=200, seeds=(0,),
        recipes=recipes,
    )  # fmt: skip
    assert twice.trials[0].budget == pytest.approx(2 * sweep.trials[0].budget)
    with pytest.raises(ValueError, match="requests must be positive, got 0"):
        same_data(
            "same", models=MODELS, dataset=SyntheticConfig.tiny(), requests=0, seeds=(0,),
            recipes=recipes,
        )  # fmt: skip


def test_the_ablation_names_each_part_once_and_its_control_reads_astros_events() -> None:
    strategies = ("recent", "like", "lifetime", "finish")
    models = ablated(strategies=strategies, blocks=(1, 2, 4), depth=1, width=16, seq_len=32)
    assert len({model.variant for model in models}) == len(models)
    whole, control = models[0], models[-1]
    (view,) = control.views()
    assert [(v.strategy, v.length) for v in view.of] == [
        (v.strategy, v.length) for v in whole.views()
    ]
    assert view.length == whole.seq_len
    assert sorted({model.blocks for model in models}) == [1, 2, 4]


def test_learning_rates_cross_widths_and_depths() -> None:
    sweep = learning_rates(architectures=("transformer",), requests=32)
    sizes = {(t.model.depth, t.model.width) for t in sweep.trials}
    assert sizes == {(2, 32), (2, 64), (2, 128), (4, 32), (8, 32)}
    rates = {t.training.lr for t in sweep.trials}
    assert len(sweep.trials) == len(sizes) * len(rates) * 2


def test_a_variant_tells_options_and_not_axes() -> None:
    base = TransformerConfig(depth=1, width=16, seq_len=16)
    assert base.variant == base.scaled(width=32, depth=3).variant == "transformer"
    gated = dataclasses.replace(base, gate="head", bidirectional=True)
    assert gated.variant == "transformer(bidirectional=True, gate=head)"
