"""What the engine caches: never too much, never what is out of date."""

from __future__ import annotations

import dataclasses
import random
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch

from scaling.batch import Batch, Schema, ViewBatch
from scaling.models.base import MODELS, Memory
from scaling.models.lightning import LightningConfig
from scaling.models.transformer import TransformerConfig
from scaling.models.turbo import Asked, Engine
from scaling.models.turbo_cache import BytesBoundedCache, Key
from scaling.models.turbo_precision import kept

MakeBatch = Callable[..., Batch]
CONFIG = TransformerConfig(depth=2, width=16, seq_len=16, head_dim=8)
PLENTY = 10**9


@dataclasses.dataclass(frozen=True)
class Block:
    """So many bytes."""

    nbytes: int

    def compact(self) -> Block:
        return self


@pytest.fixture
def asked(make_batch: MakeBatch) -> list[Asked]:
    """Ten users with the same full views, so that every entry is as large."""
    batch = make_batch(CONFIG.views(), requests=10, full=True)
    return [
        Asked(
            user=f"user {row}",
            version="1",
            history=tuple(view.rows(slice(row, row + 1)) for view in batch.history),
            context=batch.context.rows(slice(row, row + 1)),
            items=batch.candidates.items[row],
        )
        for row in range(10)
    ]


def make_engine(schema: Schema, cache_bytes: int = PLENTY) -> Engine:
    torch.manual_seed(0)
    ranker = CONFIG.build(schema)
    with torch.no_grad():
        for parameter in ranker.parameters():
            parameter += 0.1 * torch.randn_like(parameter)
    return Engine(ranker, CONFIG, schema, cache_bytes=cache_bytes)


def size_of_an_entry(schema: Schema, asked: list[Asked]) -> int:
    engine = make_engine(schema)
    engine.score(asked[:1])
    return int(engine.statistics()["bytes"])


def refuse() -> tuple[ViewBatch, ...]:
    raise RuntimeError("the history was read")


def test_the_least_recently_used_go_first(schema: Schema, asked: list[Asked]) -> None:
    engine = make_engine(schema, 3 * size_of_an_entry(schema, asked))
    engine.score(asked[:3])
    engine.score(asked[:1])
    engine.score(asked[3:4])
    assert engine.missing(asked[:4]) == [1]
    assert engine.statistics()["evicted"] == 1


def test_the_bound_holds_at_all_times() -> None:
    cache: BytesBoundedCache[Block] = BytesBoundedCache(100)
    draw = random.Random(0)
    for _ in range(3000):
        key = Key(str(draw.randrange(12)), str(draw.randrange(3)), (draw.randrange(2),))
        action = draw.random()
        if action < 0.7:
            cache.put(key, Block(draw.randrange(130)), cache.epoch)
        elif action < 0.95:
            cache.get(key)
        else:
            cache.forget(key.user)
        assert cache.bytes == sum(block.nbytes for block in cache._entries.values()) <= 100
        versions = {(entry.user, entry.version) for entry in cache._entries}
        assert len({user for user, _ in versions}) == len(versions)
    assert cache.evicted
    assert cache.replaced
    assert cache.too_large


def test_an_entry_that_does_not_fit_is_scored_and_counted(
    schema: Schema, asked: list[Asked]
) -> None:
    small, large = make_engine(schema, size_of_an_entry(schema, asked) - 1), make_engine(schema)
    np.testing.assert_array_equal(small.score(asked[:1])[0], large.score(asked[:1])[0])
    assert small.statistics()["too_large"] == 1
    assert small.statistics()["bytes"] == small.statistics()["entries"] == 0


def test_a_cached_history_is_not_read(schema: Schema, asked: list[Asked]) -> None:
    engine = make_engine(schema)
    first = engine.score(asked)
    blind = [dataclasses.replace(one, history=refuse) for one in asked]
    assert engine.missing(blind) == []
    for one, other in zip(engine.score(blind), first, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-6)


def test_a_new_version_replaces_the_old_one(schema: Schema, asked: list[Asked]) -> None:
    engine = make_engine(schema)
    engine.score(asked)
    changed = dataclasses.replace(asked[0], version="2", history=asked[1].history)
    alone = make_engine(schema).score([changed])[0]
    np.testing.assert_allclose(engine.score([changed])[0], alone, rtol=0, atol=1e-6)
    assert engine.missing([asked[0], changed]) == [0]
    assert engine.statistics()["entries"] == 10
    assert engine.statistics()["replaced"] == 1


def test_what_encode_reads_of_the_request_belongs_to_the_key(
    schema: Schema, asked: list[Asked]
) -> None:
    one = asked[0]
    later = dataclasses.replace(one.context, time=one.context.time + 1)
    elsewhere = dataclasses.replace(one.context, scenario=(one.context.scenario + 1) % 3)
    others = [dataclasses.replace(one, context=context) for context in (later, elsewhere)]
    engine = make_engine(schema)
    engine.score([one])
    read = [
        place for place, field in enumerate(("time", "scenario")) if field in CONFIG.encode_reads
    ]
    assert engine.missing(others) == read


def test_a_forgotten_user_is_gone(schema: Schema, asked: list[Asked]) -> None:
    engine = make_engine(schema)
    engine.score(asked)
    assert engine.forget("user 3") == 1
    assert engine.forget("user 3") == 0
    assert engine.missing(asked) == [3]

    def forgotten_meanwhile() -> tuple[ViewBatch, ...]:
        engine.forget("user 3")
        assert not callable(asked[3].history)
        return asked[3].history

    engine.score([dataclasses.replace(asked[3], history=forgotten_meanwhile)])
    assert engine.missing(asked) == [3]


def test_cached_tensors_hold_no_more_memory_than_they_count(
    schema: Schema, asked: list[Asked]
) -> None:
    engine = make_engine(schema)
    engine.score(asked)
    storages = {
        leaf.untyped_storage().data_ptr(): leaf.untyped_storage().nbytes()
        for encoded in engine._cache._entries.values()
        for leaf in encoded.kept.memory().leaves()
    }
    assert sum(storages.values()) == engine.statistics()["bytes"]


def test_a_history_that_cannot_be_read_leaves_nothing(schema: Schema, asked: list[Asked]) -> None:
    engine = make_engine(schema)
    with pytest.raises(RuntimeError, match="the history was read"):
        engine.score([*asked, dataclasses.replace(asked[0], user="new", history=refuse)])
    assert engine.missing(asked) == list(range(10))
    assert engine.statistics()["misses"] == 0


def test_many_threads_get_what_one_gets(schema: Schema, asked: list[Asked]) -> None:
    """Eight threads, a cache of three entries, users forgotten in between."""
    limit = 3 * size_of_an_entry(schema, asked)
    wanted = make_engine(schema).score(asked)
    engine, wrong = make_engine(schema, limit), list[str]()

    def ask(seed: int) -> None:
        draw = random.Random(seed)
        for _ in range(25):
            places = draw.sample(range(10), 3)
            for place, logits in zip(places, engine.score([asked[place] for place in places])):
                if not np.allclose(logits, wanted[place], rtol=0, atol=1e-5):
                    wrong.append(f"{place}: {logits}")
            if engine.statistics()["bytes"] > limit:
                wrong.append("bound")
            engine.forget(f"user {draw.randrange(10)}")

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    counted = engine.statistics()
    assert counted["hits"] + counted["misses"] == 8 * 25 * 3


def test_linear_attention_takes_the_same_room_at_any_length(
    schema: Schema, make_batch: MakeBatch
) -> None:
    sizes = []
    for length in (16, 256):
        config = LightningConfig(depth=2, width=16, seq_len=length, head_dim=8)
        ranker = config.build(schema)
        batch = make_batch(config.views(), requests=1, full=True)
        with torch.no_grad():
            memory = ranker.encode(batch.history, batch.context)
        sizes.append(kept(memory, ranker.quantizable(), "int8").nbytes)
    assert sizes[0] == sizes[1] > 0


def test_int8_errs_by_half_a_step_and_rounds_once() -> None:
    torch.manual_seed(0)
    keys = torch.randn(2, 1, 4, 33, 16) * torch.rand(2, 1, 4, 33, 1).exp()
    memory = Memory((keys, {"bias": torch.randn(2, 1, 4, 33)}))
    assert kept(memory, (True, False), "float32").nbytes == memory.nbytes
    restored, bias = kept(memory, (True, False), "int8").memory().leaves()
    torch.testing.assert_close(bias, memory.leaves()[1], rtol=0, atol=0)
    # A step is a 127th of the block's largest magnitude, and scales have eleven bits.
    assert (restored - keys).abs().max() <= keys.abs().max() / 127 * 0.6
    again, _ = kept(Memory((restored, {"bias": bias})), (True, False), "int8").memory().leaves()
    torch.testing.assert_close(again, restored, rtol=0, atol=0)


@pytest.mark.parametrize("name", [n for n in MODELS.names() if MODELS.get(n).role == "trained"])
def test_int8_takes_three_tenths_of_the_bytes(
    schema: Schema, make_batch: MakeBatch, name: str
) -> None:
    config = MODELS.get(name).example(schema).scaled(seq_len=64)
    batch, ranker = make_batch(config.views(), requests=1, full=True), config.build(schema)
    with torch.no_grad():
        memory = ranker.encode(batch.history, batch.context)
    assert kept(memory, ranker.quantizable(), "int8").nbytes <= 0.30 * memory.nbytes


@pytest.mark.parametrize("size", [0.0, 1e-9, 3e4])
def test_int8_takes_values_of_any_size(size: float) -> None:
    memory = Memory((torch.full((1, 2, 3), size),))
    (restored,) = kept(memory, True, "int8").memory().leaves()
    torch.testing.assert_close(restored, memory.tree[0], rtol=1e-2, atol=1e-4)
