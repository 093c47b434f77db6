"""The task head: one logit per behaviour from a candidate's vector."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from scaling import compute
from scaling.batch import Schema
from scaling.compute import Floats
from scaling.models.grouped import RMSNorm


class Head(nn.Module):
    """RMSNorm, one hidden layer of the model's width, one logit per behaviour."""

    def __init__(self, schema: Schema, fan_in: int, width: int) -> None:
        super().__init__()
        self.norm = RMSNorm(fan_in)
        self.hidden = nn.Linear(fan_in, width, bias=False)
        self.activation = nn.SiLU()
        self.out = nn.Linear(width, schema.num_behaviours)
        nn.init.normal_(self.hidden.weight, std=fan_in**-0.5)
        # The first prediction is each behaviour's base rate: a short run needn't learn that.
        nn.init.zeros_(self.out.weight)
        with torch.no_grad():
            rates = schema.label_rates or (0.5,) * schema.num_behaviours
            self.out.bias.copy_(torch.logit(torch.tensor(rates), eps=1e-4))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.out(self.activation(self.hidden(self.norm(x))))
        return logits

    @staticmethod
    def params(schema: Schema, fan_in: int, width: int) -> Mapping[str, int]:
        """Parameters by group."""
        out = (width + 1) * schema.num_behaviours
        return {"head": fan_in + fan_in * width + out}

    @staticmethod
    def flops(
        schema: Schema, fan_in: int, width: int, candidates: npt.NDArray[np.int64]
    ) -> dict[str, Floats]:
        """FLOPs by component."""
        hidden = compute.linear(candidates, fan_in, width)
        return {
            "candidates.head": hidden + compute.linear(candidates, width, schema.num_behaviours)
        }
