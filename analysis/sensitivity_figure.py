"""The figures of the sensitivity: how exponents and multipliers move with each choice."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import numpy as np

from scaling.analysis.bars import Forest, ForestPanel
from scaling.analysis.figure import Skipped
from scaling.analysis.sensitivity import Answer, Row, Sensitivity


def moved_exponents(found: Sensitivity) -> Forest | Skipped:
    """A panel per group and exponent, a row per choice made otherwise."""
    name = "sensitivity_exponents"
    groups = dict.fromkeys(row.group for row in found.rows if row.group)
    alone = len(found.law.exponents) == 1
    panels = [
        _panel(
            group if alone else f"{group}: {exponent}", found, group,
            functools.partial(_exponent, exponent),
        )
        for group in groups
        for exponent in found.law.exponents
    ]  # fmt: skip
    panels = [panel for panel in panels if np.isfinite(panel.values).any()]
    if not panels:
        return Skipped(name, f"law {found.law.name} has no exponent that was fitted")
    exponents = " and ".join(found.law.exponents)
    return Forest(
        name=name, title="How the exponent moves with the choices behind it",
        x_label=f"exponent {exponents} of law {found.law.name}", panels=tuple(panels), equal=None,
        log=False, notes=_notes(found, panels),
    )  # fmt: skip


def moved_multipliers(found: Sensitivity) -> Forest | Skipped:
    """A panel per group against the baseline, a row per choice made otherwise."""
    name = "sensitivity_multipliers"
    if found.baseline is None:
        return Skipped(name, "nothing was compared")
    groups = dict.fromkeys(row.group for row in found.rows if row.multiplier is not None)
    panels = [
        _panel(f"{group} against {found.baseline}", found, group, lambda row: row.multiplier)
        for group in groups
    ]
    panels = [panel for panel in panels if np.isfinite(panel.values).any()]
    if not panels:
        return Skipped(name, "no choice gives a multiplier")
    return Forest(
        name=name, title="How the compute multiplier moves with the choices behind it",
        x_label=f"compute multiplier (above 1: cheaper than {found.baseline})",
        panels=tuple(panels), equal=1.0, log=True, notes=_notes(found, panels),
    )  # fmt: skip


def _exponent(name: str, row: Row) -> Answer | None:
    return row.exponents.get(name)


def _panel(
    title: str, found: Sensitivity, group: str, answer: Callable[[Row], Answer | None]
) -> ForestPanel:
    rows = [row for row in found.rows if row.group == group]
    nothing: Answer = (np.nan, (np.nan, np.nan))
    answers = [answer(row) or nothing for row in rows]
    return ForestPanel(
        title, tuple(f"{row.choice}: {row.setting}" if row.setting else row.choice for row in rows),
        np.array([value for value, _ in answers], dtype=float),
        np.array([low for _, (low, _) in answers], dtype=float),
        np.array([high for _, (_, high) in answers], dtype=float),
    )  # fmt: skip


def _notes(found: Sensitivity, panels: Sequence[ForestPanel]) -> tuple[str, ...]:
    """What the bars are, and which choices could not be made otherwise."""
    notes = [f"Bars: {found.level:.0%} intervals; one choice at a time is made otherwise"]
    untried = [f"{row.choice}: {row.setting} ({row.note})" for row in found.rows if not row.group]
    if untried:
        notes.append(f"Not tried: {'; '.join(untried)}")
    silent = sum(int(np.isnan(panel.values).sum()) for panel in panels)
    if silent:
        notes.append("No value: no fit, or nothing in common, with that choice")
    return tuple(notes)
