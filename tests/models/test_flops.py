"""FLOPs of options that no registered example has, at real lengths; see the contract tests, too."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.batch import Schema
from scaling.models.astro import AstroConfig
from scaling.models.base import ModelConfig
from scaling.models.hstu import HstuConfig
from scaling.models.hybrid import HybridConfig
from scaling.models.longer import LongerConfig
from scaling.models.mixer import LayerFacts
from scaling.models.transformer import TransformerConfig
from scaling.models.twin import TwinConfig

ProfileAlone = Callable[[ModelConfig, list[int], int], tuple[float, float]]

BLOCKS = ("recent", "click", "like", "lifetime")


def astro(blocks: int, **options: object) -> AstroConfig:
    settings: dict[str, object] = {"depth": 2, "width": 32, "seq_len": 16}
    return AstroConfig(strategies=BLOCKS[:blocks], **(settings | options))  # type: ignore[arg-type]


def transformer(**options: object) -> TransformerConfig:
    settings: dict[str, object] = {"depth": 2, "width": 32, "seq_len": 16}
    return TransformerConfig(**(settings | options))  # type: ignore[arg-type]


VARIANTS: dict[str, tuple[ModelConfig, list[list[int]]]] = {
    "experts": (transformer(experts=4, experts_per_token=2), [[1], [7], [16]]),
    "gate-head": (transformer(gate="head"), [[1], [7]]),
    "gate-element": (transformer(gate="element"), [[1], [7]]),
    "pairwise": (transformer(bias="pairwise"), [[1], [7]]),
    "bidirectional": (transformer(bidirectional=True), [[7]]),
    "astro-unequal": (astro(2, shares=(3, 1)), [[12, 4], [5, 4], [7, 1]]),
    "astro-four": (astro(4, shares=(4, 2, 1, 1)), [[8, 3, 2, 2], [1, 4, 1, 1]]),
    "astro-sum": (astro(2, fusion="sum", temperature=False), [[8, 8], [3, 3]]),
    "astro-concat": (astro(2, fusion="concat", bias="none"), [[8, 8], [3, 3]]),
    "astro-mean": (astro(2, fusion="mean", share_stacks=True), [[8, 8], [3, 3]]),
    "astro-experts": (astro(2, experts=3, bidirectional=True), [[8, 8], [3, 3]]),
    "free-pairwise": (
        transformer(request_free_history=True, bias="pairwise", gate="head"),
        [[1], [7]],
    ),
    "free-astro": (
        astro(3, request_free_history=True, shares=(2, 1, 1), share_stacks=True),
        [[8, 4, 4], [3, 2, 2]],
    ),
    "free-hybrid": (
        HybridConfig(depth=4, width=32, seq_len=16, softmax_every=2, request_free_history=True),
        [[1], [7]],
    ),
    "hstu-actual": (HstuConfig(depth=2, width=32, seq_len=16, normaliser="actual"), [[1], [7]]),
    "hybrid": (HybridConfig(depth=4, width=32, seq_len=16, softmax_every=2), [[1], [7]]),
    "longer-unmerged": (LongerConfig(depth=2, width=32, seq_len=16, merge=1), [[1], [7], [16]]),
    "twin-all": (TwinConfig(depth=2, width=32, seq_len=16, top_k=32), [[1], [7]]),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_flops_of_real_lengths_equal_the_profilers(name: str, profile_alone: ProfileAlone) -> None:
    config, requests = VARIANTS[name]
    for lengths, items in zip(requests, (6, 1, 3)):
        profiled, counted = profile_alone(config, lengths, items)
        assert profiled == counted, f"{lengths} events, {items} candidates"


def test_params_of_a_free_history_add_up(free: ModelConfig, schema: Schema) -> None:
    counted = sum(free.params(schema).values())
    assert counted == sum(p.numel() for p in free.build(schema).parameters())


@pytest.mark.parametrize("blocks", [2, 4])
def test_equal_blocks_are_paid_apart(schema: Schema, blocks: int) -> None:
    """A batched computation pads them to the longest; the count is of what each really reads."""
    config, items = astro(blocks), np.full(blocks + 1, 3)
    longest, rest = 16 // blocks, 1
    one_long = [
        [longest if view == row else rest for view in range(blocks)] for row in range(blocks)
    ]
    total = config.flops(schema, np.array([*one_long, [rest] * blocks]), items).total
    np.testing.assert_array_equal(total[:blocks], total[0])
    all_long = config.flops(schema, np.full((1, blocks), longest), items[:1]).total[0]
    assert all_long - total[-1] == blocks * (total[0] - total[-1])


@pytest.mark.parametrize("rest", [1, 2, 3])
def test_a_group_of_longer_that_is_not_full_is_counted_by_its_events(
    schema: Schema, rest: int
) -> None:
    config = LongerConfig(depth=2, width=32, seq_len=16, merge=4, inner_transformer=True)
    inner = config.build(schema).inner
    assert inner is not None
    heads = config.inner().heads
    bias = torch.zeros(1, heads, rest)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        inner.mixer.implementation = "reference"
        inner.encode(
            torch.zeros(1, 1, rest, 32), LayerFacts(key_bias=bias, history_bias=bias), False
        )
    for whole in (0, 8):
        history = config.flops(schema, np.array([[whole], [whole + rest]]), np.array([1, 1]))
        assert np.diff(history.part("history.inner")) == counter.get_total_flops()
