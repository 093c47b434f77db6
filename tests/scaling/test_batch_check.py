"""Batches of data sets written elsewhere: what is wrong with one is named."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scaling.batch import Batch, Candidates, ItemAttribute, Split, View
from scaling.batch_check import check_batch, first_checked
from scaling.datasets.base import Dataset
from scaling.datasets.synthetic import SyntheticConfig, SyntheticDataset
from scaling.evaluation import predict
from scaling.models.transformer import TransformerConfig
from scaling.training import TrialRun
from scaling.trial import TrainingConfig, TrialConfig

VIEWS = (View(strategy="recent", length=6), View(strategy="like", length=4))
TINY = SyntheticConfig.tiny()


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return TINY.open()


@pytest.fixture(scope="module")
def batch(dataset: Dataset) -> Batch:
    """Five requests, of which the second has no history."""
    batch = next(dataset.requests("train", VIEWS, batch_size=5, seed=0))
    mask = torch.arange(5) != 1
    history = tuple(
        dataclasses.replace(
            view,
            **{f.name: getattr(view, f.name) * mask[:, None] for f in dataclasses.fields(view)},
        )
        for view in batch.history
    )
    return dataclasses.replace(batch, history=history, distinct_events=batch.distinct_events * mask)


def changed(batch: Batch, path: str, change: Callable[[Tensor], Tensor]) -> Batch:
    """The batch with one tensor changed; `path` as in `history.1.items`."""
    name, *rest = path.split(".")
    part: Any = getattr(batch, name)
    if not rest:
        return dataclasses.replace(batch, **{name: change(part.clone())})
    if name == "history":
        view = int(rest[0])
        inner = dataclasses.replace(
            part[view], **{rest[1]: change(getattr(part[view], rest[1]).clone())}
        )
        return dataclasses.replace(
            batch, history=tuple(inner if i == view else v for i, v in enumerate(part))
        )
    inner = dataclasses.replace(part, **{rest[0]: change(getattr(part, rest[0]).clone())})
    return dataclasses.replace(batch, **{name: inner})


def put(row: int, *place: int, value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        tensor[(row, *place)] = value
        return tensor

    return change


def test_what_our_own_data_set_makes_is_right(dataset: Dataset, batch: Batch) -> None:
    check_batch(batch, dataset.schema, VIEWS)
    for made in itertools.islice(dataset.requests("train", VIEWS, batch_size=7, seed=1), 3):
        check_batch(made, dataset.schema, VIEWS)


ITEMS, SCENARIOS, ACTIONS = (
    lambda schema: schema.num_items,
    lambda schema: schema.num_scenarios,
    lambda schema: schema.num_actions,
)


@pytest.mark.parametrize("low", [True, False], ids=["below", "above"])
@pytest.mark.parametrize(
    ("path", "place", "size"),
    [
        ("history.0.items", (2, 0), ITEMS),
        ("history.1.items", (1, 0), ITEMS),  # padding: it is looked up, too
        ("history.0.actions", (2, 0), ACTIONS),
        ("history.1.scenarios", (3, 0), SCENARIOS),
        ("candidates.items", (4, 0), ITEMS),
        ("context.scenario", (3,), SCENARIOS),
    ],
)
def test_ids_outside_their_table_are_named(
    dataset: Dataset,
    batch: Batch,
    path: str,
    place: tuple[int, ...],
    size: Callable[[Any], int],
    low: bool,
) -> None:
    most = size(dataset.schema)
    value = -1 if low else most
    name = path.replace(".0.", "[0].").replace(".1.", "[1].")
    rest = "".join(f", {number}" for number in place[1:])
    request = int(batch.requests[place[0]])
    with pytest.raises(ValueError, match="valid") as error:
        check_batch(changed(batch, path, put(*place, value=value)), dataset.schema, VIEWS)
    expected = (
        f"batch.{name}[row {place[0]}{rest}] is {value} (request {request}); valid: 0 .. {most - 1}"
    )
    assert str(error.value).startswith(expected)


@pytest.mark.parametrize(
    ("path", "change", "message"),
    [
        ("history.0.ages", put(2, 0, value=torch.nan), r"ages\[row 2, 0\] is nan"),
        ("history.0.ages", put(2, 0, value=torch.inf), r"ages\[row 2, 0\] is inf"),
        ("history.0.ages", put(2, 0, value=-60.0), r"ages\[row 2, 0\] is -60.*or -1 \(unknown\)"),
        ("history.0.ages", Tensor.float, r"float32 of shape .*valid: float64"),
        ("history.0.mask", put(1, 1, value=1), r"mask\[row 1, 0\] is False .*right-padded"),
        ("history.0.mask", Tensor.long, r"history\[0\].mask is int64.*valid: bool"),
        ("history.0.mask", lambda t: t.repeat(1, 9), r"mask has shape.*1 \.\. 6 \(recent's length\)"),
        ("history.1.mask", lambda t: t[:, :0], r"mask has shape \(5, 0\)"),
        ("history.1.items", Tensor.int, r"history\[1\].items is int32.*valid: int64"),
        ("history.1.actions", lambda t: t[:3], r"history\[1\].actions is int64 of shape \(3, "),
        ("context.attributes", lambda t: F.pad(t, (0, 1)), r"shape \(5, 1\); .* \(5, 0\)"),
        ("context.time", Tensor.float, r"context.time is float32.*valid: int64 of shape \(5,\)"),
        ("candidates.mask", put(3, value=0), r"mask\[row 3\] holds 0 .*at least one candidate"),
        ("candidates.mask", lambda t: t.repeat(1, 9), r"\(schema\.max_candidates\)"),
        ("labels", put(0, 0, 0, value=0.5), r"labels\[row 0, 0, 0\] is 0\.5 .*valid: 0 or 1"),
        ("labels", put(0, 0, 0, value=torch.nan), r"labels\[row 0, 0, 0\] is nan"),
        ("labels", lambda t: t[..., 0], r"labels is float32 of shape"),
        ("labels", Tensor.long, r"labels is int64.*valid: float32"),
        ("distinct_events", put(1, value=1), r"distinct_events\[row 1\] is 1"),
        ("users", lambda t: t[:0], "no request"),
        ("requests", lambda t: t[:4], r"requests is int64 of shape \(4,\); .*\(5,\)"),
    ],
)  # fmt: skip
def test_other_faults_are_named(
    dataset: Dataset,
    batch: Batch,
    path: str,
    change: Callable[[Tensor], Tensor],
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        check_batch(changed(batch, path, change), dataset.schema, VIEWS)


def test_other_views_than_those_asked_for_are_refused(dataset: Dataset, batch: Batch) -> None:
    with pytest.raises(ValueError, match=r"holds 2 views; asked for: 1 \(recent\)"):
        check_batch(batch, dataset.schema, VIEWS[:1])


def test_the_first_batch_is_checked_and_all_are_handed_on(dataset: Dataset, batch: Batch) -> None:
    wrong = changed(batch, "candidates.items", put(0, 0, value=-1))
    handed = list(first_checked([batch, wrong, batch], dataset.schema, VIEWS))
    assert [id(b) for b in handed] == [id(batch), id(wrong), id(batch)]
    with pytest.raises(ValueError, match="is -1"):
        next(first_checked([wrong, batch], dataset.schema, VIEWS))
    assert list(first_checked([], dataset.schema, VIEWS)) == []


def test_request_attributes_are_named(dataset: Dataset, batch: Batch) -> None:
    schema = dataclasses.replace(dataset.schema, request_attributes={"age": 5, "device": 2})
    good = torch.tensor([[4, 1]] * 5)
    check_batch(changed(batch, "context.attributes", lambda _: good), schema, VIEWS)
    bad = changed(batch, "context.attributes", lambda _: good + torch.tensor([0, 1]))
    with pytest.raises(
        ValueError, match=r"attributes\[:, 1\]\[row 0\] is 2 .*0 \.\. 1 \(values of 'device'\)"
    ):
        check_batch(bad, schema, VIEWS)


@pytest.mark.parametrize(
    ("of_item", "message"),
    [
        (np.full(100, 4), r"item_attributes\['mood'\]\.of_item\[0\] is 4; valid: 0 \.\. 3"),
        (np.zeros(99, np.int64), r"of_item has shape \(99,\); valid: \(100,\)"),
    ],
)
def test_item_attributes_are_named(
    dataset: Dataset, batch: Batch, of_item: npt.NDArray[np.int64], message: str
) -> None:
    moods = {"mood": ItemAttribute(4, of_item)}
    schema = dataclasses.replace(dataset.schema, item_attributes=moods)
    with pytest.raises(ValueError, match=message):
        check_batch(batch, schema, VIEWS)


@dataclass(frozen=True, kw_only=True)
class FaultyConfig(SyntheticConfig):
    """Recommends items that the catalogue doesn't hold."""

    def open(self) -> FaultyDataset:
        return FaultyDataset(self)


class FaultyDataset(SyntheticDataset):
    def requests(
        self, split: Split, views: Sequence[View], *, batch_size: int, seed: int | None = None
    ) -> Iterator[Batch]:
        for batch in super().requests(split, views, batch_size=batch_size, seed=seed):
            items = batch.candidates.items + self.schema.num_items
            yield dataclasses.replace(batch, candidates=Candidates(items, batch.candidates.mask))


def test_training_and_evaluation_say_which_item_is_unknown() -> None:
    model = TransformerConfig(depth=1, width=16, seq_len=4)
    trial = TrialConfig(
        model=model,
        dataset=FaultyConfig.tiny(),
        training=TrainingConfig(batch_size=4, lr=1e-3, embedding_lr=0.1, lr_rule="given"),
        budget=1e8,
        seed=0,
    )
    unknown = (
        r"batch\.candidates\.items\[row 0, 0\] is \d+ .*valid: 0 \.\. \d+ \(schema\.num_items\)"
    )
    with pytest.raises(ValueError, match=unknown):
        TrialRun(trial).advance(60)
    dataset = FaultyConfig.tiny().open()
    with pytest.raises(ValueError, match=unknown):
        predict(model.build(dataset.schema), dataset, "test", model.views(), "cpu", "fp32")
