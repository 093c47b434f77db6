"""Whether a batch is what it should be: for data sets written elsewhere.

An id outside its table is an error without a name deep inside a model, and on a GPU one that stops the
process some steps later; an age that is not a number spoils every weight. Here it is named.

Shapes: b requests in the batch, n events of a view, m candidates, k behaviours, a attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from scaling.batch import Batch, Context, Schema, View, ViewBatch


def check_batch(batch: Batch, schema: Schema, views: Sequence[View]) -> None:
    """Checks a batch against its data set's schema and the views that were asked for.

    History may be missing (a mask without any event); candidates may not.

    Raises:
        ValueError: a shape, a type or a value that is not as `Batch` describes it, naming the field,
            the row, the value and what is valid.
    """
    _BatchCheck(batch, schema, views).run()


def check_history(history: Sequence[ViewBatch], schema: Schema, views: Sequence[View]) -> None:
    """Checks one request's views, tensors [1, n], as `check_batch` does.

    Raises:
        ValueError: naming the field, the place, the value and what is valid.
    """
    _Check(schema).history(history, views, 1)


def check_context(context: Context, schema: Schema) -> None:
    """Checks one request's context, tensors [1] and [1, a], as `check_history` does."""
    _Check(schema).context(context, 1)


def check_items(items: Tensor, schema: Schema) -> None:
    """Checks the items that one request asks about, int64 [m], as `check_history` does."""
    if items.ndim != 1 or not len(items):
        raise ValueError(f"items has shape {tuple(items.shape)}; valid: one dimension, at least 1")
    _Check(schema).ids("items", items, (len(items),), schema.num_items, "schema.num_items")


def first_checked(
    batches: Iterable[Batch], schema: Schema, views: Sequence[View]
) -> Iterator[Batch]:
    """The batches, the first of them after `check_batch`.

    The first alone: what a data set does wrong it mostly does everywhere, and a check of each would
    cost a small model several percent of its time.
    """
    rest = iter(batches)
    for batch in rest:
        check_batch(batch, schema, views)
        yield batch
        break
    yield from rest


class _Check:
    """What is wrong with the parts of some requests."""

    def __init__(self, schema: Schema, prefix: str = "", requests: Tensor | None = None) -> None:
        """`requests` [b]: their numbers, where they have some."""
        self.schema, self.prefix, self.requests = schema, prefix, requests

    def history(self, found: Sequence[ViewBatch], views: Sequence[View], b: int) -> None:
        schema = self.schema
        if len(found) != len(views):
            raise ValueError(
                f"{self.prefix}history holds {len(found)} views; asked for: {len(views)} "
                f"({', '.join(view.strategy for view in views)})"
            )
        for index, (asked, view) in enumerate(zip(views, found)):
            name = f"history[{index}]"
            n = self.width(f"{name}.mask", view.mask, asked.length, f"{asked.strategy}'s length")
            self.mask(f"{name}.mask", view.mask, (b, n))
            for column, size, limit in (
                ("items", schema.num_items, "schema.num_items"),
                ("actions", schema.num_actions, "schema.action_labels"),
                ("scenarios", schema.num_scenarios, "schema.scenarios"),
            ):
                self.ids(f"{name}.{column}", getattr(view, column), (b, n), size, limit)
            self.form(f"{name}.ages", view.ages, torch.float64, (b, n))
            known = torch.isfinite(view.ages) & ((view.ages >= 0) | (view.ages == -1))
            self.all(f"{name}.ages", view.ages, known, "at least 0, in seconds, or -1 (unknown)")

    def context(self, context: Context, b: int) -> None:
        sizes, scenarios = self.schema.request_attributes, self.schema.num_scenarios
        self.ids("context.scenario", context.scenario, (b,), scenarios, "schema.scenarios")
        self.form("context.time", context.time, torch.int64, (b,))
        self.form("context.attributes", context.attributes, torch.int64, (b, len(sizes)))
        for index, (name, size) in enumerate(sizes.items()):
            column = context.attributes[:, index]
            self.ids(f"context.attributes[:, {index}]", column, (b,), size, f"values of {name!r}")

    def width(self, name: str, mask: Tensor, most: int, limit: str) -> int:
        """The number of places of a mask [b, places]."""
        if mask.ndim != 2 or not 1 <= mask.shape[1] <= most:
            raise ValueError(
                f"{self.prefix}{name} has shape {tuple(mask.shape)}; valid: two dimensions, the "
                f"second 1 .. {most} ({limit})"
            )
        return mask.shape[1]

    def mask(self, name: str, mask: Tensor, shape: tuple[int, ...]) -> None:
        self.form(name, mask, torch.bool, shape)
        filled = torch.arange(shape[1], device=mask.device) < mask.sum(1, keepdim=True)
        self.all(name, mask, mask == filled, "right-padded, true first and then false")

    def ids(self, name: str, values: Tensor, shape: tuple[int, ...], size: int, limit: str) -> None:
        """Padding is looked up, too: its ids must be valid as well."""
        self.form(name, values, torch.int64, shape)
        if values.numel():
            lowest, highest = map(int, values.aminmax())
            if lowest < 0 or highest >= size:
                right = (values >= 0) & (values < size)
                self.all(name, values, right, f"0 .. {size - 1} ({limit})")

    def form(self, name: str, values: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        if values.dtype != dtype or tuple(values.shape) != shape:
            raise ValueError(
                f"{self.prefix}{name} is {_short(values.dtype)} of shape {tuple(values.shape)}; "
                f"valid: {_short(dtype)} of shape {shape}"
            )

    def all(self, name: str, values: Tensor, right: Tensor, valid: str, verb: str = "is") -> None:
        """`ValueError` at the first place where not `right`."""
        if right.all():
            return
        place = torch.nonzero(~right)[0].tolist()
        value, row = values[tuple(place)].item(), place[0]
        rest = "".join(f", {number}" for number in place[1:])
        request = "" if self.requests is None else f" (request {int(self.requests[row])})"
        raise ValueError(
            f"{self.prefix}{name}[row {row}{rest}] {verb} {value}{request}; valid: {valid}"
        )


class _BatchCheck(_Check):
    """What is wrong with a batch."""

    def __init__(self, batch: Batch, schema: Schema, views: Sequence[View]) -> None:
        super().__init__(schema, "batch.", batch.requests)
        self.batch, self.views = batch, views

    def run(self) -> None:
        batch, b = self.batch, self.batch.users.numel()
        if not b:
            raise ValueError("the batch holds no request; valid: at least one")
        for name in ("users", "requests", "distinct_events"):
            self.form(name, getattr(batch, name), torch.int64, (b,))
        self._item_attributes()
        self.history(batch.history, self.views, b)
        self._distinct_events()
        self.context(batch.context, b)
        self._candidates(b)

    def _item_attributes(self) -> None:
        """An item's id leads to these: they are looked up as well."""
        items = self.schema.num_items
        for name, attribute in self.schema.item_attributes.items():
            field, values = f"schema.item_attributes[{name!r}].of_item", attribute.of_item
            if values.shape != (items,):
                raise ValueError(f"{field} has shape {values.shape}; valid: {(items,)}")
            wrong = np.flatnonzero((values < 0) | (values >= attribute.size))
            if wrong.size:
                raise ValueError(
                    f"{field}[{wrong[0]}] is {values[wrong[0]]}; valid: 0 .. {attribute.size - 1}"
                )

    def _distinct_events(self) -> None:
        lengths = torch.stack([view.mask.sum(1) for view in self.batch.history])
        distinct = self.batch.distinct_events
        possible = (distinct >= lengths.amax(0)) & (distinct <= lengths.sum(0))
        valid = "from the length of the longest view to the sum of all"
        self.all("distinct_events", distinct, possible, valid)

    def _candidates(self, b: int) -> None:
        candidates, labels, schema = self.batch.candidates, self.batch.labels, self.schema
        limit = "schema.max_candidates"
        m = self.width("candidates.mask", candidates.mask, schema.max_candidates, limit)
        self.mask("candidates.mask", candidates.mask, (b, m))
        counts = candidates.mask.sum(1)
        self.all("candidates.mask", counts, counts > 0, "at least one candidate", "holds")
        items, size = candidates.items, schema.num_items
        self.ids("candidates.items", items, (b, m), size, "schema.num_items")
        self.form("labels", labels, torch.float32, (b, m, schema.num_behaviours))
        self.all("labels", labels, (labels == 0) | (labels == 1), "0 or 1")


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
