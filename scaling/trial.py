"""A trial: everything that decides the outcome of one training run."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from scaling.config import Config, digest_of
from scaling.datasets.base import DatasetConfig
from scaling.models.base import ModelConfig

Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(Config):
    """How a model is trained; the same for every architecture of a sweep but for what a named
    rule derives from the model's size."""

    batch_size: int
    """Requests per step."""
    lr: float
    """Peak learning rate of the dense part (AdamW), of matrices with a fan-in of 64; `scaling.optim`
    says what the others' is."""
    embedding_lr: float
    """Learning rate of the embedding rows (row-wise Adagrad)."""
    lr_rule: str
    """Where `lr` comes from, for the record (`muP from 0.004 at fan-in 64`, `given`)."""
    weight_decay: float = 0.01
    warmup: float = 0.05
    """Share of the budget over which the rate rises."""
    clip: float = 1.0
    """Largest norm of the dense gradient; the embedding rows' is clipped apart."""
    items_per_record: int = 0
    """The most candidates that share one computation of their history in training; 0: all of a
    request, 1: single items, as a log without records would have it (`scaling.records`). The
    gradients are the same, the cost is not."""
    rank_loss: float = 0.0
    """Weight of the pairwise rank loss beside the log loss (`scaling.losses.rank_loss`)."""
    recompute: bool = False
    """Whether the history layers' activations are computed again in the backward pass instead of
    being kept: for long histories, at the price of a third more work."""
    precision: Precision = "fp32"
    device: str = "cpu"
    threads: int = 1
    """Of each worker."""
    workers: int = 1
    """Processes that train the trial together, each on its part of every batch."""

    def __post_init__(self) -> None:
        for field in ("batch_size", "lr", "embedding_lr", "clip", "threads", "workers"):
            if not getattr(self, field) > 0:
                raise ValueError(
                    f"TrainingConfig.{field} must be positive, got {getattr(self, field)}"
                )
        if self.items_per_record < 0:
            raise ValueError(
                "TrainingConfig.items_per_record must be 0 (whole requests) or more, got "
                f"{self.items_per_record}"
            )
        if not 0 <= self.rank_loss < math.inf:
            raise ValueError(
                f"TrainingConfig.rank_loss must be a weight of at least 0, got {self.rank_loss}"
            )
        if not 0 <= self.warmup < 1:
            raise ValueError(f"TrainingConfig.warmup must be in [0, 1), got {self.warmup}")


@dataclass(frozen=True, kw_only=True)
class TrialConfig(Config):
    """One training run, fully resolved."""

    model: ModelConfig
    dataset: DatasetConfig
    training: TrainingConfig
    budget: float
    """Training FLOPs at which the run stops (at the first batch that reaches it); 0 for a
    reference, which is counted in one pass."""
    seed: int

    def __post_init__(self) -> None:
        counted = self.model.role == "reference"
        if counted and self.budget != 0:
            raise ValueError(
                f"TrialConfig.budget must be 0 for {self.model.name}, a reference, which is "
                f"counted; got {self.budget}"
            )
        if not counted and not self.budget > 0:
            raise ValueError(
                "TrialConfig.budget must be positive FLOPs (0 for a reference, which is counted), "
                f"got {self.budget}"
            )

    def digest(self) -> str:
        """The identity of a trial: content, class names and versions, and the data's fingerprint."""
        return digest_of({**self.identity(), "data": self.dataset.fingerprint()})

    def configuration(self) -> str:
        """The identity of the trial without its seed."""
        rest = {key: value for key, value in self.identity().items() if key != "seed"}
        return digest_of({**rest, "data": self.dataset.fingerprint()})

    def with_seed(self, seed: int) -> TrialConfig:
        return dataclasses.replace(self, seed=seed)

    def axes(self) -> dict[str, Any]:
        """The scaling axes, named as in the run table."""
        model = self.model
        return {
            "architecture": model.name,
            "depth": model.depth,
            "width": model.width,
            "seq_len": model.seq_len,
            "blocks": model.blocks,
            "budget": self.budget,
            "seed": self.seed,
        }
