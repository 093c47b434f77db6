"""The shared perceptron: what it counts, and that it keeps the parameters' precision."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.models.mlp import MLP


@pytest.mark.parametrize("depth", [1, 4])
def test_params_and_flops_are_those_of_the_layers(depth: int) -> None:
    mlp = MLP(fan_in=12, width=8, depth=depth)
    assert sum(MLP.params(12, 8, depth).values()) == sum(p.numel() for p in mlp.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        mlp(torch.randn(5, 12))
    (counted,) = MLP.flops(12, 8, depth, np.array([2, 3])).values()
    assert counter.get_total_flops() == counted.sum()


def test_outputs_have_the_parameters_precision_under_autocast() -> None:
    mlp = MLP(fan_in=12, width=8, depth=2)
    with torch.autocast("cpu", torch.bfloat16):
        out = mlp(torch.randn(5, 12).bfloat16())
    assert out.dtype == torch.float32
    assert mlp.double()(torch.randn(5, 12, dtype=torch.float64)).dtype == torch.float64


def test_the_scale_of_the_input_plays_no_part() -> None:
    mlp, x = MLP(fan_in=12, width=8, depth=2).double(), torch.randn(5, 12, dtype=torch.float64)
    torch.testing.assert_close(mlp(1e4 * x), mlp(x), rtol=1e-6, atol=1e-6)
