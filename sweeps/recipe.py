"""How the models of a sweep are trained: one named recipe, the same for every size."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.config import Config
from scaling.models.base import ModelConfig
from scaling.optim import LR_FAN_IN
from scaling.trial import Precision, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Recipe(Config):
    """Settings that every model of a sweep shares.

    One learning rate serves every width and depth: the optimizer scales it for each matrix (see
    `scaling.optim`), and docs/learning-rates.md shows how far the best one moves.
    """

    lr: float = 2.5e-3
    """Peak learning rate of the dense part, of matrices with a fan-in of 64."""
    embedding_lr: float = 0.1
    batch_size: int = 32
    """Requests per step."""
    items_per_record: int = 0
    """Candidates that share a history in training; see `TrainingConfig.items_per_record`."""
    precision: Precision = "fp32"
    device: str = "cpu"
    threads: int = 1
    workers: int = 1
    """Processes per trial; see `TrainingConfig.workers`."""

    def training_for(self, model: ModelConfig) -> TrainingConfig:
        """The resolved settings for one model."""
        return TrainingConfig(
            batch_size=self.batch_size,
            lr=self.lr,
            embedding_lr=self.embedding_lr,
            items_per_record=self.items_per_record,
            lr_rule=f"muP from {self.lr:g} at fan-in {LR_FAN_IN}",
            precision=self.precision,
            device=self.device,
            threads=self.threads,
            workers=self.workers,
        )


RECIPE = Recipe()
"""The recipe of the sweeps that come with the platform."""


def training_for(model: ModelConfig, recipe: Recipe = RECIPE) -> TrainingConfig:
    """How `model` is trained under a recipe."""
    return recipe.training_for(model)
