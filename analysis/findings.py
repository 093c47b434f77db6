"""What an analysis found, group by group, and its forms: JSON and a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.comparison import Comparison
from scaling.analysis.frontier import Frontier
from scaling.analysis.law import Law
from scaling.analysis.references import Reference
from scaling.analysis.result import Fit, number
from scaling.analysis.versus import Versus
from scaling.units import MISSING, plain


@dataclass(frozen=True)
class Group:
    """What was found for one architecture."""

    name: str
    fit: Fit | None
    """With every parameter free that the caller didn't give; None if it can't be made."""
    pinned: Fit | None
    """The offset given as the known floor; None without one."""
    error: str
    """Why there is no fit."""
    pinned_error: str
    floor: float | None
    """The known floor (column `loss_floor`), where the data set has one."""
    runs: pd.DataFrame
    configurations: pd.DataFrame
    frontier: Frontier | None
    """What was fitted; None if all runs were."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Of the free fit, or why there is none."""
        return self.fit.warnings if self.fit else (self.error,)


@dataclass(frozen=True)
class Analysis:
    """Everything a table, a figure or a report is made from."""

    law: Law
    target: str
    level: float
    groups: dict[str, Group]
    contests: tuple[Versus | Comparison, ...]
    """A bare comparison where nothing but the fits could be compared."""
    excluded: pd.DataFrame
    """Runs left out, with the column `excluded` (why)."""
    warnings: tuple[str, ...]
    """About the table as a whole."""
    draws: int
    objective: str
    references: tuple[Reference, ...] = ()
    """What was counted instead of trained."""

    @property
    def interval_method(self) -> str:
        """That of the fits; see `Fit.interval_method`."""
        methods = [group.fit.interval_method for group in self.groups.values() if group.fit]
        return methods[0] if methods else "bootstrap" if self.draws else "profile"

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The answers alone."""
        return tuple(
            one if isinstance(one, Comparison) else one.comparison for one in self.contests
        )

    def failed(self) -> list[str]:
        """Groups without a fit."""
        return [name for name, group in self.groups.items() if group.fit is None]

    def to_dict(self) -> dict[str, Any]:
        """The contract of `climber fit --json`, with `pinned`, `comparisons`, `excluded` beside it."""
        pinned = {
            name: _described(group.pinned, group.pinned_error, len(group.runs), self.level)
            for name, group in self.groups.items()
            if group.pinned or group.pinned_error
        }
        out: dict[str, Any] = plain(
            {
                "law": self.law.name,
                "target": self.target,
                "level": self.level,
                "interval_method": self.interval_method,
                "groups": {
                    name: _described(group.fit, group.error, len(group.runs), self.level)
                    for name, group in self.groups.items()
                },
                "pinned": pinned,
                "references": {one.name: {self.target: one.loss} for one in self.references},
                "comparisons": [contest.to_dict() for contest in self.contests],
                "excluded": [
                    {"row": row, "reason": reason}
                    for row, reason in self.excluded["excluded"].items()
                ],
                "warnings": self.warnings,
            }
        )
        return out

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows of the fits as printed: one row per group, one more where E is pinned."""
        head = ["group", "offset", "points", *self.law.parameters, "status"]
        rows = []
        for name, group in self.groups.items():
            pairs = [("free", group.fit, group.error)]
            if group.pinned or group.pinned_error:
                pairs.append(("known floor", group.pinned, group.pinned_error))
            for kind, found, error in pairs:
                kind = kind if self.law.offset else MISSING
                if found is None:
                    dashes = [MISSING] * (len(self.law.parameters) + 1)
                    rows.append([name, kind, *dashes, f"failed: {error}"])
                    continue
                cells = [cell(found, parameter, self.level) for parameter in self.law.parameters]
                rows.append([name, kind, str(found.n), *cells, found.status])
        return head, rows


def cell(found: Fit, parameter: str, level: float) -> str:
    """A parameter with its interval, as tables show it."""
    value = number(found.params[parameter])
    if parameter in found.fixed:
        return f"{value} (given)"
    low, high = found.interval(level)[parameter]
    if np.isnan(low):
        return value
    return f"{value} [{number(low)}, {number(high)}]"


def _described(found: Fit | None, error: str, num_runs: int, level: float) -> dict[str, Any]:
    if found is not None:
        return found.to_dict(level)
    return {
        "status": "failed", "n": num_runs, "params": {}, "stderr": {}, "interval": {},
        "objective": None, "starts": 0, "starts_at_optimum": 0.0, "identifiable": False,
        "warnings": [error],
    }  # fmt: skip
