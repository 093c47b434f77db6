"""A schema and random requests that every model's contract is tested on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from scaling.batch import Batch, Candidates, Context, ItemAttribute, Schema, View, ViewBatch
from scaling.models.astro import AstroConfig
from scaling.models.attention import use_implementation
from scaling.models.base import MODELS, ModelConfig, Ranker
from scaling.models.hybrid import HybridConfig
from scaling.models.lightning import LightningConfig
from scaling.models.reference import Reference
from scaling.models.transformer import TransformerConfig

ITEMS, SCENARIOS = 50, 3


def _transformer(**options: object) -> TransformerConfig:
    settings: dict[str, object] = {"depth": 3, "width": 32, "seq_len": 16}
    return TransformerConfig(request_free_history=True, **(settings | options))  # type: ignore[arg-type]


def _astro(*strategies: str, **options: object) -> AstroConfig:
    settings: dict[str, object] = {"depth": 3, "width": 32, "seq_len": 16}
    settings |= {"strategies": strategies} | options
    return AstroConfig(request_free_history=True, **settings)  # type: ignore[arg-type]


FREE: dict[str, ModelConfig] = {
    "free": _transformer(),
    "free-shallow": _transformer(depth=1),
    "free-pairwise": _transformer(bias="pairwise", gate="head"),
    "free-unbiased": _transformer(bias="none", experts=3),
    "free-bidirectional": _transformer(bidirectional=True),
    "free-astro": _astro("recent", "like"),
    "free-astro-shared": _astro(
        "recent", "like", "click", shares=(2, 1, 1), share_stacks=True, fusion="sum"
    ),
    "free-lightning": LightningConfig(depth=3, width=32, seq_len=16, request_free_history=True),
    "free-hybrid": HybridConfig(
        depth=4, width=32, seq_len=16, softmax_every=2, request_free_history=True
    ),
}
"""Models whose histories are encoded without their request, `StackShape.request_free` in every form."""


@pytest.fixture(params=[*MODELS.names(), "free", "free-astro"])
def config(request: pytest.FixtureRequest, schema: Schema) -> ModelConfig:
    """Every registered model's example, and models of `FREE`."""
    return FREE.get(request.param) or MODELS.get(request.param).example(schema)


@pytest.fixture(params=FREE)
def free(request: pytest.FixtureRequest) -> ModelConfig:
    return FREE[request.param]


@pytest.fixture(params=[name for name, model in FREE.items() if model.extendable])
def growing(request: pytest.FixtureRequest) -> ModelConfig:
    return FREE[request.param]


@pytest.fixture(scope="session")
def schema() -> Schema:
    rng = np.random.default_rng(0)
    return Schema(
        num_items=ITEMS,
        behaviours=("click", "like"),
        action_labels=((0, 0), (1, 0), (0, 1), (1, 1)),
        scenarios=("home", "search", "radio"),
        item_attributes={
            "artist": ItemAttribute(7, rng.integers(0, 7, ITEMS)),
            "genre": ItemAttribute(3, rng.integers(0, 3, ITEMS)),
        },
        request_attributes={"device": 2},
        max_candidates=6,
        label_rates=(0.4, 0.1),
    )


MakeBatch = Callable[..., Batch]


@pytest.fixture(scope="session")
def make_batch(schema: Schema) -> MakeBatch:
    """Random requests of real lengths 0 .. n and 1 .. 6 candidates, right-padded."""

    def make(
        views: tuple[View, ...], requests: int = 5, seed: int = 0, full: bool = False
    ) -> Batch:
        g = torch.Generator().manual_seed(seed)

        def draw(high: int, *shape: int) -> torch.Tensor:
            return torch.randint(0, high, shape, generator=g)

        history = []
        for view in views:
            n = view.length
            lengths = torch.full((requests,), n) if full else draw(n + 1, requests)
            if not full:
                lengths[0] = 0
                lengths[-1] = n
            mask = torch.arange(n) < lengths[:, None]
            ages = torch.rand(requests, n, generator=g).double().mul(14).exp().floor()
            ages = torch.sort(ages, dim=1, descending=True).values
            ages[1:2] = -1.0
            history.append(
                ViewBatch(
                    items=draw(ITEMS, requests, n) * mask,
                    actions=draw(schema.num_actions, requests, n) * mask,
                    scenarios=draw(SCENARIOS, requests, n) * mask,
                    ages=ages * mask,
                    mask=mask,
                )
            )
        counts = torch.full((requests,), 6) if full else draw(6, requests) + 1
        counts[-1] = 6
        mask = torch.arange(6) < counts[:, None]
        return Batch(
            history=tuple(history),
            context=Context(
                scenario=draw(SCENARIOS, requests),
                time=draw(10**6, requests),
                attributes=draw(2, requests, 1),
            ),
            candidates=Candidates(items=draw(ITEMS, requests, 6) * mask, mask=mask),
            labels=torch.rand(requests, 6, 2, generator=g).round() * mask[..., None],
            users=torch.arange(requests),
            requests=torch.arange(requests),
            distinct_events=torch.stack([v.mask.sum(1) for v in history]).amax(0),
        )

    return make


@pytest.fixture(scope="session")
def profile_alone(
    schema: Schema, make_batch: MakeBatch
) -> Callable[[ModelConfig, list[int], int], tuple[float, float]]:
    """FLOPs of one request without padding: the profiler's, on the reference form, and ours.

    Its arguments are the model, the real length of each view and the number of candidates.
    """

    def profile(config: ModelConfig, lengths: list[int], items: int) -> tuple[float, float]:
        ranker = config.build(schema)
        use_implementation(ranker, "reference")
        views = tuple(View(strategy="recent", length=length) for length in lengths)
        batch = make_batch(views, requests=1, full=True)
        few = Candidates(batch.candidates.items[:, :items], batch.candidates.mask[:, :items])
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            ranker(dataclasses.replace(batch, candidates=few))
        counted = config.flops(schema, np.array([lengths]), np.array([items]))
        return float(counter.get_total_flops()), float(counted.total[0])

    return profile


@pytest.fixture(scope="session")
def lively(schema: Schema, make_batch: MakeBatch) -> Callable[..., Ranker]:
    """A model's ranker in float64 with no parameter left at zero, so that every part has an effect; a
    reference has counted something."""

    def build(config: ModelConfig, seed: int = 0) -> Ranker:
        torch.manual_seed(seed)
        ranker = config.build(schema).double().eval()
        if isinstance(ranker, Reference):
            ranker.count(make_batch(config.views(), requests=400, full=True))
            ranker.close()
        with torch.no_grad():
            for parameter in ranker.parameters():
                parameter += 0.3 * torch.randn_like(parameter)
        return ranker

    return build
