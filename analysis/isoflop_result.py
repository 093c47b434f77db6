"""What an isoFLOP analysis found, group by group, and its forms: JSON and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.isoflop_budgets import Budget, Refused
from scaling.analysis.isoflop_fit import METHODS, Minima, ValleyFit
from scaling.analysis.optimum import Exponent
from scaling.analysis.result import Interval, number
from scaling.units import MISSING, format_si, plain


@dataclass(frozen=True)
class ByMethod:
    """A budget's minimum by one method."""

    size: float | None
    interval: Interval
    """Of the size; infinite where draws leave the grid."""
    reason: str = ""
    """Why there is none."""
    disagrees: bool = False
    """Whether it differs from the reported one by more than the noise explains."""


@dataclass(frozen=True)
class Minimum:
    """The lowest loss of one budget, and where it is."""

    compute: float
    """FLOPs."""
    size: float
    size_interval: Interval
    params: float | None
    """None where the table has none, or they don't rise with the size."""
    params_interval: Interval
    examples: float | None
    examples_interval: Interval
    loss: float
    loss_interval: Interval
    num_sizes: int
    methods: Mapping[str, ByMethod]


@dataclass(frozen=True)
class AxisMinimum:
    """The best value of another axis at one budget, sizes at their best."""

    compute: float
    value: float
    interval: Interval
    loss: float


@dataclass(frozen=True)
class Axis:
    """What was found along an axis that isn't the size."""

    minima: tuple[AxisMinimum, ...]
    refused: tuple[Refused, ...]


@dataclass(frozen=True)
class IsoflopGroup:
    """What was found for one architecture."""

    name: str
    budgets: tuple[Budget, ...]
    minima: tuple[Minimum, ...]
    refused: tuple[Refused, ...]
    exponents: Mapping[str, Exponent]
    """Of the size, params and examples, and of every other axis that varies."""
    axes: Mapping[str, Axis]
    constants: Mapping[str, float]
    """Axes of which every run has the same value."""
    warnings: tuple[str, ...]
    fit: ValleyFit | None
    """None where no budget has a valley."""
    reported: Minima | None
    """By the reported method."""


@dataclass(frozen=True)
class Isoflop:
    """Everything that a table, a figure or a JSON file is made from."""

    size: str
    target: str
    method: str
    level: float
    groups: dict[str, IsoflopGroup]
    excluded: pd.DataFrame
    """Runs left out, with the column `excluded` (why)."""
    warnings: tuple[str, ...]

    def failed(self) -> list[str]:
        """Groups without any minimum."""
        return [name for name, group in self.groups.items() if not group.minima]

    def to_dict(self) -> dict[str, Any]:
        """The contract of `climber isoflop --json`; `interval` is that of the parameters."""
        out: dict[str, Any] = plain(
            {
                "size": self.size,
                "target": self.target,
                "method": self.method,
                "level": self.level,
                "groups": {name: _described(group) for name, group in self.groups.items()},
                "excluded": [
                    {"row": row, "reason": reason}
                    for row, reason in self.excluded["excluded"].items()
                ],
                "warnings": self.warnings,
            }
        )
        return out

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows of the minima as printed: the reported one, then the size by each method."""
        others = [method for method in METHODS if method != self.method]
        head = ["group", "compute", "sizes", self.size, "examples", self.target, *others]
        rows = [
            [
                name,
                format_si(at.compute, digits=3),
                str(at.num_sizes),
                shown(at.size, at.size_interval),
                MISSING if at.examples is None else shown(at.examples, at.examples_interval),
                shown(at.loss, at.loss_interval, digits=5),
                *(_short(at.methods[method]) for method in others),
            ]
            for name, group in self.groups.items()
            for at in group.minima
        ]
        return head, rows

    def exponent_table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows of the exponents as printed."""
        rows = [
            [name, axis, _slope(found), found.reason]
            for name, group in self.groups.items()
            for axis, found in group.exponents.items()
        ]
        return ["group", "best", "exponent of compute", "note"], rows


def shown(value: float, interval: Interval, digits: int = 3) -> str:
    """A number with its interval; an open end is written as an infinity."""
    ends = [_number(end, digits) for end in interval]
    if all(np.isnan(end) for end in interval):
        return _number(value, digits)
    return f"{_number(value, digits)} [{ends[0]}, {ends[1]}]"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}g}" if 1e-3 <= abs(value) < 1e4 else format_si(value, digits=digits)


def _short(found: ByMethod) -> str:
    if found.size is None:
        return MISSING
    return format_si(found.size, digits=3) + (" *" if found.disagrees else "")


def _slope(found: Exponent) -> str:
    if found.value is None:
        return MISSING
    low, high = found.interval
    value = number(found.value)
    return value if np.isnan(low) else f"{value} [{number(low)}, {number(high)}]"


def _described(group: IsoflopGroup) -> dict[str, Any]:
    exponents = {axis: found.to_dict() for axis, found in group.exponents.items()}
    return {
        "minima": [_minimum(at) for at in group.minima],
        "exponent": exponents,
        "refused": _refusals(group.refused),
        "axes": {
            name: {
                "minima": [
                    {"compute": at.compute, "value": at.value, "interval": at.interval, "loss": at.loss}
                    for at in axis.minima
                ],
                "refused": _refusals(axis.refused),
            }
            for name, axis in group.axes.items()
        },
        "warnings": group.warnings,
    }  # fmt: skip


def _minimum(at: Minimum) -> dict[str, Any]:
    return {
        "compute": at.compute,
        "params": at.params,
        "examples": at.examples,
        "loss": at.loss,
        "interval": at.params_interval,
        "size": at.size,
        "size_interval": at.size_interval,
        "examples_interval": at.examples_interval,
        "loss_interval": at.loss_interval,
        "num_sizes": at.num_sizes,
        "methods": {
            name: {
                "size": found.size,
                "interval": found.interval,
                "reason": found.reason,
                "disagrees": found.disagrees,
            }
            for name, found in at.methods.items()
        },
    }


def _refusals(refused: Sequence[Refused]) -> list[dict[str, Any]]:
    return [{"compute": one.compute, "reason": one.reason} for one in refused]
