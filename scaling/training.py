"""The training loop: one trial from its configuration to its result."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scaling.batch import Batch
from scaling.compute import TRAINING_FACTOR
from scaling.losses import rank_loss, ranked_pairs, training_loss
from scaling.models.stack import use_recomputation
from scaling.optim import Optimizers
from scaling.parts import in_parts, places_of_a_part
from scaling.records import counts, gathered, split
from scaling.results import CurvePoint
from scaling.running import Progress, Run
from scaling.team import Team
from scaling.trial import TrialConfig

CURVE_POINTS = 24
"""Points of the learning curve, evenly spaced in compute."""

DIVERGED = 4.0
"""A mean training loss this many times the first point's ends the trial."""


class TrialRun(Run):
    """A trial being trained; `advance` until `done`, then `finish`."""

    role: ClassVar[str] = "trained"

    def __init__(self, trial: TrialConfig, team: Team | None = None) -> None:
        """`team`: of the processes that train the trial together; None trains it here alone."""
        super().__init__(trial)
        training = trial.training
        self._team = team
        self._optimizers = Optimizers(self._ranker, training)
        use_recomputation(self._ranker, training.recompute)
        self.part_price = math.inf
        """Places that a further part of a batch must save; infinity: batches stay whole."""
        if training.device == "cpu" and self._ranker.sums_over_requests:
            self.part_price = places_of_a_part(trial.model, self._dataset.schema)
        self._full = np.array([[view.length for view in self._views]])
        self._candidates: list[npt.NDArray[np.int64]] = []
        """Numbers of candidates, record by record, of the batches since the last point of the curve."""
        self._lr = 0.0
        self._window = _Window(training.device)

    @property
    def done(self) -> bool:
        """Whether the budget is spent or the trial has diverged."""
        return bool(self._failure) or self._share >= 1

    @property
    def _share(self) -> float:
        return self._counts["compute"] / self.trial.budget

    def advance(self, seconds: float, share: float = 1.0) -> Progress:
        start = time.perf_counter()
        self._ranker.train()
        while not self.done:
            self._step(next(self._batches))
            if self._share * CURVE_POINTS >= len(self._curve) + 1 or self._share >= 1:
                elapsed = self._train_seconds + time.perf_counter() - start
                self._close_point(elapsed)
            if time.perf_counter() - start >= seconds or self._share >= share:
                break
        self._train_seconds += time.perf_counter() - start
        last = self._curve[-1].metrics["train_loss"] if self._curve else math.nan
        return Progress(
            share=min(self._share, 1.0),
            examples=int(self._counts["examples"]),
            steps=self._steps,
            loss=last,
            curve=tuple((point.examples, point.metrics["train_loss"]) for point in self._curve),
            seconds=self._train_seconds,
        )

    def state(self) -> dict[str, Any]:
        candidates = [np.zeros(0, np.int64), *self._candidates]
        return super().state() | {
            "optimizers": self._optimizers.state(),
            "lr": self._lr,
            "window": self._window.state(),
            "candidates": torch.from_numpy(np.concatenate(candidates)),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        super().restore(state)
        self._optimizers.restore(state["optimizers"])
        self._lr = state["lr"]
        self._window.restore(state["window"])
        self._candidates = [state["candidates"].numpy()]

    def _step(self, batch: Batch) -> None:
        # The share before this batch: the first step is at the foot of the warm-up.
        share = self._share
        self._count(batch)
        mine = batch if self._team is None else self._team.part(batch)
        whole = self._terms(batch)
        if self._team is not None:
            whole *= self._team.copies(batch)
        parts = [self._backward(part, whole) for part in in_parts(mine, self.part_price)]
        loss = torch.stack(parts).sum()
        if self._team is not None:
            loss = self._team.sum_gradients(list(self._ranker.parameters()), loss)
        self._lr = self._optimizers.step(share)
        self._window.add(loss)
        self._steps += 1

    def _logits(self, batch: Batch) -> Tensor:
        """Of the requests, computed record by record."""
        most = self.trial.training.items_per_record
        if not most:
            logits: Tensor = self._ranker(batch)
            return logits
        # Back in the form of requests, any loss is what it is without records.
        return gathered(self._ranker(split(batch, most)), batch.num_candidates(), most)

    def _terms(self, batch: Batch) -> npt.NDArray[np.int64]:
        """How many terms the batch's log loss and its rank loss are means over."""
        candidates, pairs = int(batch.candidates.mask.sum()), 0
        if self.trial.training.rank_loss:
            pairs = int(ranked_pairs(batch, self._dataset.schema.label_rates).sum())
        return np.array([candidates, pairs])

    def _backward(self, batch: Batch, whole: npt.NDArray[np.int64]) -> Tensor:
        """Add the gradients of `batch`, requests of a step's batch that has so many terms, over all
        processes; returns their share of that batch's log loss."""
        training, rates = self.trial.training, self._dataset.schema.label_rates
        weight, of_pairs = map(float, self._terms(batch) / np.maximum(whole, 1))
        rank_weight = training.rank_loss * of_pairs
        if training.device == "cuda":
            batch = batch.pin_memory().to("cuda")
        with torch.autocast(training.device, torch.bfloat16, enabled=training.precision == "bf16"):
            logits = self._logits(batch)
        loss = training_loss(logits, batch) * weight
        # What is minimised: the log loss, which the curve shows, and what was added to it.
        objective = loss
        if rank_weight:
            objective = objective + rank_weight * rank_loss(logits, batch, rates)
        auxiliary = self._ranker.auxiliary_loss()
        if auxiliary is not None and self._team is not None:
            raise ValueError(
                f"{self.trial.model.name}: what it adds to the loss is no sum over requests, so "
                "one process must see the whole batch: workers=1"
            )
        if auxiliary is not None and training.items_per_record:
            raise ValueError(
                f"{self.trial.model.name}: what it adds to the loss counts a history as often as it is "
                "computed, so records would change it: items_per_record=0"
            )
        if auxiliary is not None:
            objective = objective + auxiliary
        objective.backward()  # type: ignore[no-untyped-call]
        return loss.detach()

    def _count(self, batch: Batch) -> None:
        """Add the batch's requests and FLOPs to the totals: those spent, record by record."""
        super()._count(batch)
        model, schema = self.trial.model, self._dataset.schema
        most = self.trial.training.items_per_record
        lengths, candidates = counts(batch.lengths(), batch.num_candidates(), most)
        flops = model.flops(schema, lengths, candidates)
        self._counts["compute"] += TRAINING_FACTOR * float(flops.total.sum())
        self._counts["compute_causal"] += TRAINING_FACTOR * float(flops.total_causal.sum())
        self._candidates.append(candidates)

    def _count_nominal(self) -> None:
        """FLOPs at full lengths of the batches since the last call: all at once costs least."""
        candidates = np.concatenate(self._candidates)
        full = np.broadcast_to(self._full, (len(candidates), self._full.shape[1]))
        nominal = self.trial.model.flops(self._dataset.schema, full, candidates)
        self._counts["compute_nominal"] += TRAINING_FACTOR * float(nominal.total.sum())
        self._candidates.clear()

    def _close_point(self, elapsed: float) -> None:
        self._count_nominal()
        loss = self._window.close()
        examples = int(self._counts["examples"])
        self._curve.append(
            CurvePoint(
                examples,
                {
                    "train_loss": loss,
                    "compute_spent": self._counts["compute"],
                    "lr_now": self._lr,
                    "train_examples_per_second": examples / elapsed,
                },
            )
        )
        first = self._curve[0].metrics["train_loss"]
        if not math.isfinite(loss):
            self._failure = f"training loss is {loss} by step {self._steps}"
        elif loss > DIVERGED * first:
            self._failure = (
                f"diverged: training loss {loss:.4g} by step {self._steps}, {first:.4g} at first"
            )


class _Window:
    """Mean loss since the last point, summed on the device so that no step waits for it."""

    def __init__(self, device: str) -> None:
        self._sum = torch.zeros((), dtype=torch.float64, device=device)
        self._count = 0

    def add(self, loss: Tensor) -> None:
        self._sum += loss
        self._count += 1

    def state(self) -> tuple[Tensor, int]:
        return self._sum, self._count

    def restore(self, state: tuple[Tensor, int]) -> None:
        self._sum.copy_(state[0])
        self._count = state[1]

    def close(self) -> float:
        mean = float(self._sum) / max(self._count, 1)
        self._sum.zero_()
        self._count = 0
        return mean
