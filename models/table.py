"""Look-up tables: one row per value of an id."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

SPARSE_ROWS = 8192
"""Tables of more rows have sparse gradients, so that a step's cost doesn't grow with the table.
Below, the dense gradient costs less (measured: 84 against 149 us for 2048 look-ups in 4000 rows)."""


class Table(nn.Embedding):
    """An embedding table; a `row_wise` one is left to the row-wise optimizer."""

    def __init__(self, rows: int, width: int, *, row_wise: bool, std: float) -> None:
        super().__init__(rows, width, sparse=row_wise and rows > SPARSE_ROWS)
        self.row_wise = row_wise
        nn.init.normal_(self.weight, std=std)

    def forward(self, input: Tensor) -> Tensor:
        """Ids of any shape as vectors, one more dimension."""
        return (
            F.embedding(input, self.weight, sparse=True)
            if self.sparse
            else look_up(self.weight, input)
        )


def look_up(weight: Tensor, ids: Tensor) -> Tensor:
    """Rows of `weight` with a dense gradient, at half the cost of `embedding` on a CPU."""
    return weight.index_select(0, ids.flatten()).view(*ids.shape, -1)
