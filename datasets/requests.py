"""Batches of logged requests: the history by views, the candidates, the labels.

Shapes: b requests, n events of a view, m candidates, k behaviours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from scaling.batch import Batch, Candidates, Context, View, ViewBatch
from scaling.datasets.log import UNKNOWN_TIME, EventLog, RequestTable
from scaling.datasets.negatives import Negatives
from scaling.datasets.request_index import RequestIndex
from scaling.datasets.view_strategies import unmerged
from scaling.datasets.views import ViewIndex, distinct_events

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Requests = RequestTable | RequestIndex


@dataclass(frozen=True, eq=False)
class BatchMaker:
    """Answers views of a log; memory-mapped columns are read only where a batch needs them."""

    log: EventLog
    place: Path | None = None
    """Where the log is kept; see `ViewIndex.place`."""
    negatives: Negatives | None = None
    """None: the candidates are those of the log."""
    index: ViewIndex = field(init=False)
    labels: npt.NDArray[np.float32] = field(init=False)
    """[num_actions, k]"""

    def __post_init__(self) -> None:
        labels = np.array(self.log.schema.action_labels, np.float32)
        object.__setattr__(self, "index", ViewIndex(self.log, self.place))
        object.__setattr__(self, "labels", labels)

    def make_batch(self, table: Requests, rows: Ints, views: Sequence[View]) -> Batch:
        """The requests `rows` of `table`, each view padded to its longest of the batch.

        Raises:
            ValueError: as `check`.
        """
        chosen = table.select(rows)
        found = self.index.read(views, chosen)
        length = chosen.stop - chosen.start
        column = np.arange(max(int(length.max(initial=0)), 1))
        mask = column < length[:, None]
        candidates = (chosen.start[:, None] + column) * mask
        labels = self.labels.take(self.log.actions.take(candidates), axis=0) * mask[:, :, None]
        items = _gather(self.log.items, candidates, mask)
        if self.negatives is not None:
            drawn = self.negatives.draw(candidates, items, mask)
            items = np.concatenate([items, drawn], axis=1)
            no_labels = np.zeros((*drawn.shape, labels.shape[2]), labels.dtype)
            labels = np.concatenate([labels, no_labels], axis=1)
            # Candidates come first, without a gap: in a short request negatives go before the end.
            known = np.concatenate([mask, np.repeat(mask, self.negatives.count, axis=1)], axis=1)
            order = np.argsort(~known, axis=1, kind="stable")
            items = np.take_along_axis(items, order, axis=1)
            labels = np.take_along_axis(labels, order[:, :, None], axis=1)
            mask = np.take_along_axis(known, order, axis=1)
        return Batch(
            history=tuple(self._view(chosen, events, mask) for events, mask in found),
            context=Context(
                scenario=torch.from_numpy(chosen.scenario),
                time=torch.from_numpy(chosen.time),
                attributes=torch.from_numpy(chosen.attributes),
            ),
            candidates=Candidates(
                items=torch.from_numpy(items),
                mask=torch.from_numpy(mask),
            ),
            labels=torch.from_numpy(labels),
            users=torch.from_numpy(chosen.user),
            requests=torch.from_numpy(chosen.ids),
            distinct_events=torch.from_numpy(distinct_events(found)),
        )

    def lengths(self, table: RequestTable, views: Sequence[View]) -> Ints:
        """How many events each view holds per request, [R, views]; raises as `check`."""
        return self.index.lengths(views, table)

    def check(self, views: Sequence[View]) -> None:
        """Prepares the views; `ValueError` for none at all, an unknown strategy, behaviour or
        attribute, a merged view of a log with events of unknown time, or one that the candidates
        choose where most of them are sampled."""
        self.index.check(views)
        by_request = [v.strategy for v in unmerged(views) if v.strategy.startswith("request.")]
        if self.negatives is not None and by_request:
            raise ValueError(
                f"view strategy {by_request[0]!r} chooses by the candidates that the log holds, "
                "and beside sampled negatives that would tell which they are"
            )

    def _view(self, table: RequestTable, events: Ints, mask: Bools) -> ViewBatch:
        times = self.log.times.take(events)
        ages = (table.time[:, None] - times).astype(np.float64)
        # Known in advance: the search for unknown ages costs 5 % of a batch.
        if self.index.unknown_times:
            ages[times == UNKNOWN_TIME] = -1.0
        ages *= mask
        return ViewBatch(
            items=torch.from_numpy(_gather(self.log.items, events, mask)),
            actions=torch.from_numpy(_gather(self.log.actions, events, mask)),
            scenarios=torch.from_numpy(_gather(self.log.scenarios, events, mask)),
            ages=torch.from_numpy(ages),
            mask=torch.from_numpy(mask),
        )


def make_batch(log: EventLog, table: Requests, rows: Ints, views: Sequence[View]) -> Batch:
    """As `BatchMaker.make_batch`, for a batch or two; the maker keeps the search index."""
    return BatchMaker(log).make_batch(table, rows, views)


def _gather(
    column: npt.NDArray[np.int32] | npt.NDArray[np.uint8], index: Ints, mask: Bools
) -> Ints:
    # `take` is a third faster than indexing with an array.
    return np.multiply(column.take(index), mask, dtype=np.int64)
