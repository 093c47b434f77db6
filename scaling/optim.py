"""Optimizers: AdamW for the dense part, row-wise Adagrad for embedding rows; one schedule.

Rates transfer from one size to another: a matrix's is the configuration's times 64 / fan_in (muP:
Yang et al. 2022, arXiv 2203.03466, table 8, for Adam), and times its gain where it writes to the
residual stream of a deep stack (the multiplier 1 / depth of CompleteP, Dey et al. 2025, arXiv
2505.01618, taken into the weights: Adam's steps have one size whatever the gradient's). Vectors and
embedding rows move at the same rate at every size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from scaling.models.base import Ranker
from scaling.models.grouped import GroupedLinear
from scaling.trial import TrainingConfig

LR_FAN_IN = 64
"""The fan-in at which a matrix moves at the configuration's own rate."""


def schedule(share: float, warmup: float) -> float:
    """Factor on the peak rates when `share` of the budget is spent: linear up, linear down to 0.

    By compute instead of by step, so that it ends with the run whatever the requests' lengths.
    """
    if share < warmup:
        return max(share / warmup, 0.01)
    return max((1 - share) / (1 - warmup), 0.0)


class RowWiseAdagrad:
    """Adagrad with one accumulator per embedding row; moves only the rows of the batch.

    g = gradient of a row; s += mean(g^2); row -= lr g / (sqrt(s) + eps). No weight decay. With a
    sparse gradient the step's cost does not grow with the table.
    """

    EPS = 1e-8

    def __init__(self, tables: Sequence[nn.Embedding], lr: float, clip: float) -> None:
        self.tables = tables
        self.lr = lr
        self.clip = clip
        self.sums = [table.weight.new_zeros(table.num_embeddings) for table in tables]

    @torch.no_grad()
    def step(self, factor: float) -> None:
        """One update at `factor` times the peak rate; forgets the gradients."""
        gradients: list[tuple[int, Tensor | None, Tensor]] = []
        for index, table in enumerate(self.tables):
            gradient = table.weight.grad
            table.weight.grad = None
            if gradient is not None and gradient.is_sparse:
                gradient = gradient.coalesce()
                gradients.append((index, gradient.indices()[0], gradient.values()))
            elif gradient is not None:
                gradients.append((index, None, gradient))
        if not gradients:
            return
        norm = torch.stack([values.norm() for _, _, values in gradients]).norm()
        scale = (self.clip / (norm + 1e-6)).clamp(max=1.0)
        for index, rows, values in gradients:
            values = values * scale
            weight, sums = self.tables[index].weight, self.sums[index]
            if rows is None:  # a small table: rows without a gradient get an update of 0
                sums += values.square().mean(1)
                weight -= self.lr * factor * values / (sums.sqrt() + self.EPS).unsqueeze(1)
            else:
                sums[rows] += values.square().mean(1)
                update = values / (sums[rows].sqrt() + self.EPS).unsqueeze(1)
                weight.index_add_(0, rows, update, alpha=-self.lr * factor)


@dataclass(frozen=True)
class _Group:
    """Parameters that move at one rate."""

    scale: float
    """Of the configuration's learning rate."""
    setting: dict[str, Any]
    """What AdamW is told."""


def _groups(
    ranker: Ranker, dense: Sequence[nn.Parameter], training: TrainingConfig
) -> list[_Group]:
    """The dense parameters by learning rate: matrices by fan-in and gain, then all others."""
    scales = {}
    for module in ranker.modules():
        if isinstance(module, GroupedLinear):
            scales[id(module.weight)] = module.gain * LR_FAN_IN / module.weight.shape[1]
        elif isinstance(module, nn.Linear):
            scales[id(module.weight)] = LR_FAN_IN / module.weight.shape[1]
    found = []
    for scale in sorted({scales[id(p)] for p in dense if id(p) in scales}):
        alike: list[nn.Parameter] = [p for p in dense if scales.get(id(p)) == scale]
        # Decay is rate times weight_decay: so that it is the same at every size, one divides.
        setting = {"params": alike, "weight_decay": training.weight_decay / scale}
        found.append(_Group(scale, setting))
    # Weight decay is for matrices that multiply; biases, norms and look-ups go without.
    others = [p for p in dense if id(p) not in scales]
    return [*found, _Group(1.0, {"params": others, "weight_decay": 0.0})]


class Optimizers:
    """Both optimizers of a ranker, stepped together."""

    def __init__(self, ranker: Ranker, training: TrainingConfig) -> None:
        self.training = training
        tables = ranker.embedding_tables()
        rows = {id(table.weight) for table in tables}
        self.dense = [p for p in ranker.parameters() if id(p) not in rows]
        self.groups = _groups(ranker, self.dense, training)
        self.adamw = torch.optim.AdamW(
            [group.setting for group in self.groups],
            lr=training.lr,
            betas=(0.9, 0.98),
            weight_decay=training.weight_decay,
            fused=True,
        )
        self.rows = RowWiseAdagrad(tables, training.embedding_lr, training.clip)

    def state(self) -> dict[str, Any]:
        """What the next updates depend on, beside parameters and gradients: live tensors."""
        return {"adamw": self.adamw.state_dict(), "rows": self.rows.sums}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take on the `state` of the optimizers of an equal ranker."""
        self.adamw.load_state_dict(state["adamw"])
        for mine, given in zip(self.rows.sums, state["rows"], strict=True):
            mine.copy_(given)

    def step(self, share: float) -> float:
        """One update when `share` of the budget is spent; returns the dense rate used."""
        factor = schedule(share, self.training.warmup)
        nn.utils.clip_grad_norm_(self.dense, self.training.clip)
        for group, declared in zip(self.adamw.param_groups, self.groups):
            group["lr"] = self.training.lr * declared.scale * factor
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)
        self.rows.step(factor)
        return self.training.lr * factor
