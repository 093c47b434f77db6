"""Which views exist, what is refused, and that a view survives its record."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest

from scaling.batch import Schema, View
from scaling.datasets.cutting import cut_requests
from scaling.datasets.log import EventLog
from scaling.datasets.requests import BatchMaker
from scaling.datasets.synthetic import SyntheticConfig
from scaling.datasets.view_strategies import strategies
from scaling.datasets.views import ViewIndex


def view(strategy: str, length: int = 5, *, disjoint: bool = False) -> View:
    return View(strategy=strategy, length=length, disjoint=disjoint)


def merged(*views: View, disjoint: bool = False) -> View:
    length = sum(v.length for v in views)
    return View(strategy="merged", length=length, of=views, disjoint=disjoint)


def test_a_data_set_answers_all_that_it_lists_and_plans_with_the_same_lengths() -> None:
    opened = SyntheticConfig.tiny().open()
    names = [name for name in strategies(opened.schema) if name not in ("A+B", "merged")]
    views = tuple(view(name, 6, disjoint=i % 3 == 1) for i, name in enumerate(names))
    views += (view("like+finish"), merged(*views[:5]))
    batches = list(opened.requests("test", views, batch_size=40))
    lengths, _ = opened.sample("test", views, 10_000)
    assert np.array_equal(lengths, np.concatenate([batch.lengths() for batch in batches]))
    assert (lengths.max(0) > 0).all()


def test_a_log_with_unknown_times_answers_all_but_merged_views(
    random_log: Callable[[int], EventLog],
) -> None:
    log = random_log(0)
    views = tuple(view(name, disjoint=True) for name in ("recent", "lifetime", "user.genre"))
    table = cut_requests(log, max_candidates=4)
    past = table.start - log.user_offsets[table.user]
    lengths = ViewIndex(log).lengths(views, table)
    assert lengths[:, :2].sum(1).tolist() == np.minimum(past, 10).tolist()
    with pytest.raises(ValueError, match=r"'merged' needs the time of every event.*unknown time"):
        BatchMaker(log).check((view("recent"), merged(view("like"))))


def test_the_strategies_of_a_data_set_are_listed(schema: Schema) -> None:
    listed = strategies(schema)
    assert {"recent", "lifetime", "like", "no_click", "A+B", "user.genre", "merged"} < set(listed)
    assert len(set(listed)) == len(listed)


@pytest.mark.parametrize(
    ("strategy", "message"),
    [
        ("liked", "unknown view strategy 'liked'; valid: recent, lifetime, click, like"),
        ("no_lifetime", "unknown view strategy 'no_lifetime'; valid: recent"),
        ("like+shared", r"unknown behaviour 'shared' in .*'like\+shared'; .*: click, like;"),
        ("like+", r"unknown behaviour '' in view strategy 'like\+'"),
        ("no_like+click", "unknown behaviour 'no_like'"),
        ("recent+like", "unknown behaviour 'recent'"),
        ("like+like", "names the behaviour 'like' twice"),
        ("user.mood", "unknown item attribute 'mood' .*valid attributes: genre; "),
        ("request.", "unknown item attribute '' in view strategy 'request.'"),
        ("item.genre", "unknown view strategy 'item.genre'"),
    ],
)
def test_unknown_names_are_refused_before_anything_is_read(
    strategy: str, message: str, random_log: Callable[[int], EventLog]
) -> None:
    maker = BatchMaker(random_log(0))
    for views in ((view("recent"), view(strategy)), (merged(view(strategy)),)):
        with pytest.raises(ValueError, match=message):
            maker.check(views)
    generated = SyntheticConfig.tiny().open()
    with pytest.raises(ValueError, match=repr(strategy).replace("+", r"\+")):
        generated.requests("train", (view(strategy),), batch_size=1, seed=0)


def test_views_that_contradict_themselves_are_refused() -> None:
    with pytest.raises(ValueError, match=r"View.of must be empty .* 1 views for 'recent'"):
        View(strategy="recent", length=3, of=(view("like"),))
    with pytest.raises(ValueError, match="at least one view for the strategy 'merged'"):
        View(strategy="merged", length=3)
    with pytest.raises(ValueError, match="sum of the lengths of `of`, 8, got 7"):
        View(strategy="merged", length=7, of=(view("like"), view("recent", 3)))
    with pytest.raises(ValueError, match="at least 1, got 0"):
        view("recent", 0)


@pytest.mark.parametrize(
    "given",
    [
        view("like+share", 7),
        view("user.genre", disjoint=True),
        merged(view("recent"), view("lifetime", 3, disjoint=True)),
        merged(merged(view("recent"), view("like")), view("no_like"), disjoint=True),
    ],
)
def test_views_survive_their_record(given: View) -> None:
    again = View.from_dict(json.loads(json.dumps(given.to_dict())))
    assert again == given
    assert again.digest() == given.digest()
    assert hash(again) == hash(given)


def test_the_record_of_a_simple_view_needs_its_strategy_and_length_alone() -> None:
    assert View.from_dict({"strategy": "recent", "length": 4}) == view("recent", 4)
    with pytest.raises(ValueError, match=r"View.of\[0\] must be an object, got 'recent'"):
        View.from_dict({"strategy": "merged", "length": 4, "of": ["recent"]})
