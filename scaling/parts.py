"""A training batch in parts of like lengths: less padding, the same gradient.

A batch is padded to its longest history. Worked on in parts, each padded to its own longest, it costs
less, and the sum of the parts' gradients is the batch's: which requests share a step is not touched.
A part has a cost of its own, for its kernels start anew; a split is made where it saves more.

Shapes: b requests, N views.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from scaling.batch import Batch, Candidates, Schema, ViewBatch
from scaling.models.base import ModelConfig

Ints = npt.NDArray[np.int64]

PART_FLOPS = 5e7
"""What a further part costs per layer, as forward FLOPs that a CPU would do in the time. Measured at
widths 16-128, two and four layers: 3 ms of a training step's time each (docs/performance.md). A GPU
does a thousand times as many in the time in which it starts a part's kernels: it gets whole
batches."""


def places_of_a_part(model: ModelConfig, schema: Schema) -> float:
    """How many places for an event cost as much as one further part."""
    lengths = np.array([[view.length for view in model.views()]])
    flops = model.flops(schema, lengths, np.ones(1, np.int64)).part("history.")
    per_place = float(flops[0]) / int(lengths.sum())
    return model.depth * PART_FLOPS / per_place if per_place else np.inf


def parts_of(lengths: Ints, price: float) -> list[Ints]:
    """Which requests to work on together, so that places and parts cost least.

    A group is cut in two at the length (of one of the views) that saves most places, and so are the
    halves, as long as a cut saves more than `price`.

    Args:
        lengths: [b, N], events of each view.
        price: places that cost as much as a further part.

    Returns:
        Places in `lengths`, each once, in groups; a single one in the order of the batch where no cut
        is worth it.
    """
    waiting, parts = [np.arange(len(lengths))], []
    while waiting:
        rows = waiting.pop()
        here = lengths[rows]
        places = int(here.max(axis=0).sum()) * len(rows)
        cut = _best_cut(here, places - price) if places - here.sum() > price else None
        if cut is None:
            parts.append(rows)
        else:
            waiting += [rows[half] for half in cut]
    return parts


def _best_cut(lengths: Ints, most: float) -> tuple[Ints, Ints] | None:
    """The halves of the cut that leaves fewest places; None unless these are fewer than `most`."""
    best = None
    counts = np.arange(1, len(lengths))
    for view in range(lengths.shape[1]):
        order = np.argsort(lengths[:, view], kind="stable")
        ordered = lengths[order]
        below = np.maximum.accumulate(ordered).sum(axis=1)[:-1] * counts
        above = np.maximum.accumulate(ordered[::-1]).sum(axis=1)[:-1] * counts
        places = below + above[::-1]
        cut = int(places.argmin())
        if places[cut] < most:
            best, most = (order[cut + 1 :], order[: cut + 1]), places[cut]
    return best


def in_parts(batch: Batch, price: float) -> Sequence[Batch]:
    """The batch's requests in the groups of `parts_of`, each padded to its own longest views."""
    parts = parts_of(batch.lengths(), price)
    if len(parts) == 1:
        return (batch,)
    return [_trimmed(batch.rows(torch.from_numpy(rows))) for rows in parts]


def _trimmed(batch: Batch) -> Batch:
    """Without the places that are padding in every request."""
    m = max(int(batch.num_candidates().max()), 1)
    return dataclasses.replace(
        batch,
        history=tuple(_shortened(view) for view in batch.history),
        candidates=Candidates(batch.candidates.items[:, :m], batch.candidates.mask[:, :m]),
        labels=batch.labels[:, :m],
    )


def _shortened(view: ViewBatch) -> ViewBatch:
    return view.events(slice(max(int(view.mask.sum(1).max()), 1)))
