"""Runs that could be made next: the sizes of a table at its budgets, and at larger ones."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.configurations import IDENTITY, configuration_numbers
from scaling.analysis.findings import Group
from scaling.analysis.law import Law
from scaling.analysis.levels import levels, with_order

SHAPE = tuple(name for name in IDENTITY if name not in ("configuration", "budget"))
"""Columns that say which model a run trains, and how."""
FURTHER = 4
"""Budgets beyond the largest that are considered, in the table's own steps."""
MOST_SHAPES = 24
"""Of a table in which every run has a size of its own, so many are candidates, evenly by size."""


def cells(group: Group, law: Law, *, allowance: float) -> pd.DataFrame:
    """The runs that a group's table suggests, each shape at each budget within the allowance.

    Budgets are the table's own (computes within 10 % where it has none) and up to four more in
    the same steps. For a law in compute a cell must lie on the frontier: the frontier's own
    configuration at a budget that it has, at others the shape nearest to the trend of the
    frontier's sizes. For other laws it may be no more lopsided (examples per parameter) than the
    measured runs. A cell that was measured has its runs as `seeds`.

    Returns:
        The columns of the shape, `compute`, `seeds` (existing runs), `next_seed`, `template` (index
        of a run of the shape), `row` (of `fitted_rows`; -1 for a new one), and the law's variables;
        sorted by compute.
    """
    runs, order = with_order(group.runs)
    runs = runs.assign(compute=runs[order], row=configuration_numbers(runs))
    keys = [name for name in SHAPE if name in runs.columns and runs[name].notna().any()]
    keys = [name for name in keys if runs[name].nunique() > 1 or name == "params"]
    runs = runs.sort_values(["compute", group_target(group)], kind="stable")
    runs = runs.assign(level=levels(runs, order))
    budget = _budget_column(runs)
    measured = runs.groupby("level")[budget].median()
    table = pd.DataFrame(
        [
            row
            for _, shape in _shapes(runs, keys)
            for row in _at_budgets(shape, runs, law, measured, allowance)
        ]
    )
    if table.empty:
        return table
    chosen = _on_frontier(table, group, measured) if _in_compute(law) else _balanced(table, runs)
    return chosen.sort_values(["compute", "template"], kind="stable", ignore_index=True)


def group_target(group: Group) -> str:
    """The column that the group's law explains."""
    assert group.fit is not None
    return group.fit.target


def _in_compute(law: Law) -> bool:
    return law.variables == ("compute",)


def _budget_column(runs: pd.DataFrame) -> str:
    known = "budget" in runs.columns and runs["budget"].notna().all()
    return "budget" if known and (runs["budget"] > 0).all() else "compute"


def _shapes(runs: pd.DataFrame, keys: list[str]) -> list[tuple[object, pd.DataFrame]]:
    if not keys:
        return [("all", runs)]
    shapes: list[tuple[object, pd.DataFrame]] = [*runs.groupby(keys, dropna=False, sort=True)]
    if len(shapes) <= MOST_SHAPES:
        return shapes
    if "params" in keys:
        shapes.sort(key=lambda shape: float(shape[1]["params"].iloc[0]))
    return [shapes[k] for k in np.linspace(0, len(shapes) - 1, MOST_SHAPES).round().astype(int)]


def _at_budgets(
    shape: pd.DataFrame, runs: pd.DataFrame, law: Law, measured: pd.Series, allowance: float
) -> list[dict[str, object]]:
    """One shape at each budget."""
    known = measured.to_numpy(dtype=np.float64)
    step = float(np.exp(np.median(np.diff(np.log(known))))) if len(known) > 1 else 2.0
    further = known[-1] * step ** np.arange(1, FURTHER + 1)
    out: list[dict[str, object]] = []
    template = shape.iloc[-1]
    for budget in (*known, *further):
        if budget > allowance:
            continue
        here = shape[shape["level"].map(measured) == budget]
        row: dict[str, object] = {name: template[name] for name in SHAPE if name in shape.columns}
        row |= {name: float(template[name]) for name in law.variables}
        seeds = here["seed"] if "seed" in here.columns and len(here) else pd.Series([-1])
        row |= {
            "compute": float(budget),
            "seeds": len(here),
            "next_seed": int(seeds.max()) + 1,
            "template": shape.index[-1],
            "row": int(here["row"].iloc[0]) if len(here) else -1,
        }
        if "examples" in shape.columns and "params" in shape.columns:
            per = float((shape["compute"] / (shape["params"] * shape["examples"])).median())
            row |= {"params": float(template["params"])}
            row |= {"examples": float(budget) / (per * float(template["params"]))}
        out.append(row)
    return out


def _balanced(table: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Cells whose examples per parameter lie in the measured range."""
    if not {"params", "examples"} <= set(table.columns):
        return table
    measured = (runs["examples"] / runs["params"]).to_numpy(dtype=np.float64)
    ratio = (table["examples"] / table["params"]).to_numpy(dtype=np.float64)
    within = (ratio >= measured.min() / 1.1) & (ratio <= measured.max() * 1.1)
    return table.iloc[np.flatnonzero(within)]


def _on_frontier(table: pd.DataFrame, group: Group, measured: pd.Series) -> pd.DataFrame:
    """One cell a budget: the frontier's configuration, or the shape nearest to its trend."""
    points = group.frontier.points if group.frontier is not None else group.configurations
    kept = []
    for budget, here in table.groupby("compute", sort=True):
        near = np.abs(np.log(points["compute"].to_numpy(dtype=float) / float(str(budget))))
        there = points[near < np.log(1.05)]
        row = int(np.argmin(near)) if len(there) else -1
        sized = "params" in here.columns and here["params"].notna().all()
        if not sized or len(here) == 1:
            kept.append(here.head(1).assign(row=row))
            continue
        wanted = np.log(wanted_size(points, float(str(budget))))
        distance = np.abs(np.log(here["params"].to_numpy(dtype=np.float64)) - wanted)
        if len(there):
            own = np.abs(np.log(here["params"] / float(there["params"].iloc[0])))
            distance = np.where(here["seeds"] > 0, own, np.inf)
        kept.append(here.iloc[[int(np.argmin(distance))]].assign(row=row))
    return pd.concat(kept)


def wanted_size(points: pd.DataFrame, compute: float) -> float:
    """Parameters that the trend of the frontier's sizes asks for at a compute."""
    logs = np.log(points[["compute", "params"]].to_numpy(dtype=np.float64))
    x, y = logs[:, 0], logs[:, 1]
    if len(x) < 2 or np.ptp(x) < 1e-9:
        return float(np.exp(y.mean()))
    slope = float(np.clip(np.polyfit(x, y, 1)[0], 0.0, 1.0))  # a size can't outgrow its compute
    return float(np.exp(y.mean() + slope * (np.log(compute) - x.mean())))


def fitted_rows(group: Group, law: Law) -> pd.DataFrame:
    """What the law is fitted to: its variables and `num_seeds`, a row per configuration."""
    columns = [*law.variables, "num_seeds"]
    if group.frontier is not None:
        return group.frontier.points[columns].astype(np.float64)
    numbers = configuration_numbers(group.runs)
    groups = group.runs[list(law.variables)].astype(np.float64).groupby(numbers, sort=True)
    return groups.mean().assign(num_seeds=groups.size().astype(np.float64))[columns]


def noise(group: Group) -> tuple[float, float]:
    """Variances of ln(loss): of a configuration about the law, and of a run about that.

    The scatter of a fit is misfit, which the seeds of a configuration share, and seed noise. Where
    no configuration has two seeds, all of it counts as seed noise.
    """
    fit, target, table = group.fit, group_target(group), group.configurations
    assert fit is not None
    several = (table["num_seeds"] > 1).to_numpy()
    if not several.any():
        return 0.0, fit.scatter**2
    spare = (table["num_seeds"] - 1)[several].to_numpy(dtype=np.float64)
    relative = (table["target_std"] / table[target])[several].to_numpy(dtype=np.float64)
    between = float((spare * relative**2).sum() / spare.sum())
    points = None if group.frontier is None else group.frontier.points
    share = 1.0 if points is None else float((1.0 / points["num_seeds"]).mean())
    return max(fit.scatter**2 - share * between, 0.0), between
