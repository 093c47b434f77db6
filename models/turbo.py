"""TURBO, the inference engine: a user is encoded once, any number of items is scored against that.

Source: Climber, arXiv 2502.09888, section on serving. What a ranker's `encode` leaves for `score`
(keys and values of every block, a state, or raw events) is kept in a cache bounded in bytes; the
items of many requests are scored in batches against it.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scaling.batch import Candidates, Context, Schema
from scaling.batch_check import check_context, check_history, check_items
from scaling.models.base import ModelConfig, Ranker
from scaling.models.turbo_batches import joined_context, joined_items, similar_counts
from scaling.models.turbo_cache import BytesBoundedCache, Key
from scaling.models.turbo_counts import Counts
from scaling.models.turbo_encoder import Encoded, Encoder, History, Job
from scaling.models.turbo_precision import CACHE_DTYPES, CacheDtype, joined

TOKENS = 4096
"""Events and candidates of a batch, where the caller does not say."""

USERS_AT_ONCE = 256
"""Users whose memories are held beside the cache, at most."""


@dataclass(frozen=True)
class Asked:
    """One user's request for the scores of some items."""

    user: str
    version: str
    """Of the history: changes with it, and with nothing else."""
    history: History | Callable[[], History]
    """The model's views, tensors [1, n]; a function is called only where nothing is cached."""
    context: Context
    """Tensors [1], [1, a]."""
    items: Tensor
    """int64 [m]"""


class Engine:
    """Scores items for users; several threads may ask at once.

    Scores do not depend on what else is asked in a call, nor (but for `cache_dtype`'s rounding, which
    applies to cached and fresh memories alike) on what is cached, beyond the rounding of sums.
    """

    def __init__(
        self,
        ranker: Ranker,
        config: ModelConfig,
        schema: Schema,
        *,
        cache_bytes: int,
        cache_dtype: CacheDtype = "float32",
        batch_tokens: int = TOKENS,
    ) -> None:
        """
        Args:
            ranker: is put into evaluation mode; computes where its parameters are.
            config: the ranker's.
            schema: of the data that it was trained on.
            cache_bytes: the most that cached memories may take; 0 caches nothing.
            cache_dtype: precision of what the ranker declares `quantizable`; `float32` leaves all
                as it is.
            batch_tokens: events and candidates, padding included, of a batch; one user's history
                is never split.

        Raises:
            ValueError: an argument out of its range.
        """
        if cache_dtype not in CACHE_DTYPES:
            raise ValueError(
                f"cache_dtype must be one of {', '.join(CACHE_DTYPES)}, got {cache_dtype!r}"
            )
        if cache_bytes < 0:
            raise ValueError(f"cache_bytes must be at least 0, got {cache_bytes}")
        if batch_tokens < 1:
            raise ValueError(f"batch_tokens must be at least 1, got {batch_tokens}")
        self.ranker, self.config, self.schema = ranker.eval(), config, schema
        self.cache_dtype, self.batch_tokens = cache_dtype, batch_tokens
        self._views, self._reads = config.views(), frozenset(config.encode_reads)
        self._cache: BytesBoundedCache[Encoded] = BytesBoundedCache(cache_bytes)
        self._counts = Counts()
        tensors = itertools.chain(ranker.parameters(), ranker.buffers())
        self._device = next((t.device for t in tensors), torch.device("cpu"))
        self._encoder = Encoder(
            ranker, config, cache_dtype, batch_tokens, self._device, self._counts
        )

    def score(self, asked: Sequence[Asked]) -> list[npt.NDArray[np.float32]]:
        """The logits of each entry's items, [m, k], in the order of `asked`.

        Raises:
            ValueError: an entry that is not the model's or the schema's, naming the entry, its user,
                and the value. Nothing is scored then, and nothing cached. What a `history` raises
                is passed on, likewise.
        """
        for place, one in enumerate(asked):
            with _named(place, one):
                check_context(one.context, self.schema)
                check_items(one.items, self.schema)
        epoch = self._cache.epoch
        places: dict[Key, list[int]] = {}
        for place, one in enumerate(asked):
            places.setdefault(self._key(one), []).append(place)
        cached = {key: self._cache.get(key) for key in places}
        histories = {
            key: self._history(places[key][0], asked[places[key][0]])
            for key, encoded in cached.items()
            if encoded is None
        }
        found = [
            np.empty((len(one.items), self.schema.num_behaviours), np.float32) for one in asked
        ]
        with torch.inference_mode():
            for keys in _chunks(list(places), USERS_AT_ONCE):
                memories = {key: encoded for key in keys if (encoded := cached[key]) is not None}
                fresh = [key for key in keys if key not in memories]
                jobs = [
                    Job(
                        histories[key],
                        asked[places[key][0]].context,
                        self._cache.of_other_versions(key) if self.config.extendable else (),
                    )
                    for key in fresh
                ]
                for number, encoded in self._encoder.encoded(jobs):
                    memories[fresh[number]] = encoded
                    self._cache.put(fresh[number], encoded, epoch)
                owners = [(place, memories[key]) for key in keys for place in places[key]]
                self._score(asked, owners, found)
        self._counts.add(hits=len(places) - len(histories), shared=len(asked) - len(places))
        return found

    def missing(self, asked: Sequence[Asked]) -> list[int]:
        """The places of entries for which `score` would have to read the history."""
        return [place for place, one in enumerate(asked) if self._key(one) not in self._cache]

    def forget(self, user: str) -> int:
        """Drop what is cached of a user; returns how many entries that were."""
        return self._cache.forget(user)

    def statistics(self) -> dict[str, float]:
        """Counts since the start, by name.

        `hits`, `misses` (encoded anew), `extended` (by events that came behind) and `shared` (asked
        about a user more than once in a call) add up to the entries asked; `entries`, `bytes`,
        `bytes_limit`: of the cache now; `evicted`, `replaced` (by another version), `too_large`
        (never kept); `padding_events` and `padding_candidates`: shares of what was computed that
        were padding.
        """
        cache = self._cache
        return {
            **self._counts.statistics(),
            "entries": float(len(cache)),
            "bytes": float(cache.bytes),
            "bytes_limit": float(cache.limit),
            "evicted": float(cache.evicted),
            "replaced": float(cache.replaced),
            "too_large": float(cache.too_large),
        }

    def _key(self, one: Asked) -> Key:
        context = one.context
        read: list[Hashable] = []
        if "scenario" in self._reads:
            read.append(("scenario", int(context.scenario[0])))
        if "time" in self._reads:
            read.append(("time", int(context.time[0])))
        if "attributes" in self._reads:
            read.append(("attributes", *context.attributes[0].tolist()))
        return Key(one.user, one.version, tuple(read))

    def _history(self, place: int, one: Asked) -> History:
        history = one.history() if callable(one.history) else one.history
        with _named(place, one):
            check_history(history, self.schema, self._views)
        return history

    def _score(
        self,
        asked: Sequence[Asked],
        owners: Sequence[tuple[int, Encoded]],
        found: Sequence[npt.NDArray[np.float32]],
    ) -> None:
        """Fill in the logits of the entries at some places; their memories beside them."""
        pieces = [
            (place, encoded, start)
            for place, encoded in owners
            for start in range(0, len(asked[place].items), self.batch_tokens)
        ]
        items = [
            asked[place].items[start : start + self.batch_tokens] for place, _, start in pieces
        ]
        batches = similar_counts(
            [encoded.form for _, encoded, _ in pieces],
            [encoded.events for _, encoded, _ in pieces],
            [len(one) for one in items],
            self.batch_tokens,
        )
        for batch in batches:
            memory = joined([pieces[row][1].kept for row in batch]).memory()
            context = joined_context([asked[pieces[row][0]].context for row in batch])
            together, mask = joined_items([items[row] for row in batch])
            logits = self.ranker.score(
                memory,
                Candidates(together, mask).to(self._device),
                context.to(self._device),
            )
            values = logits.float().cpu().numpy()
            for index, row in enumerate(batch):
                place, _, start = pieces[row]
                count = len(items[row])
                found[place][start : start + count] = values[index, :count]
            self._counts.add(
                real_candidates=sum(len(items[row]) for row in batch),
                computed_candidates=mask.numel(),
            )


@contextlib.contextmanager
def _named(place: int, one: Asked) -> Iterator[None]:
    """Says whose request a `ValueError` is about."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"asked[{place}], user {one.user!r}: {error}") from None


def _chunks(keys: Sequence[Key], size: int) -> Iterator[Sequence[Key]]:
    return (keys[start : start + size] for start in range(0, len(keys), size))
