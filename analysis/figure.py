"""What a figure is, as plain data: marks of several kinds in panels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from scaling.analysis.law import Array

Kind = Literal[
    "seeds",
    "configurations",
    "frontier",
    "line",
    "trail",
    "curve",
    "beyond",
    "band",
    "interval",
    "floor",
    "reference",
]


@dataclass(frozen=True)
class Layer:
    """Marks of one kind and one key (a group, a budget, or the name of a reference)."""

    kind: Kind
    key: str
    x: Array
    y: Array
    """The lower edge for a `band` and an `interval`; one value for a `floor` or a `reference`."""
    upper: Array | None = None
    """The upper edge of a `band`, or of each `interval`: a bar that stands at its x."""
    ids: tuple[str, ...] = ()
    """What each mark shows, where it is known: a run's `run_id`, or else its row of the table; of a
    `trail`, which is the course of one run, that run's alone."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes."""

    title: str
    layers: tuple[Layer, ...]


@dataclass(frozen=True)
class Figure:
    """One figure, ready to be drawn."""

    name: str
    """Of the file, without its ending."""
    title: str
    x_label: str
    y_label: str
    panels: tuple[Panel, ...]
    keys: tuple[str, ...]
    """In the order of the legend."""
    labels: tuple[str, ...]
    """What the legend says of each key."""
    ordered: bool
    """Whether the keys are steps of one quantity (budgets) rather than names."""
    frontier: str
    """What the legend says of frontier points."""
    ticks: tuple[float, ...] = ()
    """Where ticks belong; empty for a continuous axis."""
    notes: tuple[str, ...] = ()
    """What a reader must know; stands below the figure."""
    meanings: tuple[tuple[Kind, str], ...] = ()
    """What the legend says of marks of a kind, where it isn't what it says in other figures."""
    among: tuple[str, ...] = ()
    """All keys of the figures that this one stands beside, so that each looks the same in all; holds
    `keys`, if it isn't empty."""

    @property
    def series(self) -> tuple[str, ...]:
        """The keys in the order in which they get their colours and marks."""
        return self.among or self.keys


@dataclass(frozen=True)
class Skipped:
    """A figure that has nothing to show."""

    name: str
    reason: str


_NAMES = {
    "loss": ("loss", "log loss per label"),
    "ne": ("NE", "log loss / entropy of the rate"),
    "auc": ("AUC", ""),
    "gauc": ("AUC by user", ""),
}


def name_of(target: str) -> str:
    """What a target is called in a sentence: `test loss`, `validation AUC`, `test AUC of click`."""
    head, _, behaviour = target.partition(".")
    part, _, column = head.rpartition("_")
    if part not in ("", "validation") or column not in _NAMES:
        return target
    of = f" of {behaviour}" if behaviour else ""
    return f"{part or 'test'} {_NAMES[column][0]}{of}"


def title_of(target: str) -> str:
    """What it is called at the beginning of a title."""
    name = name_of(target)
    return name if name == target else name[0].upper() + name[1:]


def label_of(target: str) -> str:
    """What its axis is called."""
    name = name_of(target)
    unit = _NAMES[target.partition(".")[0].rpartition("_")[2]][1] if name != target else ""
    return f"{name} ({unit})" if unit else name
