"""The figure of learning curves: what training saw on its way, and the lower envelope of that."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.figure import Figure, Layer, Panel, Skipped
from scaling.analysis.findings import Analysis
from scaling.analysis.law import Array
from scaling.analysis.said import said_once
from scaling.units import counted

NAME = "learning_curves"
LOSS = "train_loss"
MOST = 150
"""So many curves are read and drawn at most."""
SMOOTHED = 4
"""Points of a curve, of 24, that are averaged before the envelope is taken."""
GRID = 80
"""Places at which an envelope is taken."""
WARM_UP = 2
"""Points of a curve that the rising learning rate spoils; as in `scaling.sweeps.stopping`."""


def chosen(analysis: Analysis, most: int = MOST) -> list[str]:
    """The runs whose curves are worth reading: of every configuration its first seed, and of too
    many configurations of a group some, even in compute, the largest among them."""
    known = {}
    for key, group in analysis.groups.items():
        if not {"run_id", "compute"} <= set(group.runs):
            continue
        runs = group.runs[group.runs["run_id"].notna()]
        by = [name for name in ("configuration",) if name in runs]
        runs = runs.sort_values("seed") if "seed" in runs else runs
        runs = runs.drop_duplicates(by) if by else runs
        known[key] = [str(one) for one in runs.sort_values("compute")["run_id"]]
    each = most // max(len(known), 1)
    return [one for listed in known.values() for one in _even(listed, each)]


def learning_curves(analysis: Analysis, curves: pd.DataFrame) -> Figure | Skipped:
    """Training loss against the compute spent so far, a curve per run, and each group's envelope.

    Args:
        analysis: of the runs.
        curves: a row per point; columns `run_id`, `compute`, `train_loss`, as
            `scaling.tracking_curves.read_curves` gives them.
    """
    if not {"run_id", "compute", LOSS} <= set(curves):
        return Skipped(NAME, f"curves need the columns run_id, compute and {LOSS}")
    known = curves.dropna(subset=["compute", LOSS])
    # At the first points the rate is still rising, and the loss is that of an untrained model.
    known = known[(known["compute"] > 0) & (known.groupby("run_id").cumcount() >= WARM_UP)]
    parts = {str(name): part.sort_values("compute") for name, part in known.groupby("run_id")}
    layers: list[Layer] = []
    told, keys = [], []
    for key, group in analysis.groups.items():
        runs = group.runs
        listed = [] if "run_id" not in runs else [str(one) for one in runs["run_id"].dropna()]
        mine = {name: parts[name] for name in listed if name in parts and len(parts[name]) > 1}
        if not mine:
            told.append((key, "no learning curve was logged"))
            continue
        keys.append(key)
        layers += [
            Layer("trail", key, _numbers(one, "compute"), _numbers(one, LOSS), ids=(name,))
            for name, one in mine.items()
        ]
        layers.append(Layer("curve", key, *envelope(list(mine.values()))))
        told.append((key, f"{counted(len(mine), 'curve')} of {counted(len(listed), 'run')}"))
    notes = said_once(told)
    if not keys:
        return Skipped(NAME, "; ".join(notes) or "no learning curve was logged")
    return Figure(
        name=NAME, title="Learning curves and their lower envelope",
        x_label="training compute so far (FLOPs)", y_label="training loss (log loss per label)",
        panels=(Panel("", tuple(layers)),), keys=tuple(keys), labels=tuple(keys), ordered=False,
        frontier="", notes=(
            "A point is the mean loss of the training batches since the point before; the first "
            f"{WARM_UP} points, of the rising learning rate, are left out; the envelope is the lowest "
            f"mean over {SMOOTHED} points so far",
            "The envelope is not a frontier: where the learning rate decays over the budget, a "
            "loss on the way is not what a run of that budget would reach",
            f"One seed of each configuration: {'; '.join(notes)}",
        ),
        meanings=(("trail", "learning curve of a run"), ("curve", "lower envelope of the curves")),
    )  # fmt: skip


def envelope(curves: list[pd.DataFrame]) -> tuple[Array, Array]:
    """The lowest loss that a curve has come to by every compute.

    Curves are averaged over `SMOOTHED` points first: else the envelope is that of the noise.

    Args:
        curves: with columns `compute`, ascending, and `train_loss`.

    Returns:
        compute and loss, [places]; between its points a curve is straight in log compute.
    """
    curves = [_smooth(one) for one in curves]
    logs = [np.log(_numbers(one, "compute")) for one in curves]
    grid = np.linspace(min(x[0] for x in logs), max(x[-1] for x in logs), GRID)
    values = np.array(
        [
            np.interp(grid, x, _numbers(one, LOSS), left=np.inf, right=np.inf)
            for x, one in zip(logs, curves)
        ]
    )
    lowest = np.minimum.accumulate(values.min(axis=0))
    seen = np.isfinite(lowest)
    return np.exp(grid[seen]), lowest[seen]


def _smooth(curve: pd.DataFrame) -> pd.DataFrame:
    """Means over the last points at each, from the first whole window on."""
    losses = curve[LOSS].rolling(SMOOTHED, min_periods=1).mean()
    return curve.assign(**{LOSS: losses}).iloc[min(SMOOTHED, len(curve)) - 1 :]


def _numbers(table: pd.DataFrame, column: str) -> Array:
    return np.asarray(table[column], dtype=np.float64)


def _even(listed: list[str], most: int) -> list[str]:
    """At most so many, evenly from all, the last among them."""
    if len(listed) <= most:
        return listed
    places = np.linspace(0, len(listed) - 1, most).round().astype(int)
    return [listed[place] for place in dict.fromkeys(places.tolist())]
