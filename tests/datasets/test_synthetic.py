"""The data set: fixed evaluation, fresh training, chunks shared through the cache."""

from __future__ import annotations

import dataclasses
import itertools
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from scaling.batch import Batch, View
from scaling.config import Config
from scaling.datasets.array_cache import cached_arrays, cached_blocks, gathered
from scaling.datasets.base import DATASETS, DatasetConfig
from scaling.datasets.synthetic import SyntheticConfig, generation_rows_per_second
from scaling.datasets.synthetic_parts import part_folder, training_chunk

TINY = SyntheticConfig.tiny()
RECENT = (View(strategy="recent", length=24),)
MIXED = (View(strategy="recent", length=8), View(strategy="like", length=8))


@pytest.fixture
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path))
    return tmp_path


def take(config: SyntheticConfig, count: int, seed: int, size: int = 32) -> list[Batch]:
    batches = config.open().requests("train", RECENT, batch_size=size, seed=seed)
    return list(itertools.islice(batches, count))


def test_is_registered_and_goes_through_plain_data() -> None:
    assert DATASETS.get("synthetic") is SyntheticConfig
    again = DatasetConfig.from_dict(TINY.to_dict())
    assert isinstance(again, Config)
    assert again == TINY
    assert again.fingerprint() == TINY.fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tracks": 0}, "tracks must be at least 1, got 0"),
        ({"artists": 500, "tracks": 400}, "genres <= artists <= tracks"),
        ({"test_requests": 10**9}, "test_requests must be at most"),
    ],
)
def test_refuses_impossible_sizes(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        dataclasses.replace(SyntheticConfig(), **change)


def test_fingerprint_changes_with_the_content() -> None:
    variants = [TINY] + [
        dataclasses.replace(TINY, **{field: getattr(TINY, field) + 1})
        for field in ("world_seed", "tracks", "requests_per_user", "chunk_users", "test_users")
    ]
    assert len({variant.fingerprint() for variant in variants}) == len(variants)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_evaluation_is_one_pass_over_the_same_requests_for_all_views(split: str) -> None:
    opened = TINY.open()
    size = opened.size(split)
    assert size is not None
    seen = {}
    for views, batch_size in ((RECENT, 10), (MIXED, 7)):
        batches = list(opened.requests(split, views, batch_size=batch_size))
        seen[views] = torch.cat([batch.requests for batch in batches])
        assert sum(int(batch.candidates.mask.sum()) for batch in batches) == size.examples
    assert torch.equal(seen[RECENT], seen[MIXED])
    assert len(torch.unique(seen[RECENT])) == size.requests


def test_splits_have_users_of_their_own() -> None:
    opened = TINY.open()
    users = {
        split: {
            int(u) for batch in opened.requests(split, RECENT, batch_size=64) for u in batch.users
        }
        for split in ("validation", "test")
    }
    users["train"] = {int(u) for batch in take(TINY, 30, seed=1) for u in batch.users}
    assert not users["validation"] & users["test"]
    assert not users["train"] & (users["validation"] | users["test"])
    assert len(users["test"]) == TINY.test_users


def test_every_training_record_is_fresh_and_chunks_follow_each_other() -> None:
    per_chunk = TINY.chunk_users * TINY.requests_per_user
    batches = take(TINY, 3 * per_chunk // 32, seed=5)
    requests = torch.cat([batch.requests for batch in batches])
    assert len(torch.unique(requests)) == len(requests) == 3 * per_chunk
    first = requests[:per_chunk]
    assert int(first.max()) - int(first.min()) == per_chunk - 1


def test_training_order_is_the_seeds() -> None:
    one, same, other = (take(TINY, 12, seed=seed) for seed in (1, 1, 2))
    for a, b in zip(one, same):
        assert torch.equal(a.requests, b.requests)
        assert torch.equal(a.labels, b.labels)
        assert torch.equal(a.history[0].items, b.history[0].items)
    assert not torch.equal(one[0].requests, other[0].requests)
    whole = [
        torch.cat([b.requests for b in batches[:10]]).sort().values for batches in (one, other)
    ]
    assert torch.equal(*whole)  # one chunk is ten batches


def test_what_comes_after_a_request_changes_nothing() -> None:
    part = training_chunk(TINY, 0)
    opened = TINY.open()
    row = 5 * TINY.requests_per_user + 7
    (batch,) = opened._pass(part, np.array([row]), RECENT, 1)
    later = np.array(part.log.items)
    later[part.table.stop[row] :] = 0
    altered = dataclasses.replace(part, log=dataclasses.replace(part.log, items=later))
    (again,) = opened._pass(altered, np.array([row]), RECENT, 1)
    assert torch.equal(batch.history[0].items, again.history[0].items)
    assert torch.equal(batch.candidates.items, again.candidates.items)
    assert float(batch.history[0].ages[batch.history[0].mask].min()) > 0


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_sample_has_the_lengths_of_the_batches(split: str) -> None:
    opened = TINY.open()
    lengths, candidates = opened.sample(split, MIXED, 10_000)
    if split == "train":
        batches = take(TINY, 10, seed=0)
        assert candidates.sum() == sum(int(b.candidates.mask.sum()) for b in batches)
    else:
        batches = list(opened.requests(split, MIXED, batch_size=16))
        assert np.array_equal(lengths, np.concatenate([b.lengths() for b in batches]))
        assert np.array_equal(candidates, np.concatenate([b.num_candidates() for b in batches]))
    few, _ = opened.sample(split, MIXED, 10)
    assert few.shape == (10, 2)


def test_bad_requests_are_refused_at_the_call() -> None:
    opened = TINY.open()
    with pytest.raises(ValueError, match="need a seed"):
        opened.requests("train", RECENT, batch_size=4)
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        opened.requests("test", RECENT, batch_size=0)


def test_describe_is_plain_data() -> None:
    facts = TINY.open().describe()
    assert facts["test_requests"] == TINY.test_requests
    assert 0.4 < facts["rate.finish"] < 0.8


def test_chunks_come_from_the_cache_the_second_time(
    empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = training_chunk(TINY, 0)
    monkeypatch.setattr("scaling.datasets.synthetic_parts.simulate", None)
    again = training_chunk(TINY, 0)
    assert isinstance(again.log.items, np.memmap)
    assert not again.log.items.flags.writeable
    assert np.array_equal(first.log.items, again.log.items)


def test_a_killed_process_leaves_nothing_that_looks_whole(empty_cache: Path) -> None:
    code = (
        "import numpy as np, time\n"
        "from pathlib import Path\n"
        "from scaling.datasets.array_cache import cached_blocks\n"
        "def make():\n"
        "    yield {'a': np.ones(9)}; print('written', flush=True); time.sleep(60)\n"
        "    yield {'a': np.ones(9)}\n"
        "cached_blocks(Path(r'%s'), make)\n"
    )
    folder = empty_cache / "part"
    process = subprocess.Popen(
        [sys.executable, "-c", code % folder], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "written\n"
    process.kill()
    process.wait()
    process.stdout.close()
    assert not folder.exists()
    assert len(list(empty_cache.iterdir())) == 1  # what was written aside
    assert np.array_equal(cached_arrays(folder, lambda: {"a": np.zeros(3)})["a"], np.zeros(3))


def test_a_full_disk_is_reported_and_leaves_nothing(empty_cache: Path) -> None:
    """The limit on the size of files holds for a whole process: another one, not pytest's own."""
    code = (
        "import numpy as np, resource\n"
        "from pathlib import Path\n"
        "from scaling.datasets.array_cache import cached_arrays\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: cached_arrays(Path(r'%s'), lambda: {'a': np.zeros(1000)})\n"
        "except OSError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code % (empty_cache / "part")]
    writing = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "set CLIMBER_CACHE to a folder" in writing.stdout
    assert not list(empty_cache.iterdir())


def test_pieces_are_one_array(empty_cache: Path) -> None:
    pieces = [{"a": np.arange(6).reshape(3, 2), "b": np.zeros(0)}, {"a": np.ones((1000, 2), int)}]
    kept = cached_blocks(empty_cache / "part", lambda: pieces)
    again = cached_blocks(empty_cache / "part", lambda: pytest.fail("made twice"))
    for arrays in (kept, again):
        assert arrays["a"].tolist() == np.concatenate([piece["a"] for piece in pieces]).tolist()
        assert arrays["b"].shape == (0,)
    assert gathered(pieces)["a"].tolist() == kept["a"].tolist()
    with pytest.raises(TypeError, match="can't go on with"):
        cached_blocks(empty_cache / "other", lambda: [{"a": np.ones(1)}, {"a": np.ones(1, int)}])
    assert [path.name for path in empty_cache.iterdir()] == ["part"]


def test_a_damaged_chunk_is_named(empty_cache: Path) -> None:
    training_chunk(TINY, 0)
    path = part_folder(TINY) / "train-000000" / "items.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"train-000000 is damaged .* delete it"):
        training_chunk(TINY, 0)


def test_processes_that_write_at_once_end_with_one_part(empty_cache: Path) -> None:
    code = (
        "import numpy as np, time\n"
        "from pathlib import Path\n"
        "from scaling.datasets.array_cache import cached_arrays\n"
        "def make(): time.sleep(0.5); return {'a': np.arange(100_000)}\n"
        f"print(cached_arrays(Path(r'{empty_cache / 'part'}'), make)['a'].sum())\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    assert {process.communicate()[0] for process in processes} == {"4999950000\n"}
    assert [path.name for path in empty_cache.iterdir()] == ["part"]


@pytest.mark.slow
def test_generation_never_bounds_training() -> None:
    config = SyntheticConfig()
    assert max(generation_rows_per_second(config, chunk) for chunk in range(3)) >= 150_000


@pytest.mark.slow
def test_opening_with_a_cold_cache_takes_seconds(empty_cache: Path) -> None:
    start = time.process_time()
    opened = SyntheticConfig().open()
    for split in ("validation", "test"):
        next(iter(opened.requests(split, RECENT, batch_size=8)))
    next(iter(opened.requests("train", RECENT, batch_size=8, seed=0)))
    assert time.process_time() - start < 6  # 2 s on an idle machine
