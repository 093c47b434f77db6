"""Attention of candidates has one value in all its forms."""

from __future__ import annotations

import pytest
import torch

from scaling.models.attention import MASKED, candidate_attention


@pytest.mark.parametrize("candidates", [1, 7])
@pytest.mark.parametrize("padded", [0, 5, 9])
@pytest.mark.parametrize("tempered", [False, True])
def test_forms_agree_with_and_without_gradients(
    candidates: int, padded: int, tempered: bool
) -> None:
    """`padded` of 9 events are no events: with all of them, a candidate sees itself alone."""
    torch.manual_seed(0)
    b, h, n, d = 3, 2, 9, 4
    projected = torch.randn(b, candidates, 3, h, d, dtype=torch.float64)
    q, k_self, v_self = projected.permute(2, 0, 3, 1, 4).unbind(0)
    k, v = torch.randn(2, b, h, n, d, dtype=torch.float64).unbind(0)
    bias, bias_self = torch.randn(b, h, n), torch.randn(b, h)
    bias[..., n - padded :] = MASKED
    temperature = torch.randn(b, h).double() if tempered else None
    given = (q, k_self, v_self, k, v, bias, bias_self, temperature)
    reference = candidate_attention(*given, "reference")
    torch.testing.assert_close(candidate_attention(*given), reference, rtol=0, atol=1e-12)
    with torch.no_grad():
        torch.testing.assert_close(candidate_attention(*given), reference, rtol=0, atol=1e-12)
    if padded == n:
        torch.testing.assert_close(reference, v_self, rtol=0, atol=1e-12)
