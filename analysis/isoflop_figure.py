"""The figure of an isoFLOP analysis: a valley per budget, its minimum, and which have none."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from scaling.analysis.figure import Figure, Layer, Panel, Skipped, label_of, name_of
from scaling.analysis.isoflop_budgets import WITHIN, named
from scaling.analysis.isoflop_result import Isoflop, IsoflopGroup
from scaling.analysis.marks import marks
from scaling.analysis.quantity import QUANTITIES
from scaling.analysis.said import said_once
from scaling.analysis.valley import FEWEST, window
from scaling.units import format_si

NAME = "isoflop"
BEST = {
    "params": "parameters grow",
    "flops_per_request": "FLOPs per request grow",
    "examples": "examples",
}
TOLD = 8
"""So many reasons for refusals are told below the figure; other budgets are counted."""


def isoflop_valleys(analysis: Isoflop) -> Figure | Skipped:
    """A panel per group, a line per budget through the sizes that were fitted, minima marked."""
    groups = {name: group for name, group in analysis.groups.items() if group.budgets}
    labels = _labels([budget.compute for budget in group.budgets] for group in groups.values())
    if not groups:
        return Skipped(NAME, "no group has a budget")
    panels = tuple(Panel(name, _layers(group, analysis, labels)) for name, group in groups.items())
    size = QUANTITIES[analysis.size]
    keys = tuple(dict.fromkeys(labels[compute] for compute in sorted(labels)))
    return Figure(
        name=NAME,
        title=f"IsoFLOP: {name_of(analysis.target)} against {size.words} at equal compute",
        x_label=size.label,
        y_label=label_of(analysis.target),
        panels=panels,
        keys=keys,
        labels=keys,
        ordered=len(keys) > 1,
        frontier=f"minimum ({analysis.method})",
        notes=_notes(groups, analysis, labels),
    )


def without_sizes(analysis: Isoflop) -> str:
    """Why there is no valley to look for: no budget of any group has sizes enough. Empty where one
    has."""
    if any(
        budget.table[analysis.size].nunique() >= FEWEST
        for group in analysis.groups.values()
        for budget in group.budgets
    ):
        return ""
    told = [(name, one.reason) for name, group in analysis.groups.items() for one in group.refused]
    return "; ".join(said_once(dict.fromkeys(told)))


def _layers(group: IsoflopGroup, analysis: Isoflop, labels: dict[float, str]) -> tuple[Layer, ...]:
    layers = [
        marks(
            "configurations", labels[budget.compute], budget.table, analysis.size, analysis.target
        )
        for budget in group.budgets
    ]
    if group.reported is None or group.fit is None:
        return tuple(layers)
    found, samples = group.reported, group.fit.samples
    near = window(found.grid, samples.selection[:1])[0] > 0
    known = {minimum.compute: minimum for minimum in group.minima}
    for k, compute in enumerate(group.fit.compute):
        minimum = known.get(float(compute))
        if minimum is None:
            continue
        rows = found.grid.places[k]
        x = found.grid.x[rows][near[rows]]
        x = np.linspace(x[0], x[-1], 60)
        y = found.valued.value(k, np.broadcast_to(x, (len(samples.selection), 60)))[0]
        key = labels[minimum.compute]
        layers.append(Layer("line", key, np.exp(x), y))
        layers.append(Layer("frontier", key, np.array([minimum.size]), np.array([minimum.loss])))
    return tuple(layers)


def _labels(budgets: Iterable[list[float]]) -> dict[float, str]:
    """Compute to label: as few digits as tell every group's own budgets apart."""
    groups = list(budgets)
    for digits in (2, 3, 4, 6):
        labels = {c: format_si(c, "FLOP", digits) for group in groups for c in group}
        if all(len({labels[c] for c in group}) == len(group) for group in groups):
            break
    return labels


def _notes(
    groups: dict[str, IsoflopGroup], analysis: Isoflop, labels: dict[float, str]
) -> tuple[str, ...]:
    notes = [
        f"Lines: curves of the sizes near the lowest {analysis.target}, where it has sizes on both sides"
    ]
    if not all(named(budget.table) for group in groups.values() for budget in group.budgets):
        notes.append(f"No budgets are named: compute within {WITHIN - 1:.0%} of its mean is one")
    for name, group in groups.items():
        told = []
        for axis in dict.fromkeys((analysis.size, "examples")):
            found = group.exponents[axis]
            if found.value is None:
                continue
            low, high = found.interval
            known = "" if np.isnan(low) else f" [{low:.3g}, {high:.3g}]"
            told.append(f"{BEST[axis]} as C^{found.value:.3g}{known}")
        if told:
            notes.append(f"{name}: best {', '.join(told)} ({analysis.level:.0%} intervals)")
    alike: dict[tuple[str, str], list[str]] = {}
    for name, group in groups.items():
        for one in group.refused:
            alike.setdefault((name, one.reason), []).append(labels[one.compute])
    refused = [
        f"{name}, {', '.join(budgets)}: no minimum, {reason}"
        for (name, reason), budgets in alike.items()
    ]
    if len(refused) > TOLD:
        rest = sum(len(budgets) for budgets in list(alike.values())[TOLD:])
        refused = [*refused[:TOLD], f"and {rest} more budgets without a minimum"]
    return (*notes, *refused)
