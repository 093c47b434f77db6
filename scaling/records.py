"""Records of training data: one history with many candidates, or with few, or with one.

A request with m candidates is one record, or several of at most p candidates that repeat its history and
its context. A candidate's logits do not depend on the others, so a loss that is a sum over candidates
has the same gradient in every form; what differs is how often the history is computed (Climber, arXiv
2502.09888, section 3.3).

Shapes: b requests, r records, n events of a view, m candidates of a request, p of a record, k behaviours.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from scaling.batch import Batch, Candidates

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Cut:
    """Which candidates of which request each record holds; the records of a request are neighbours."""

    request: Ints
    """[r] row of the request in its batch."""
    first: Ints
    """[r] the record's first candidate among those of the request."""
    candidates: Ints
    """[r]"""


def cut(candidates: Ints, items_per_record: int) -> Cut:
    """How requests with so many `candidates` [b] become records of at most `items_per_record`.

    All records of a request but its last are full; a request without candidates is one empty record.

    Raises:
        ValueError: `items_per_record` below 1.
    """
    if items_per_record < 1:
        raise ValueError(f"items_per_record must be at least 1, got {items_per_record}")
    records = np.maximum(-(-candidates // items_per_record), 1)
    request = np.repeat(np.arange(len(candidates)), records)
    before = np.cumsum(records) - records
    first = (np.arange(len(request)) - before[request]) * items_per_record
    return Cut(request, first, np.minimum(candidates[request] - first, items_per_record))


def counts(lengths: Ints, candidates: Ints, items_per_record: int) -> tuple[Ints, Ints]:
    """Lengths [r, views] and candidates [r] of what is computed of requests with these [b, ...].

    `items_per_record` 0: the requests as they are.
    """
    if not items_per_record:
        return lengths, candidates
    made = cut(candidates, items_per_record)
    return lengths[made.request], made.candidates


def split(batch: Batch, items_per_record: int) -> Batch:
    """The requests as records of at most so many candidates each, in the order of the candidates.

    Raises:
        ValueError: `items_per_record` below 1.
    """
    made, device = cut(batch.num_candidates(), items_per_record), batch.users.device
    rows, first, counts = (
        torch.from_numpy(array).to(device) for array in (made.request, made.first, made.candidates)
    )
    column = torch.arange(max(int(made.candidates.max(initial=0)), 1), device=device)
    mask = column < counts[:, None]
    place = (first[:, None] + column) * mask
    items = batch.candidates.items[rows[:, None], place] * mask
    labels = batch.labels[rows[:, None], place] * mask[..., None]
    repeated = batch.rows(rows)
    return replace(repeated, candidates=Candidates(items, mask), labels=labels)


def gathered(logits: Tensor, candidates: Ints, items_per_record: int) -> Tensor:
    """The logits of `split` records as those of the requests that were split.

    Args:
        logits: [r, p, k]
        candidates: [b] of the requests.

    Returns:
        [b, m, k] with m the largest number of candidates; 0 where there is no candidate.
    """
    made = cut(candidates, items_per_record)
    column = np.arange(max(int(candidates.max(initial=0)), 1))
    first = np.flatnonzero(np.diff(made.request, prepend=-1))
    real = column < candidates[:, None]
    record = (first[:, None] + column // items_per_record)[real]
    place = np.broadcast_to(column % items_per_record, real.shape)[real]
    found = logits.new_zeros(*real.shape, logits.shape[2])
    where, rows, places = (torch.from_numpy(a).to(logits.device) for a in (real, record, place))
    return found.masked_scatter(where[..., None], logits[rows, places])


def join(batch: Batch) -> Batch:
    """The records of each request as one, the reverse of `split`.

    Requests come in the order of their first records, and their candidates in the order of the records,
    which need not be neighbours.

    Raises:
        ValueError: two records of one request (the same number in `requests`) differ in history, context
            or user; names both rows.
    """
    ids, found = np.unique(batch.requests.cpu().numpy(), return_inverse=True)
    starts = np.full(len(ids), len(found))
    np.minimum.at(starts, found, np.arange(len(found)))
    order = np.argsort(starts, kind="stable")
    request = np.argsort(order, kind="stable")[found]
    """[r] of every record, the row of its request among those that come out."""
    starts = starts[order]
    _check_equal(batch, starts[request])

    counts = batch.num_candidates()
    sorted_records = np.argsort(request, kind="stable")
    row = np.repeat(request[sorted_records], counts[sorted_records])
    total = np.bincount(request, weights=counts, minlength=len(ids)).astype(np.int64)
    place = np.arange(len(row)) - np.repeat(np.cumsum(total) - total, total)
    width = max(int(total.max(initial=0)), 1)

    device = batch.users.device
    where = torch.from_numpy(row).to(device), torch.from_numpy(place).to(device)
    picked = torch.from_numpy(sorted_records).to(device)
    real = batch.candidates.mask[picked]

    def filled(values: Tensor) -> Tensor:
        out = values.new_zeros(len(ids), width, *values.shape[2:])
        out[where] = values[picked][real]
        return out

    candidates = Candidates(filled(batch.candidates.items), filled(batch.candidates.mask))
    once = batch.rows(torch.from_numpy(starts).to(device))
    return replace(once, candidates=candidates, labels=filled(batch.labels))


def _check_equal(batch: Batch, first: Ints) -> None:
    """`ValueError` unless every record is as the `first` [r] of its request, candidates aside."""
    rows = torch.from_numpy(first).to(batch.users.device)
    parts: list[tuple[str, Tensor]] = [
        ("users", batch.users),
        ("distinct_events", batch.distinct_events),
        *((f"context.{f.name}", getattr(batch.context, f.name)) for f in fields(batch.context)),
    ]
    for index, view in enumerate(batch.history):
        parts += [(f"history[{index}].{f.name}", getattr(view, f.name)) for f in fields(view)]
    for name, values in parts:
        differs = (
            (values != values[rows]).flatten(1).any(1)
            if values.ndim > 1
            else (values != values[rows])
        )
        if differs.any():
            row = int(torch.nonzero(differs)[0])
            raise ValueError(
                f"batch.{name} of row {row} differs from that of row {first[row]}, another record of "
                f"request {int(batch.requests[row])}; valid: records of one request that agree in "
                "all but their candidates"
            )
