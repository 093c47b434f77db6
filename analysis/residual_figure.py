"""The figure of residuals: how far what was fitted lies from the law, against compute."""

from __future__ import annotations

import numpy as np

from scaling.analysis.figure import Figure, Layer, Panel, Skipped, title_of
from scaling.analysis.findings import Analysis, Group
from scaling.analysis.law import Array
from scaling.analysis.levels import with_order
from scaling.analysis.marks import marks
from scaling.analysis.quantity import COMPUTE
from scaling.analysis.said import said_once

NAME = "residuals"
PRODUCT = "parameters x examples"
"""What a law in both is drawn against, where the table has no compute."""


def residuals(analysis: Analysis) -> Figure | Skipped:
    """Measured over fitted - 1 in percent of every row that was fitted, a panel per group."""
    panels, kinds, label, failed = [], set(), COMPUTE.label, []
    for name, group in analysis.groups.items():
        if group.fit is None:
            failed.append((name, f"no fit, {group.error}"))
            continue
        try:
            layers, order = _layers(name, group, analysis)
        except ValueError as error:
            failed.append((name, str(error)))
            continue
        label = COMPUTE.label if order == "compute" else PRODUCT
        kinds |= {layer.kind for layer in layers}
        panels.append(Panel(name, layers))
    notes = said_once(failed)
    if not panels:
        return Skipped(NAME, "; ".join(notes) or "nothing was fitted")
    keys = tuple(panel.title for panel in panels)
    fits = [analysis.groups[key].fit for key in keys]
    scatter = [
        f"{key}: scatter about the law {100 * fit.scatter:.2g} %"
        for key, fit in zip(keys, fits)
        if fit is not None and np.isfinite(fit.scatter)
    ]
    exact = [key for key, fit in zip(keys, fits) if fit is not None and fit.dof < 1]
    notes += scatter
    notes += said_once((key, "as many parameters as points, nothing is left over") for key in exact)
    return Figure(
        name=NAME, title=f"{title_of(analysis.target)}: what the law leaves over",
        x_label=label, y_label="measured / fitted \N{MINUS SIGN} 1 (%)",
        panels=tuple(panels), keys=keys, labels=keys, ordered=False,
        frontier="frontier point, to which the law was fitted",
        notes=(f"Law: {analysis.target} = {analysis.law.formula}; above 0 the law is too low", *notes),
        meanings=(("seeds", "run, to which the law was fitted"),),
    )  # fmt: skip


def _layers(name: str, group: Group, analysis: Analysis) -> tuple[tuple[Layer, ...], str]:
    """The marks of one group, and the column that they stand at."""
    fit = group.fit
    assert fit is not None
    rows = group.runs if group.frontier is None else group.frontier.points
    table, order = with_order(rows)
    fitted = fit.predict(table)
    table = table.assign(residual=100.0 * (table[analysis.target] / fitted - 1.0))
    shown = marks("seeds" if group.frontier is None else "frontier", name, table, order, "residual")
    ends = np.array([shown.x.min(), shown.x.max()])
    layers = [Layer("line", "", ends, np.zeros(2)), shown]
    if fit.law.variables == ("compute",):
        x = np.geomspace(ends[0], ends[1], 60)
        mean = fit.predict({"compute": x})
        low, high = (_percent(end, mean) for end in fit.band({"compute": x}, analysis.level))
        if np.isfinite(low).all() and np.isfinite(high).all():
            layers.insert(0, Layer("band", name, x, low, high))
    return tuple(layers), order


def _percent(value: Array, mean: Array) -> Array:
    return np.asarray(100.0 * (value / mean - 1.0))
