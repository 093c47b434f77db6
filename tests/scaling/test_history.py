"""Posted histories are read as a data set's own: the same views, the same scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from scaling.batch import Batch, View
from scaling.batch_check import check_batch
from scaling.datasets.kuairand import KuaiRandConfig
from scaling.datasets.log import UNKNOWN_TIME, EventLog, RequestTable
from scaling.datasets.logged import LoggedDataset
from scaling.datasets.requests import BatchMaker
from scaling.datasets.synthetic import SyntheticConfig
from scaling.history import Events, PostedRequest, batch_of, views_of
from scaling.models.base import MODELS

VIEWS = (
    View(strategy="recent", length=12),
    View(strategy="finish", length=7, disjoint=True),
    View(strategy="no_like", length=5),
    View(strategy="lifetime", length=6),
    View(strategy="user.artist", length=9),
    View(strategy="request.genre", length=8),
)
DATA = SyntheticConfig.tiny().open()
PART = DATA.test


def posted(log: EventLog, table: RequestTable) -> list[PostedRequest]:
    """The requests of a log as somebody outside would post them."""
    found = []
    for row in range(len(table)):
        begin, start, stop = log.user_offsets[table.user[row]], table.start[row], table.stop[row]
        before = slice(begin, start)
        found.append(
            PostedRequest(
                events=Events(
                    log.items[before], log.actions[before], log.scenarios[before], log.times[before]
                ),
                time=int(table.time[row]),
                candidates=log.items[start:stop],
                scenario=int(table.scenario[row]),
                attributes=tuple(table.attributes[row].tolist()),
            )
        )
    return found


def assert_same(found: Batch, wanted: Batch) -> None:
    for mine, theirs in zip(found.history, wanted.history, strict=True):
        for name in ("items", "actions", "scenarios", "ages", "mask"):
            assert torch.equal(getattr(mine, name), getattr(theirs, name)), name
    for name in ("scenario", "time", "attributes"):
        assert torch.equal(getattr(found.context, name), getattr(wanted.context, name))
    assert torch.equal(found.candidates.items, wanted.candidates.items)
    assert torch.equal(found.candidates.mask, wanted.candidates.mask)


def test_every_strategy_reads_the_same_events() -> None:
    table = PART.table.select(np.arange(0, len(PART.table), 3))
    wanted = BatchMaker(PART.log).make_batch(table, np.arange(len(table)), VIEWS)
    found = batch_of(posted(PART.log, table), VIEWS, DATA.schema)
    assert_same(found, wanted)
    assert max(int(view.mask.sum()) for view in wanted.history) > 0
    check_batch(found, DATA.schema, VIEWS)


@pytest.mark.parametrize("name", MODELS.names())
def test_scores_of_posted_requests_are_those_of_the_data_set(name: str) -> None:
    config = MODELS.get(name).example(DATA.schema)
    torch.manual_seed(0)
    ranker = config.build(DATA.schema).eval()
    wanted = next(DATA.requests("test", config.views(), batch_size=8))
    asked = posted(PART.log, PART.table.select(np.arange(8)))
    with torch.inference_mode():
        together = ranker(batch_of(asked, config.views(), DATA.schema))
        alone = [ranker(batch_of([one], config.views(), DATA.schema)) for one in asked]
        scores = ranker(wanted)
    torch.testing.assert_close(together, scores, rtol=0, atol=1e-6)
    for row, one in enumerate(alone):
        count = one.shape[1]
        torch.testing.assert_close(one[0], scores[row, :count], rtol=0, atol=1e-5)


@pytest.mark.shared
def test_scores_of_real_requests(shared: Path) -> None:
    data = KuaiRandConfig(path=str(shared / "data" / "KuaiRand-Pure")).open()
    assert isinstance(data, LoggedDataset)
    config = MODELS.get("astro").example(data.schema)
    torch.manual_seed(0)
    ranker = config.build(data.schema).eval()
    table = data.tables["test"].select(np.arange(0, 2000, 20))
    wanted = data.maker.make_batch(table, np.arange(len(table)), config.views())
    found = batch_of(posted(data.log, table), config.views(), data.schema)
    assert found.context.attributes.shape[1] == len(data.schema.request_attributes) > 0
    assert found.history[0].mask.any()
    assert_same(found, wanted)
    with torch.inference_mode():
        torch.testing.assert_close(ranker(found), ranker(wanted), rtol=0, atol=1e-5)


def test_one_history_may_come_without_candidates() -> None:
    views = VIEWS[:5]
    (one,) = posted(PART.log, PART.table.select(np.array([40])))
    found = views_of(one.events, one.time, views, DATA.schema)
    for mine, theirs in zip(found, batch_of([one], views, DATA.schema).history, strict=True):
        assert torch.equal(mine.items, theirs.items)
        assert torch.equal(mine.ages, theirs.ages)
    with pytest.raises(ValueError, match=r"'request.genre' chooses by the candidates"):
        views_of(one.events, one.time, VIEWS, DATA.schema)
    by_request = views_of(one.events, one.time, VIEWS, DATA.schema, one.candidates)
    assert torch.equal(by_request[5].items, batch_of([one], VIEWS, DATA.schema).history[5].items)


def test_events_are_sorted_and_a_user_may_have_none() -> None:
    events = Events([5, 6, 7, 8], [0, 0, 0, 0], [0, 0, 0, 0], [30, 10, UNKNOWN_TIME, 30])
    (view,) = views_of(events, 40, VIEWS[:1], DATA.schema)
    assert view.items.tolist() == [[7, 6, 5, 8]]
    assert view.ages.tolist() == [[-1, 30, 10, 10]]
    (none,) = views_of(Events.none(), 40, VIEWS[:1], DATA.schema)
    assert none.mask.sum() == 0


GOOD = PostedRequest(Events([1], [0], [0], [5]), 9, [1, 2])


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (replace(GOOD, events=Events([1], [0], [0], [10])), r"events.times\[0\] is 10, after"),
        (replace(GOOD, events=Events([1, 100], [0, 0], [0, 0], [1, 2])), r"items\[1\] is 100;.*99"),
        (replace(GOOD, events=Events([1], [-1], [0], [5])), r"events.actions\[0\] is -1"),
        (replace(GOOD, events=Events([1], [0], [0, 0], [5])), "one length, got"),
        (replace(GOOD, events=Events([1.5], [0], [0], [5])), "items must hold whole numbers"),
        (replace(GOOD, candidates=[]), "at least one item"),
        (replace(GOOD, candidates=[[1]]), "candidates must be one list"),
        (replace(GOOD, candidates=[-1]), r"candidates\[0\] is -1; valid: 0 .. 99"),
        (replace(GOOD, scenario=99), "scenario is 99"),
        (replace(GOOD, attributes=(1,)), "has 1 attributes; valid: 0"),
        (replace(GOOD, time=UNKNOWN_TIME, events=Events.none()), "must be known"),
    ],
)
def test_what_is_wrong_is_named(wrong: PostedRequest, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        batch_of([wrong], VIEWS[:1], DATA.schema)
    with pytest.raises(ValueError, match="request 1"):
        batch_of([GOOD, wrong], VIEWS[:1], DATA.schema)
