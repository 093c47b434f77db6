"""The groups of an analysis fitted once more, with parameters in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.analysis.findings import Analysis, cell
from scaling.analysis.fitting import Objective
from scaling.analysis.joint import JointFit, fit_joint
from scaling.analysis.result import Interval, number
from scaling.analysis.summary import plain_one
from scaling.units import plain


@dataclass(frozen=True)
class Jointly:
    """A joint fit beside the separate ones of the same rows."""

    fit: JointFit
    level: float
    apart: float
    """Objective of the separate fits, summed."""
    differences: dict[str, tuple[float, Interval]]
    """Of each exponent that isn't shared, against the plain group; by what they are."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows as printed."""
        law = self.fit.law
        rows = [
            [name, str(one.n), *(cell(one, parameter, self.level) for parameter in law.parameters)]
            for name, one in self.fit.groups.items()
        ]
        return ["group", "points", *law.parameters], rows

    def sentences(self) -> list[str]:
        """What sharing costs, and how the groups differ."""
        shared = " and ".join(self.fit.shared)
        out = [
            f"With {shared} in common the objective is {number(self.fit.objective)}; separate fits "
            f"reach {number(self.apart)}."
        ]
        for what, (value, (low, high)) in self.differences.items():
            ends = f"[{number(low)}, {number(high)}]"
            out.append(f"{what}: {number(value)} ({self.level:.0%} interval {ends}).")
        return out

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        differences = {
            what: {"value": value, "interval": list(ends)}
            for what, (value, ends) in self.differences.items()
        }
        out: dict[str, Any] = plain(
            self.fit.to_dict(self.level)
            | {"objective_apart": self.apart, "differences": differences}
        )
        return out


def jointly(
    found: Analysis,
    shared: Sequence[str],
    *,
    objective: Objective = "huber",
    huber_delta: float = 1e-3,
    seed: int = 0,
) -> Jointly:
    """Fit the analysis' law to the rows its groups were fitted to, with parameters in common.

    Args:
        found: an analysis; its groups without a fit are left out.
        shared: parameters that all groups have in common.
        objective, huber_delta, seed: as of the analysis.

    Raises:
        FitError: fewer than two groups have a fit, or the joint one can't be made.
        ValueError: a parameter that the law hasn't, or that is given; groups of several data sets.
    """
    fits = {name: group.fit for name, group in found.groups.items() if group.fit is not None}
    parts = []
    for name in fits:
        group = found.groups[name]
        rows = group.runs if group.frontier is None else group.frontier.points
        parts.append(rows.assign(group=name))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"group": []})
    if "dataset" in table and table["dataset"].nunique() > 1:
        raise ValueError("groups of several data sets have no parameter in common")
    fixed = next(iter(fits.values())).fixed if fits else {}
    joint = fit_joint(
        found.law, table, by="group", shared=shared, target=found.target, objective=objective,
        huber_delta=huber_delta, fixed=fixed, seed=seed,
    )  # fmt: skip
    first = plain_one(list(joint.groups))
    differences = {
        f"{name} of {other} less that of {first}": joint.difference(name, other, first, found.level)
        for name in found.law.exponents
        for other in joint.groups
        if other != first and name not in joint.shared and name not in fixed
    }
    apart = sum(one.objective for one in fits.values())
    return Jointly(joint, found.level, apart, differences)
