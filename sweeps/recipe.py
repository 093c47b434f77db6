"""How the models of a sweep are trained: one named recipe, with a learning-rate rule by width."""

from __future__ import annotations

from dataclasses import dataclass

from scaling.config import Config
from scaling.models.base import ModelConfig
from scaling.trial import Precision, TrainingConfig


@dataclass(frozen=True, kw_only=True)
class Recipe(Config):
    """Settings that every model of a sweep shares, and the rule that the width decides.

    lr(width) = base_lr * (width / reference_width) ** exponent
    """

    base_lr: float = 3e-3
    """Peak learning rate of the dense part at the reference width."""
    reference_width: int = 64
    exponent: float = -0.5
    embedding_lr: float = 0.05
    batch_size: int = 32
    """Requests per step."""
    precision: Precision = "fp32"
    device: str = "cpu"
    threads: int = 1

    def training_for(self, model: ModelConfig) -> TrainingConfig:
        """The resolved settings for one model; the rule is recorded beside the rate."""
        return TrainingConfig(
            batch_size=self.batch_size,
            lr=self.base_lr * (model.width / self.reference_width) ** self.exponent,
            embedding_lr=self.embedding_lr,
            lr_rule=f"width^{self.exponent:g} from {self.base_lr:g} at {self.reference_width}",
            precision=self.precision,
            device=self.device,
            threads=self.threads,
        )


RECIPE = Recipe()
"""The recipe of the sweeps that come with the platform."""


def training_for(model: ModelConfig, recipe: Recipe = RECIPE) -> TrainingConfig:
    """How `model` is trained under a recipe."""
    return recipe.training_for(model)
