"""A reference's trial: one pass over the training part is counted, then evaluated as any other."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, ClassVar

from scaling.models.reference import Reference, ReferenceConfig
from scaling.running import Progress, Run
from scaling.trial import TrialConfig


def requests_to_count(model: ReferenceConfig, size: int | None) -> int:
    """How many training requests are read: all `size` of them once; of endless data (None) the
    model's `requests`."""
    return model.requests if size is None else size


class CountingRun(Run):
    """A reference being counted; `advance` until `done`, then `finish`.

    Every training request is counted exactly once, so that neither seed nor batch size matters
    where the data are finite. No FLOPs are spent and no learning curve is drawn.
    """

    role: ClassVar[str] = "reference"

    def __init__(self, trial: TrialConfig) -> None:
        super().__init__(trial)
        model, ranker = trial.model, self._ranker
        if not isinstance(model, ReferenceConfig) or not isinstance(ranker, Reference):
            raise ValueError(
                f"{model.name} has role 'reference': its configuration must be a ReferenceConfig "
                f"and build a Reference, got {type(model).__name__} and {type(ranker).__name__}"
            )
        self._reference: Reference = ranker
        size = self._dataset.size("train")
        self._target = requests_to_count(model, None if size is None else size.requests)
        self._closed = False

    @property
    def done(self) -> bool:
        return self._closed

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        start = time.perf_counter()
        while not self._closed:
            batch = next(self._batches).to(self.trial.training.device)
            left = self._target - int(self._counts["requests"])
            batch = batch if len(batch) <= left else batch.rows(slice(left))
            self._count(batch)
            self._reference.count(batch)
            self._steps += 1
            if self._counts["requests"] >= self._target:
                self._reference.close()
                self._closed = True
            if time.perf_counter() - start >= seconds:
                break
        self._train_seconds += time.perf_counter() - start
        return Progress(
            share=self._counts["requests"] / self._target,
            examples=int(self._counts["examples"]),
            steps=self._steps,
            loss=math.nan,
        )

    def state(self) -> dict[str, Any]:
        # Examples that wait to be counted are in no buffer yet.
        self._reference.close()
        return super().state() | {"closed": self._closed}

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._closed = state["closed"]
