"""The figure of a comparison: the multiplier against compute, its band, and the crossing."""

from __future__ import annotations

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


def multiplier_vs_compute(found: Versus, cost: Cost) -> Figure | Skipped:
    """m(C) over the common range and a little beyond; `Skipped` where there is no number."""
    comparison = found.comparison
    low, high = comparison.crossing.range
    if not low < high:
        return Skipped(NAME, f"the two were not measured at any common {cost.words}")
    if comparison.at.value is None:
        return Skipped(NAME, comparison.at.reason)
    ours, theirs = found.paired.baseline, found.paired.candidate
    grid = np.geomspace(low / BEYOND, high * BEYOND, POINTS)
    curve = [
        m
        for m in (multiplier(ours, theirs, float(c), comparison.level, cost.unit) for c in grid)
        if m.value is not None
    ]
    if not curve:
        return Skipped(NAME, "the baseline never reaches the candidate's loss")
    key = f"{comparison.candidate} against {comparison.baseline}"
    layers = [_band(key, curve), *_lines(key, curve)]
    layers.append(Layer("line", "equal", grid[[0, -1]], np.ones(2)))
    at = comparison.at
    layers.append(_dots(key, [at]))
    notes = [comparison.sentence(), comparison.crossing_sentence(), found.paired.sentence()]
    crossing = comparison.crossing
    if crossing.compute is not None and low / BEYOND <= crossing.compute <= high * BEYOND:
        ends = [
            float(np.clip(edge if end is None else end, low / BEYOND, high * BEYOND))
            for end, edge in zip(crossing.interval, (0.0, np.inf))
        ]
        layers.append(Layer("line", "crossing", np.array(ends), np.array([1.0, 1.0])))
        layers.append(Layer("frontier", "crossing", np.array([crossing.compute]), np.ones(1)))
    keys = [key, *(["crossing"] if any(one.key == "crossing" for one in layers) else [])]
    labels = {key: key, "crossing": f"crossing, with its {comparison.level:.0%} interval"}
    return Figure(
        name=NAME,
        title=f"How much more {cost.words} {comparison.baseline} needs for the loss of {comparison.candidate}",
        x_label=f"{cost.words} of {comparison.candidate} ({cost.unit})",
        y_label=f"multiplier (above 1: {comparison.candidate} is cheaper)",
        panels=(Panel("", tuple(layers)),),
        keys=tuple(keys), labels=tuple(labels[k] for k in keys), ordered=False,
        frontier=f"where it is decided ({format_si(at.compute, digits=3)} {cost.unit})",
        notes=tuple(notes),
    )  # fmt: skip


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
