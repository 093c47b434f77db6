"""Tokens: a history event or a candidate as one vector, the same for all architectures.

Shapes: b requests, n events, m candidates, d width.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from scaling.batch import Candidates, Context, Schema, ViewBatch
from scaling.models.table import Table

AGE_BUCKETS = 64
"""Half-octaves of age in seconds (up to 2^31 s); the last bucket is `unknown`."""

UNKNOWN_AGE = AGE_BUCKETS - 1

ITEM_STD = 0.1
"""Items start small, so that a rarely seen one stays near what its attributes say."""
CONTEXT_STD = 0.3


def age_bucket(ages: Tensor) -> Tensor:
    """Ages in seconds (-1: unknown) as bucket numbers, int64 of the same shape."""
    bucket = (2 * torch.log2(1 + ages.clamp(min=0))).long().clamp(max=UNKNOWN_AGE - 1)
    return torch.where(ages < 0, UNKNOWN_AGE, bucket)


class Tokens(nn.Module):
    """Sums the embeddings of what is known about an event or a candidate.

    Items and their attributes have tables with row-wise gradients; the small tables (action,
    scenario, age, request attributes) belong to the dense optimizer but are counted as embeddings.
    """

    def __init__(self, schema: Schema, width: int) -> None:
        super().__init__()
        self.items = Table(schema.num_items, width, row_wise=True, std=ITEM_STD)
        self.attributes = nn.ModuleList(
            Table(attribute.size, width, row_wise=True, std=CONTEXT_STD)
            for attribute in schema.item_attributes.values()
        )
        for index, attribute in enumerate(schema.item_attributes.values()):
            self.register_buffer(
                f"attribute_of_item_{index}",
                torch.from_numpy(attribute.of_item).clone(),
                persistent=False,  # it belongs to the data, not to the trained state
            )

        def small(rows: int) -> Table:
            return Table(rows, width, row_wise=False, std=CONTEXT_STD)

        self.actions = small(schema.num_actions)
        self.scenarios = small(schema.num_scenarios)
        self.request_scenarios = small(schema.num_scenarios)
        self.ages = small(AGE_BUCKETS)
        self.request_attributes = nn.ModuleList(
            small(size) for size in schema.request_attributes.values()
        )

    def item_features(self, items: Tensor) -> list[Tensor]:
        """The vectors of each item and of its attributes, one tensor [..., d] per feature."""
        vectors = [self.items(items)]
        for index, table in enumerate(self.attributes):
            of_item: Tensor = getattr(self, f"attribute_of_item_{index}")
            vectors.append(table(of_item[items]))
        return vectors

    def inherent(self, items: Tensor) -> Tensor:
        """What is known about items whoever met them: the sum of their features, [..., d]."""
        first, *others = self.item_features(items)
        return sum(others, first)

    def request_features(self, context: Context) -> list[Tensor]:
        """The vectors of each request's scenario and attributes, one tensor [b, d] per feature."""
        attributes = enumerate(self.request_attributes)
        values = [table(context.attributes[:, index]) for index, table in attributes]
        return [self.request_scenarios(context.scenario), *values]

    def request(self, context: Context) -> Tensor:
        """The sum of a request's features, [b, d]."""
        first, *others = self.request_features(context)
        return sum(others, first)

    def events(self, view: ViewBatch) -> Tensor:
        """[b, n, d]; padded places hold the vector of item 0 and must be masked by the caller."""
        vectors = self.inherent(view.items)
        vectors = vectors + self.actions(view.actions)
        vectors = vectors + self.scenarios(view.scenarios)
        summed: Tensor = vectors + self.ages(age_bucket(view.ages))
        return summed

    def candidates(self, candidates: Candidates, context: Context) -> Tensor:
        """[b, m, d]"""
        return self.inherent(candidates.items) + self.request(context).unsqueeze(1)

    @staticmethod
    def params(schema: Schema, width: int) -> Mapping[str, int]:
        """Parameters by group."""
        attributes = sum(a.size for a in schema.item_attributes.values())
        context = schema.num_actions + 2 * schema.num_scenarios + AGE_BUCKETS
        context += sum(schema.request_attributes.values())
        return {
            "embedding.items": schema.num_items * width,
            "embedding.item_attributes": attributes * width,
            "embedding.context": context * width,
        }
