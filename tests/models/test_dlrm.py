"""DLRM's own promise: the dot product of every two features, pools of the right events."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch

from scaling.batch import Batch, Schema
from scaling.models.dlrm import RECENT, Dlrm, DlrmConfig, Features

CONFIG = DlrmConfig(depth=2, width=8, seq_len=2 * RECENT)


@pytest.fixture
def ranker(schema: Schema) -> Dlrm:
    torch.manual_seed(0)
    ranker = CONFIG.build(schema).double()
    torch.nn.init.normal_(ranker.head.out.weight)
    torch.nn.init.normal_(ranker.mlp.norm.weight)
    return ranker


def history_features(ranker: Dlrm, batch: Batch, schema: Schema, row: int) -> list[torch.Tensor]:
    """Bottom, scenario, request attributes, then the pools, each by a loop over events."""
    (view,) = batch.history
    length = int(view.mask[row].sum())
    events = ranker.tokens.events(view)[row]
    pools, counts = [], []
    for first in (0, max(length - RECENT, 0)):
        for behaviour in (None, *range(schema.num_behaviours)):
            members = [
                events[i]
                for i in range(first, length)
                if behaviour is None or schema.action_labels[view.actions[row, i]][behaviour]
            ]
            counts.append(len(members))
            pools.append(sum(members, torch.zeros_like(events[0])) / max(len(members), 1))
    bottom = ranker.bottom(torch.tensor(counts, dtype=torch.float64).log1p())
    request = [bottom, ranker.tokens.request_scenarios(batch.context.scenario)[row]]
    for index, table in enumerate(ranker.tokens.request_attributes):
        request.append(table(batch.context.attributes[:, index])[row])
    return request + pools


def test_interactions_are_all_pairs_of_features(
    ranker: Dlrm, schema: Schema, make_batch: Callable[..., Batch]
) -> None:
    batch = make_batch(CONFIG.views())
    memory = ranker.encode(batch.history, batch.context)
    logits = ranker.score(memory, batch.candidates, batch.context)
    features, bottom, _ = memory.tree
    count = Features(schema)
    for row in range(len(batch)):
        request = history_features(ranker, batch, schema, row)
        torch.testing.assert_close(features[row], torch.stack(request), rtol=0, atol=1e-12)
        item = batch.candidates.items[row, 0]
        own = [ranker.tokens.items(item[None])[0]]
        for table, attribute in zip(
            ranker.tokens.attributes, schema.item_attributes.values(), strict=True
        ):
            own.append(table(torch.tensor([attribute.of_item[item]]))[0])

        def dots(left: list[torch.Tensor], right: list[torch.Tensor] | None) -> list[torch.Tensor]:
            return [
                a @ b / CONFIG.width**0.5
                for index, a in enumerate(left)
                for b in (right if right is not None else left[:index])
            ]

        products = torch.stack(dots(request, None) + dots(own, request) + dots(own, None))
        assert len(products) == count.products
        expected = ranker.head(ranker.mlp(torch.cat([bottom[row], products])))
        torch.testing.assert_close(logits[row, 0], expected, rtol=0, atol=1e-10)


def test_order_plays_no_part_within_a_window(
    ranker: Dlrm, make_batch: Callable[..., Batch]
) -> None:
    batch = make_batch(CONFIG.views(), full=True)
    (view,) = batch.history
    old, new = torch.arange(RECENT).flip(0), torch.arange(RECENT, 2 * RECENT).flip(0)

    def reordered(order: torch.Tensor) -> torch.Tensor:
        moved = {f.name: getattr(view, f.name)[:, order] for f in dataclasses.fields(view)}
        history = (dataclasses.replace(view, **moved),)
        logits: torch.Tensor = ranker(dataclasses.replace(batch, history=history))
        return logits

    whole = ranker(batch)
    torch.testing.assert_close(reordered(torch.cat([old, new])), whole, rtol=0, atol=1e-12)
    assert not torch.allclose(reordered(torch.cat([new, old])), whole)


def test_the_memory_does_not_grow_with_the_history(
    schema: Schema, make_batch: Callable[..., Batch]
) -> None:
    sizes = set()
    for seq_len in (4, 64):
        config = CONFIG.scaled(seq_len=seq_len)
        batch = make_batch(config.views())
        sizes.add(config.build(schema).encode(batch.history, batch.context).nbytes)
    assert len(sizes) == 1


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"dlrm\.width must be at least 1, got 0"):
        CONFIG.scaled(width=0)
