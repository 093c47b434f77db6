"""Several processes that train one trial: each works on its part of every batch, gradients are summed.

Every process makes the same batches and holds the same weights, so the trial is the one that a single
process would train, but for the order of sums. What is exchanged per step is one buffer with all
dense gradients and, for large tables, the rows that were touched.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn

from scaling.batch import Batch


class Team:
    """This process among the others of its trial; its process group must be initialised."""

    def __init__(self) -> None:
        self.rank = dist.get_rank()
        self.size = dist.get_world_size()

    def part(self, batch: Batch) -> Batch:
        """This process's requests: neighbours, as many as the others' but for one.

        A batch of fewer requests than processes is everybody's whole; see `copies`.
        """
        if len(batch) < self.size:
            return batch
        ends = np.linspace(0, len(batch), self.size + 1).round().astype(int)
        return batch.rows(slice(int(ends[self.rank]), int(ends[self.rank + 1])))

    def copies(self, batch: Batch) -> int:
        """How many processes work on each request of the batch; see `part`."""
        return self.size if len(batch) < self.size else 1

    def sum_gradients(self, parameters: Sequence[nn.Parameter], loss: Tensor) -> Tensor:
        """Add up every parameter's gradient over the processes, in place.

        A parameter that no process has a gradient of keeps none: an optimizer would move it.

        Args:
            parameters: in the same order in every process.
            loss: a number, this process's part of the batch's loss.

        Returns:
            The loss, added up.
        """
        device = loss.device
        known = torch.tensor(
            [0 if p.grad is None else 2 if p.grad.is_sparse else 1 for p in parameters],
            device=device,
        )
        dist.all_reduce(known, op=dist.ReduceOp.MAX)
        kinds = known.tolist()
        dense = [p for p, kind in zip(parameters, kinds) if kind == 1]
        flat = torch.cat(
            [
                loss.detach().reshape(1).float(),
                *(torch.zeros_like(p).ravel() if p.grad is None else p.grad.ravel() for p in dense),
            ]
        )
        dist.all_reduce(flat)
        place = 1
        for parameter in dense:
            here = flat[place : place + parameter.numel()].view_as(parameter)
            place += parameter.numel()
            parameter.grad = here.clone()
        for parameter, kind in zip(parameters, kinds):
            if kind == 2:
                self._gather_rows(parameter)
        return flat[0]

    def _gather_rows(self, parameter: nn.Parameter) -> None:
        """The sum of a sparse gradient: rows of all processes, one after the other."""
        width = parameter.shape[1:]
        if parameter.grad is not None:
            gradient = parameter.grad.coalesce()
            rows, values = gradient.indices()[0], gradient.values()
        else:
            rows = torch.zeros(0, dtype=torch.int64, device=parameter.device)
            values = parameter.new_zeros((0, *width))
        counts = torch.zeros(self.size, dtype=torch.int64, device=parameter.device)
        counts[self.rank] = len(rows)
        dist.all_reduce(counts)
        most = int(counts.max())
        all_rows = [rows.new_zeros(most) for _ in range(self.size)]
        all_values = [values.new_zeros((most, *width)) for _ in range(self.size)]
        dist.all_gather(all_rows, torch.cat([rows, rows.new_zeros(most - len(rows))]))
        padding = values.new_zeros((most - len(rows), *width))
        dist.all_gather(all_values, torch.cat([values, padding]))
        parameter.grad = torch.sparse_coo_tensor(
            torch.cat([r[:n] for r, n in zip(all_rows, counts.tolist())])[None],
            torch.cat([v[:n] for v, n in zip(all_values, counts.tolist())]),
            parameter.shape,
        )
