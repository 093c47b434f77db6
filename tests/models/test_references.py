"""References recover what was planted, count each example once, and survive being saved."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from scaling.batch import Batch, Candidates, Context, Schema, ViewBatch
from scaling.models.base import MODELS, Memory
from scaling.models.markov import MarkovConfig
from scaling.models.popularity import PopularityConfig
from scaling.models.reference import Reference

ITEMS = 6
SCHEMA = Schema(
    num_items=ITEMS,
    behaviours=("click", "like"),
    action_labels=((0, 0), (1, 0), (0, 1), (1, 1)),
    scenarios=("home",),
    item_attributes={},
    request_attributes={},
    max_candidates=5,
    label_rates=(0.3, 0.1),
)


def batch_of(
    candidates: torch.Tensor, labels: torch.Tensor, last: torch.Tensor | None = None,
    actions: torch.Tensor | None = None,
) -> Batch:  # fmt: skip
    """Requests with these candidates [b, m], labels [b, m, k] and last items [b] (-1: none)."""
    b = len(candidates)
    last = torch.full((b,), -1) if last is None else last
    zeros = torch.zeros(b, 1, dtype=torch.int64)
    view = ViewBatch(
        items=last.clamp(min=0)[:, None],
        actions=zeros if actions is None else actions[:, None],
        scenarios=zeros,
        ages=zeros.double(),
        mask=(last >= 0)[:, None],
    )
    return Batch(
        history=(view,),
        context=Context(zeros[:, 0], zeros[:, 0], torch.zeros(b, 0, dtype=torch.int64)),
        candidates=Candidates(candidates, torch.ones_like(candidates, dtype=torch.bool)),
        labels=labels,
        users=zeros[:, 0],
        requests=zeros[:, 0],
        distinct_events=view.mask.sum(1),
    )


def drawn(rates: torch.Tensor, seed: int) -> torch.Tensor:
    """Labels with those rates."""
    return torch.bernoulli(rates, generator=torch.Generator().manual_seed(seed))


def probabilities(ranker: Reference, batch: Batch) -> torch.Tensor:
    return torch.sigmoid(ranker(batch))


def test_popularity_recovers_the_rates_of_the_items() -> None:
    g = torch.Generator().manual_seed(0)
    rates = torch.rand(ITEMS, 2, generator=g)
    items = torch.randint(ITEMS, (20_000, 5), generator=g)
    ranker = PopularityConfig().build(SCHEMA)
    ranker.count(batch_of(items, drawn(rates[items], seed=1)))
    ranker.close()
    catalogue = torch.arange(ITEMS)[None]
    found = probabilities(ranker, batch_of(catalogue, torch.zeros(1, ITEMS, 2)))[0]
    # 16,700 examples an item: three standard errors are at most 0.012.
    torch.testing.assert_close(found, rates, rtol=0, atol=0.012)


def test_popularity_is_the_smoothed_rate() -> None:
    items = torch.tensor([[0, 0, 0, 1, 2]])
    labels = torch.tensor([[[1.0, 0], [1, 0], [0, 0], [1, 0], [0, 0]]])
    ranker = PopularityConfig(strength=4.0).build(SCHEMA)
    ranker.count(batch_of(items, labels))
    ranker.close()
    base = (3 + 0.3) / 6
    found = probabilities(ranker, batch_of(torch.tensor([[0, 1, 5]]), torch.zeros(1, 3, 2)))
    wanted = torch.tensor([(2 + 4 * base) / 7, (1 + 4 * base) / 5, base])
    torch.testing.assert_close(found[0, :, 0], wanted)
    assert (found[..., 1] > 0).all(), "a behaviour never seen keeps a finite logit"


@pytest.mark.parametrize("action", [True, False])
def test_markov_recovers_a_planted_chain(action: bool) -> None:
    g = torch.Generator().manual_seed(0)
    chain = torch.rand(ITEMS, 4, ITEMS, 2, generator=g)
    if not action:
        chain = chain[:, :1].expand_as(chain)
    last = torch.randint(ITEMS, (60_000,), generator=g)
    actions = torch.randint(4, (60_000,), generator=g)
    items = torch.randint(ITEMS, (60_000, 5), generator=g)
    labels = drawn(chain[last[:, None], actions[:, None], items], seed=1)
    ranker = MarkovConfig(action=action).build(SCHEMA)
    for part in torch.arange(60_000).chunk(7):
        ranker.count(batch_of(items[part], labels[part], last[part], actions[part]))
    ranker.close()
    pairs = torch.cartesian_prod(torch.arange(ITEMS), torch.arange(4))
    catalogue = torch.arange(ITEMS).expand(len(pairs), ITEMS)
    asked = batch_of(catalogue, torch.zeros(len(pairs), ITEMS, 2), pairs[:, 0], pairs[:, 1])
    wanted = chain[pairs[:, 0], pairs[:, 1]]
    # About 2,000 examples per pair with the action: four standard errors are at most 0.045.
    torch.testing.assert_close(probabilities(ranker, asked), wanted, rtol=0, atol=0.05)


def test_markov_backs_off_to_popularity() -> None:
    items = torch.tensor([[0, 1], [0, 1]])
    labels = torch.tensor([[[1.0, 0], [0, 0]], [[0, 1], [1, 0]]])
    counted = batch_of(items, labels, last=torch.tensor([2, -1]))
    popularity, markov = PopularityConfig().build(SCHEMA), MarkovConfig().build(SCHEMA)
    asked = batch_of(items, labels, last=torch.tensor([-1, 4]))
    for ranker in (popularity, markov):
        assert isinstance(ranker, Reference)
        ranker.count(counted)
        ranker.close()
    torch.testing.assert_close(markov(asked), popularity(asked))
    known = batch_of(items, labels, last=torch.tensor([2, 2]))
    assert (markov(known) != popularity(known)).any()


@pytest.mark.parametrize("name", [n for n in MODELS.names() if MODELS.get(n).role == "reference"])
def test_counting_in_parts_closing_between_them_and_saving_change_nothing(name: str) -> None:
    g = torch.Generator().manual_seed(0)
    items, last = torch.randint(ITEMS, (50, 5), generator=g), torch.randint(-1, ITEMS, (50,))
    labels = torch.randint(2, (50, 5, 2), generator=g).float()
    batch = batch_of(items, labels, last)
    config = MODELS.get(name).example(SCHEMA)
    whole, parts = config.build(SCHEMA), config.build(SCHEMA)
    assert isinstance(whole, Reference)
    assert isinstance(parts, Reference)
    whole.count(batch)
    whole.close()
    for rows in torch.arange(50).chunk(3):
        parts.count(batch_of(items[rows], labels[rows], last[rows]))
        parts.close()
    torch.testing.assert_close(parts(batch), whole(batch))
    loaded = config.build(SCHEMA)
    loaded.load_state_dict(whole.state_dict())
    torch.testing.assert_close(loaded(batch), whole(batch))


def test_padding_is_not_counted() -> None:
    items = torch.tensor([[0, 3], [1, 2]])
    labels = torch.ones(2, 2, 2)
    padded = batch_of(items, labels, last=torch.tensor([4, 4]))
    padded = dataclasses.replace(
        padded, candidates=Candidates(items, torch.tensor([[True, False], [True, True]]))
    )
    ranker = MarkovConfig().build(SCHEMA)
    ranker.count(padded)
    ranker.close()
    assert len(ranker.keys) == 3
    assert ranker.popularity.shown.tolist() == [1, 1, 1, 0, 0, 0]


def test_a_view_without_any_event_has_no_last_one() -> None:
    empty = torch.zeros(2, 0, dtype=torch.int64)
    view = ViewBatch(empty, empty, empty, empty.float(), empty.bool())
    memory = MarkovConfig().build(SCHEMA).encode((view,), Context(empty, empty, empty))
    assert isinstance(memory, Memory)
    assert memory.tree[0].tolist() == [-1, -1]


@pytest.mark.parametrize(
    ("name", "field", "value"),
    [
        ("popularity", "strength", 0.0),
        ("markov", "popularity_strength", -1.0),
        ("markov", "requests", 0),
        ("popularity", "width", 2),
    ],
)
def test_bad_settings_are_named(name: str, field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"{name}.*{field}.*got {value:g}"):
        MODELS.get(name)(**{field: value})
