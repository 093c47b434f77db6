"""References in a sweep: one trial each, beside the trained models and whatever their budgets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scaling.datasets.base import DatasetConfig
from scaling.models.base import ModelConfig
from scaling.trial import TrainingConfig, TrialConfig

COUNTING = TrainingConfig(batch_size=256, lr=1.0, embedding_lr=1.0, lr_rule="none: counted")
"""How references are run, in every sweep: no setting here changes a count, and a reference of one
sweep is found finished by the next. The rates are unused."""


def trained(models: Iterable[ModelConfig]) -> list[ModelConfig]:
    """The models that are trained."""
    return [model for model in models if model.role == "trained"]


def reference_trials(
    models: Iterable[ModelConfig], dataset: DatasetConfig
) -> tuple[TrialConfig, ...]:
    """A trial for each reference among the models: no budget, and seed 0, for a pass over the
    training part has no chance in it."""
    return tuple(
        TrialConfig(model=model, dataset=dataset, training=COUNTING, budget=0.0, seed=0)
        for model in models
        if model.role == "reference"
    )


def budgets_of(trials: Sequence[TrialConfig]) -> list[float]:
    """The budgets of the trials that are trained."""
    return [trial.budget for trial in trials if trial.model.role == "trained"]
