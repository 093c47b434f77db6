"""A logged data set serves every event once, the same way to everyone."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from scaling.batch import SPLITS, Batch, Split, View
from scaling.datasets.cutting import candidate_events
from scaling.datasets.log import UNKNOWN_TIME, EventLog
from scaling.datasets.logged import LoggedConfig, LoggedDataset
from scaling.datasets.movielens import MovieLensConfig

MakeLog = Callable[[int], EventLog]
MakeConfig = Callable[..., LoggedConfig]
VIEWS = (View(strategy="recent", length=6), View(strategy="no_like", length=3))


OPTIONS: list[dict[str, Any]] = [
    {},
    {"split": "per_user"},
    {"split": "leave_last"},
    {"max_candidates": 3, "max_gap_seconds": 50, "same_scenario": True},
    {"cut_times": (3000, 5000), "max_candidates": 1},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_every_event_is_a_candidate_once_in_one_split(
    options: dict[str, Any], random_log: MakeLog, random_config: MakeConfig
) -> None:
    log, config = random_log(0), random_config(**options)
    dataset = LoggedDataset(log, config, {})
    tables = [dataset.tables[split].whole() for split in SPLITS]
    chosen = [candidate_events(table.start, table.stop) for table in tables]
    assert sorted(np.concatenate(chosen)) == np.flatnonzero(log.times != UNKNOWN_TIME).tolist()
    for split, table, events in zip(SPLITS, tables, chosen):
        sizes = table.stop - table.start
        assert sizes.min() >= 1
        assert sizes.max() <= config.max_candidates == dataset.schema.max_candidates
        size = dataset.size(split)
        assert size.requests == len(table)
        assert size.examples == len(events)
    if config.split == "temporal":
        last = [table.time.max() for table in tables]
        first = [log.times[events].min() for events in chosen]
        assert last[0] < first[1] <= last[1] < first[2]


def test_evaluation_is_one_pass_in_one_order(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    dataset = LoggedDataset(random_log(0), random_config(), {})
    splits: tuple[Split, ...] = ("validation", "test")
    for split in splits:
        ids = [batch.requests for batch in dataset.requests(split, VIEWS, batch_size=7)]
        assert {len(part) for part in ids[:-1]} <= {7}
        again = [b.requests for b in dataset.requests(split, VIEWS[1:], batch_size=5, seed=3)]
        assert torch.equal(torch.cat(ids), torch.cat(again))
        assert sorted(torch.cat(ids).tolist()) == sorted(dataset.tables[split].whole().ids.tolist())


def test_training_is_shuffled_by_its_seed_epoch_after_epoch(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    dataset = LoggedDataset(random_log(0), random_config(), {})
    count = dataset.size("train").requests

    def ids(seed: int) -> list[int]:
        batches = dataset.requests("train", VIEWS, batch_size=8, seed=seed)
        chosen = list(itertools.islice(batches, 2 * count // 8 + 1))
        assert {len(batch) for batch in chosen} == {8}
        return torch.cat([batch.requests for batch in chosen]).tolist()

    first = ids(0)
    assert first == ids(0)
    assert first != ids(1)
    epochs = first[:count], first[count : 2 * count]
    assert epochs[0] != epochs[1]
    assert (
        sorted(epochs[0])
        == sorted(epochs[1])
        == sorted(dataset.tables["train"].whole().ids.tolist())
    )


@pytest.mark.parametrize("share", [0.1, 0.4, 1.0, 2.3])
def test_training_goes_on_at_any_batch_of_any_epoch(
    random_log: MakeLog, share: float, random_config: MakeConfig
) -> None:
    dataset = LoggedDataset(random_log(0), random_config(), {})
    size = int(share * dataset.size("train").requests)
    whole = list(itertools.islice(dataset.requests("train", VIEWS, batch_size=size, seed=4), 12))
    for start in range(len(whole) - 2):
        batches = dataset.requests_from(start, VIEWS, batch_size=size, seed=4)
        for expected, found in zip(whole[start : start + 3], batches):
            assert torch.equal(found.requests, expected.requests)


def test_a_batch_larger_than_the_data_goes_through_them_again(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    dataset = LoggedDataset(random_log(0), random_config(), {})
    count = dataset.size("train").requests
    batch = next(dataset.requests("train", VIEWS, batch_size=2 * count + 1, seed=0))
    assert len(batch) == 2 * count + 1
    assert len(set(batch.requests.tolist())) == count


def test_the_same_request_is_the_same_in_every_batch(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    dataset = LoggedDataset(random_log(2), random_config(), {})
    alone = next(dataset.requests("test", VIEWS, batch_size=1))
    together = next(dataset.requests("test", VIEWS, batch_size=50))
    row = together.requests.tolist().index(int(alone.requests[0]))
    assert _row(together, row) == _row(alone, 0)


def _row(batch: Batch, row: int) -> list[Any]:
    views = [view.items[row][view.mask[row]].tolist() for view in batch.history]
    mask = batch.candidates.mask[row]
    return [*views, batch.candidates.items[row][mask].tolist(), batch.labels[row][mask].tolist()]


def test_a_cap_on_evaluation_draws_the_same_requests_for_all(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    log = random_log(1)
    whole = LoggedDataset(log, random_config(max_candidates=1), {})
    capped = [
        LoggedDataset(log, random_config(max_candidates=1, max_evaluation_requests=9), {})
        for _ in range(2)
    ]
    assert capped[0].size("test").requests == capped[0].size("validation").requests == 9
    assert capped[0].size("train") == whole.size("train")
    ids = [dataset.tables["test"].whole().ids.tolist() for dataset in capped]
    assert ids[0] == ids[1]
    assert set(ids[0]) < set(whole.tables["test"].whole().ids.tolist())
    facts = capped[0].describe()["splits"]["test"]
    assert facts["requests"] == 9
    assert facts["requests_left_out"] == whole.size("test").requests - 9


def test_a_sample_tells_the_lengths_of_batches(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    dataset = LoggedDataset(random_log(0), random_config(), {})
    for split in SPLITS:
        count = len(dataset.tables[split])
        lengths, candidates = dataset.sample(split, VIEWS, count + 5)
        batches = list(
            itertools.islice(dataset.requests(split, VIEWS, batch_size=count, seed=0), 1)
        )
        order = np.argsort(batches[0].requests.numpy())
        expected = np.argsort(dataset.tables[split].whole().ids)
        assert batches[0].lengths()[order].tolist() == lengths[expected].tolist()
        assert batches[0].num_candidates()[order].tolist() == candidates[expected].tolist()
        assert len(dataset.sample(split, VIEWS, 3)[0]) == 3


def test_label_rates_are_those_of_training(random_log: MakeLog, random_config: MakeConfig) -> None:
    dataset = LoggedDataset(random_log(0), random_config(), {})
    count = dataset.size("train").requests
    batch = next(dataset.requests("train", VIEWS, batch_size=count, seed=0))
    rates = batch.labels[batch.candidates.mask].mean(0)
    assert dataset.schema.label_rates == pytest.approx(rates.tolist())
    assert dataset.describe()["splits"]["train"]["rates"] == pytest.approx(
        dict(zip(("click", "like"), rates.tolist()))
    )


def test_the_description_counts_what_is_there(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    log = random_log(0)
    dataset = LoggedDataset(log, random_config(), {"duplicates_removed": 4})
    facts = dataset.describe()
    assert facts["users"] == 12
    assert facts["users_without_events"] == 3
    assert facts["events"] == 400
    assert facts["events_of_unknown_time"] == int((log.times == UNKNOWN_TIME).sum())
    assert facts["duplicates_removed"] == 4
    assert facts["licence"] == "none; fetch only, no redistribution"
    assert facts["fingerprint"] == random_config().fingerprint()
    users, pairs, ties = log.users(), 0, 0
    for i in range(1, 400):
        if users[i] == users[i - 1] and log.times[i - 1] != UNKNOWN_TIME:
            pairs += 1
            ties += int(log.times[i] == log.times[i - 1])
    assert facts["tied_share"] == pytest.approx(ties / pairs)


def test_the_fingerprint_follows_every_option(random_config: MakeConfig) -> None:
    further: list[dict[str, Any]] = [
        {"max_candidates": 2},
        {"max_gap_seconds": 60},
        {"same_scenario": True},
        {"max_evaluation_requests": 100},
        {"gap_seconds": 60},
        {"user_fraction": 0.5},
        {"time_fraction": 0.5},
        {"batches": "by_length"},
    ]
    configs = [random_config(**options) for options in OPTIONS + further]
    assert len({config.fingerprint() for config in configs}) == len(configs)
    for config in configs:
        assert config.fingerprint() == replace(config).fingerprint()
        assert type(config).from_dict(config.to_dict()) == config


def test_options_that_came_later_leave_earlier_fingerprints_alone() -> None:
    """Those of trials that are finished somewhere."""
    assert MovieLensConfig().fingerprint() == "8bce0f7d4525b2d4"
    assert MovieLensConfig(split="per_user").fingerprint() == "96866ba7c05bca5f"
    assert MovieLensConfig(user_fraction=1, gap_seconds=0).fingerprint() == "8bce0f7d4525b2d4"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split": "random"}, "must be one of temporal, per_user, leave_last, got"),
        ({"batches": "sorted"}, "batches must be one of mixed, by_length, got 'sorted'"),
        ({"max_candidates": 0}, "max_candidates must be at least 1, got 0"),
        ({"max_evaluation_requests": 0}, "max_evaluation_requests must be at least 1"),
        ({"split": "per_user", "cut_times": (1, 2)}, "cut_times needs split 'temporal'"),
        ({"split": "leave_last", "gap_seconds": 1}, "gap_seconds needs split 'temporal'"),
        ({"split": "per_user", "time_fraction": 0.5}, "time_fraction needs split 'temporal'"),
        ({"gap_seconds": -1}, "gap_seconds must be at least 0, got -1"),
        ({"user_fraction": 0.0}, "user_fraction must be above 0 and at most 1, got 0.0"),
        ({"time_fraction": 1.5}, "time_fraction must be above 0 and at most 1, got 1.5"),
    ],
)
def test_impossible_options_are_refused(
    options: dict[str, Any], message: str, random_config: MakeConfig
) -> None:
    with pytest.raises(ValueError, match=message):
        random_config(**options)


def test_impossible_questions_are_refused_at_once(
    random_log: MakeLog, random_config: MakeConfig
) -> None:
    dataset = LoggedDataset(random_log(0), random_config(), {})
    with pytest.raises(ValueError, match="valid: train, validation, test"):
        dataset.requests("dev", VIEWS, batch_size=1)
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        dataset.requests("test", VIEWS, batch_size=0)
    with pytest.raises(ValueError, match="needs a seed"):
        dataset.requests("train", VIEWS, batch_size=1)
    with pytest.raises(ValueError, match="unknown view strategy 'share'"):
        dataset.requests("test", (View(strategy="share", length=1),), batch_size=1)
    with pytest.raises(ValueError, match="the test part holds no request"):
        LoggedDataset(random_log(0), random_config(cut_times=(3000, 10**6)), {})
