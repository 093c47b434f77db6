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

from scaling.batch import Batch, Schema, View


def check_batch(batch: Batch, schema: Schema, views: Sequence[View]) -> None:
    """Checks a batch against its data set's schema and the views that were asked for.

    History may be missing (a mask without any event); candidates may not.

    Raises:
        ValueError: a shape, a type or a value that is not as `Batch` describes it, naming the field,
            the row, the value and what is valid.
    """
    _Check(batch, schema, views).run()


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
    def __init__(self, batch: Batch, schema: Schema, views: Sequence[View]) -> None:
        self.batch, self.schema, self.views = batch, schema, views

    def run(self) -> None:
        b = self.batch.users.numel()
        if not b:
            raise ValueError("the batch holds no request; valid: at least one")
        for name in ("users", "requests", "distinct_events"):
            self._form(name, getattr(self.batch, name), torch.int64, (b,))
        self._item_attributes()
        self._views(b)
        self._context(b)
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

    def _views(self, b: int) -> None:
        found, schema = self.batch.history, self.schema
        if len(found) != len(self.views):
            raise ValueError(
                f"batch.history holds {len(found)} views; asked for: {len(self.views)} "
                f"({', '.join(view.strategy for view in self.views)})"
            )
        for index, (asked, view) in enumerate(zip(self.views, found)):
            name = f"history[{index}]"
            n = self._width(f"{name}.mask", view.mask, asked.length, f"{asked.strategy}'s length")
            self._mask(f"{name}.mask", view.mask, (b, n))
            for column, size, limit in (
                ("items", schema.num_items, "schema.num_items"),
                ("actions", schema.num_actions, "schema.action_labels"),
                ("scenarios", schema.num_scenarios, "schema.scenarios"),
            ):
                ids = getattr(view, column)
                self._ids(f"{name}.{column}", ids, (b, n), size, limit)
            self._form(f"{name}.ages", view.ages, torch.float64, (b, n))
            known = torch.isfinite(view.ages) & ((view.ages >= 0) | (view.ages == -1))
            self._all(f"{name}.ages", view.ages, known, "at least 0, in seconds, or -1 (unknown)")
        lengths = torch.stack([view.mask.sum(1) for view in found])
        distinct = self.batch.distinct_events
        possible = (distinct >= lengths.amax(0)) & (distinct <= lengths.sum(0))
        valid = "from the length of the longest view to the sum of all"
        self._all("distinct_events", distinct, possible, valid)

    def _context(self, b: int) -> None:
        context, sizes = self.batch.context, self.schema.request_attributes
        scenarios = self.schema.num_scenarios
        self._ids("context.scenario", context.scenario, (b,), scenarios, "schema.scenarios")
        self._form("context.time", context.time, torch.int64, (b,))
        self._form("context.attributes", context.attributes, torch.int64, (b, len(sizes)))
        for index, (name, size) in enumerate(sizes.items()):
            column = context.attributes[:, index]
            self._ids(f"context.attributes[:, {index}]", column, (b,), size, f"values of {name!r}")

    def _candidates(self, b: int) -> None:
        candidates, labels, schema = self.batch.candidates, self.batch.labels, self.schema
        limit = "schema.max_candidates"
        m = self._width("candidates.mask", candidates.mask, schema.max_candidates, limit)
        self._mask("candidates.mask", candidates.mask, (b, m))
        counts = candidates.mask.sum(1)
        self._all("candidates.mask", counts, counts > 0, "at least one candidate", "holds")
        items, size = candidates.items, schema.num_items
        self._ids("candidates.items", items, (b, m), size, "schema.num_items")
        self._form("labels", labels, torch.float32, (b, m, schema.num_behaviours))
        self._all("labels", labels, (labels == 0) | (labels == 1), "0 or 1")

    def _width(self, name: str, mask: Tensor, most: int, limit: str) -> int:
        """The number of places of a mask [b, places]."""
        if mask.ndim != 2 or not 1 <= mask.shape[1] <= most:
            raise ValueError(
                f"batch.{name} has shape {tuple(mask.shape)}; valid: two dimensions, the second "
                f"1 .. {most} ({limit})"
            )
        return mask.shape[1]

    def _mask(self, name: str, mask: Tensor, shape: tuple[int, ...]) -> None:
        self._form(name, mask, torch.bool, shape)
        filled = torch.arange(shape[1], device=mask.device) < mask.sum(1, keepdim=True)
        self._all(name, mask, mask == filled, "right-padded, true first and then false")

    def _ids(
        self, name: str, values: Tensor, shape: tuple[int, ...], size: int, limit: str
    ) -> None:
        """Padding is looked up, too: its ids must be valid as well."""
        self._form(name, values, torch.int64, shape)
        self._all(name, values, (values >= 0) & (values < size), f"0 .. {size - 1} ({limit})")

    def _form(self, name: str, values: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
        if values.dtype != dtype or tuple(values.shape) != shape:
            raise ValueError(
                f"batch.{name} is {_short(values.dtype)} of shape {tuple(values.shape)}; valid: "
                f"{_short(dtype)} of shape {shape}"
            )

    def _all(self, name: str, values: Tensor, right: Tensor, valid: str, verb: str = "is") -> None:
        """`ValueError` at the first place where not `right`."""
        if right.all():
            return
        place = torch.nonzero(~right)[0].tolist()
        value, request = values[tuple(place)].item(), int(self.batch.requests[place[0]])
        rest = "".join(f", {number}" for number in place[1:])
        raise ValueError(
            f"batch.{name}[row {place[0]}{rest}] {verb} {value} (request {request}); valid: {valid}"
        )


def _short(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
