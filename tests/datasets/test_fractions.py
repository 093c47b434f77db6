"""A fraction of the training data is part of every larger one, and evaluation never changes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from scaling.batch import View
from scaling.datasets.fractions import first_kept_time, user_is_kept
from scaling.datasets.log import EventLog
from scaling.datasets.logged import LoggedConfig, LoggedDataset

MakeLog = Callable[[int], EventLog]
MakeConfig = Callable[..., LoggedConfig]
VIEWS = (View(strategy="recent", length=6),)
FRACTIONS = (0.2, 0.5, 0.75, 1.0)


@pytest.mark.parametrize(
    ("split", "field"),
    [
        ("temporal", "user_fraction"),
        ("per_user", "user_fraction"),
        ("leave_last", "user_fraction"),
        ("temporal", "time_fraction"),
    ],
)
def test_fractions_are_nested_and_evaluate_the_same(
    random_log: MakeLog, random_config: MakeConfig, split: str, field: str
) -> None:
    log, config = random_log(0), random_config(split=split)
    opened = [LoggedDataset(log, replace(config, **{field: f}), {}) for f in FRACTIONS]
    whole = LoggedDataset(log, config, {})
    for evaluated in ("validation", "test"):
        expected = whole.tables[evaluated].whole().ids.tolist()
        for dataset in opened:
            assert dataset.tables[evaluated].whole().ids.tolist() == expected
    kept = [set(dataset.tables["train"].whole().ids.tolist()) for dataset in opened]
    for smaller, larger in itertools.pairwise(kept):
        assert smaller < larger
    assert kept[-1] == set(whole.tables["train"].whole().ids.tolist())
    for dataset, ids in zip(opened, kept):
        count = dataset.size("train").requests
        batch = next(dataset.requests("train", VIEWS, batch_size=count, seed=0))
        assert set(batch.requests.tolist()) == ids
        rates = batch.labels[batch.candidates.mask].mean(0)
        assert dataset.schema.label_rates == pytest.approx(rates.tolist())


def test_a_user_fraction_keeps_whole_users_and_a_time_fraction_the_latest(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    log = random_log(0)
    whole = LoggedDataset(log, random_config(), {}).tables["train"].whole()
    some = LoggedDataset(log, random_config(user_fraction=0.5), {}).tables["train"].whole()
    users = set(some.user.tolist())
    assert some.ids.tolist() == whole.ids[[u in users for u in whole.user.tolist()]].tolist()
    late = LoggedDataset(log, random_config(time_fraction=0.3), {})
    table, facts = late.tables["train"].whole(), late.describe()
    begin = first_kept_time(int(log.times[log.times >= 0].min()), facts["cut_times"][0], 0.3)
    assert late.tables["train"].whole().ids.tolist() == whole.ids[whole.time >= begin].tolist()
    assert 0 < len(table) < len(whole)
    batch = next(late.requests("train", VIEWS, batch_size=len(table), seed=0))
    ages = batch.history[0].ages[batch.history[0].mask]
    assert torch.any(ages > facts["cut_times"][0] - begin), "what came before is still history"


def test_shares_of_users_are_as_large_as_they_say() -> None:
    users = np.arange(100_000)
    for fraction in (0.001, 0.125, 0.5, 0.9):
        kept = user_is_kept(users, fraction).mean()
        # Four standard errors of a hash that is as good as chance.
        assert abs(kept - fraction) < 4 * np.sqrt(fraction * (1 - fraction) / len(users))
    assert user_is_kept(users, 1.0).all()


def test_who_is_kept_is_the_same_on_every_machine() -> None:
    assert np.flatnonzero(user_is_kept(np.arange(40), 0.25)).tolist() == [3, 10, 18, 20, 21, 33]
