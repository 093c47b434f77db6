"""The figure of a comparison: the multiplier against compute, its band, and the crossing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scaling.analysis.cost import Cost
from scaling.analysis.figure import Figure, Layer, Panel, Skipped
from scaling.analysis.multiplier import Multiplier, multiplier
from scaling.analysis.versus import Versus
from scaling.units import format_si

NAME = "multiplier_vs_compute"
POINTS = 41
BEYOND = 2.0
"""How far outside the common range the curve is drawn, dashed."""
TALLEST = 1e4
"""A band may leave the picture; it must not rule it."""


def multiplier_vs_compute(contests: Sequence[Versus], cost: Cost) -> Figure | Skipped:
    """m(C) of each contest over its common range and a little beyond, with the crossing.

    `Skipped` where no contest gives a number; one that gives none among others is in the notes.
    """
    layers: list[Layer] = []
    notes: list[str] = []
    keys: list[str] = []
    for found in contests:
        key = f"{found.comparison.candidate} against {found.comparison.baseline}"
        drawn, why = _contest(key, found, cost)
        if len(contests) > 1:  # bars of several crossings would lie on each other
            drawn = [_own(one, key) for one in drawn if (one.key, one.kind) != ("crossing", "line")]
        layers += drawn
        keys += [key] if drawn else []
        if drawn and len(contests) == 1:
            comparison = found.comparison
            notes = [comparison.sentence(), comparison.crossing_sentence(), found.paired.sentence()]
        elif why:
            notes.append(f"{key}: {why}")
    if not keys:
        return Skipped(NAME, "; ".join(notes) or "nothing was compared")
    ends = [float(edge) for layer in layers for edge in layer.x]
    layers.insert(0, Layer("line", "equal", np.array([min(ends), max(ends)]), np.ones(2)))
    names = dict.fromkeys(one.comparison.baseline for one in contests)
    candidates = dict.fromkeys(one.comparison.candidate for one in contests)
    baseline = next(iter(names)) if len(names) == 1 else "the baseline"
    candidate = next(iter(candidates)) if len(candidates) == 1 else "the candidate"
    level = contests[0].comparison.level
    if len(contests) == 1:
        keys += ["crossing"] if any(one.key == "crossing" for one in layers) else []
        place = format_si(contests[0].comparison.at.compute, digits=3)
        decided = f"where it is decided ({place} {cost.unit})"
    else:
        decided = "where it is decided"
    labels = {"crossing": f"crossing, with its {level:.0%} interval"}
    return Figure(
        name=NAME,
        title=f"How much more {cost.words} {baseline} needs for the loss of {candidate}",
        x_label=f"{cost.words} of {candidate} ({cost.unit})",
        y_label=f"multiplier (above 1: {candidate} is cheaper)",
        panels=(Panel("", tuple(layers)),),
        keys=tuple(keys), labels=tuple(labels.get(key, key) for key in keys), ordered=False,
        frontier=decided, notes=tuple(notes),
        meanings=(("configurations", "crossing: from there on the other is cheaper"),),
    )  # fmt: skip


def _own(layer: Layer, key: str) -> Layer:
    """The mark of a crossing in the colour of its contest, open."""
    if layer.key != "crossing":
        return layer
    return replace(layer, kind="configurations", key=key)


def _contest(key: str, found: Versus, cost: Cost) -> tuple[list[Layer], str]:
    """The marks of one contest, or none and why."""
    comparison = found.comparison
    low, high = comparison.crossing.range
    if not low < high:
        return [], f"the two were not measured at any common {cost.words}"
    if comparison.at.value is None:
        return [], comparison.at.reason
    ours, theirs = found.paired.baseline, found.paired.candidate
    grid = np.geomspace(low / BEYOND, high * BEYOND, POINTS)
    points = (multiplier(ours, theirs, float(c), comparison.level, cost.unit) for c in grid)
    curve = [m for m in points if m.value is not None]
    if not curve:
        return [], "the baseline never reaches the candidate's loss"
    layers = [_band(key, curve), *_lines(key, curve), _dots(key, [comparison.at])]
    crossing = comparison.crossing
    if crossing.compute is not None and low / BEYOND <= crossing.compute <= high * BEYOND:
        ends = [
            float(np.clip(edge if end is None else end, low / BEYOND, high * BEYOND))
            for end, edge in zip(crossing.interval, (0.0, np.inf))
        ]
        layers.append(Layer("line", "crossing", np.array(ends), np.array([1.0, 1.0])))
        layers.append(Layer("frontier", "crossing", np.array([crossing.compute]), np.ones(1)))
    return layers, ""


def _band(key: str, curve: list[Multiplier]) -> Layer:
    values = np.array([m.value for m in curve], dtype=float)
    ends = np.array([m.interval for m in curve])
    top = TALLEST * values.max()
    return Layer(
        "band", key, np.array([m.compute for m in curve]),
        np.clip(np.nan_to_num(ends[:, 0], nan=0.0), values / TALLEST, None),
        np.clip(np.nan_to_num(ends[:, 1], nan=np.inf), None, top),
    )  # fmt: skip


def _lines(key: str, curve: list[Multiplier]) -> list[Layer]:
    """Solid where both laws are used inside what was measured, dashed outside, joined."""
    inside = np.array([not m.extrapolated for m in curve])
    x = np.array([m.compute for m in curve])
    y = np.array([m.value for m in curve], dtype=float)
    out = []
    cuts = np.flatnonzero(np.diff(inside)) + 1
    for part in np.split(np.arange(len(curve)), cuts):
        last = min(part[-1] + 1, len(curve) - 1)
        whole = np.arange(part[0], last + 1)
        if len(whole) > 1:
            out.append(Layer("curve" if inside[part[0]] else "beyond", key, x[whole], y[whole]))
    return out


def _dots(key: str, points: list[Multiplier]) -> Layer:
    known = [m for m in points if m.value is not None]
    return Layer(
        "frontier", key, np.array([m.compute for m in known]),
        np.array([m.value for m in known], dtype=float),
    )  # fmt: skip
