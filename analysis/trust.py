"""How far an analysis can be trusted: hold-out and law selection per group, and sensitivity."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from scaling.analysis.configurations import usable
from scaling.analysis.findings import Analysis
from scaling.analysis.fitting import Objective
from scaling.analysis.grouping import Part, grouped
from scaling.analysis.holdout import HoldOut, holdout
from scaling.analysis.law import FitError, Law, law_of
from scaling.analysis.mapper import Mapper
from scaling.analysis.references import split_roles
from scaling.analysis.selection import Selection, selection_begun
from scaling.analysis.sensitivity import Sensitivity, sensitivity_begun


@dataclass(frozen=True)
class GroupTrust:
    """Of one group."""

    held: HoldOut | None
    reason: str
    """Why there is no hold-out."""
    selection: Selection

    def to_dict(self) -> dict[str, Any]:
        return {
            "holdout": None if self.held is None else self.held.to_dict(),
            "reason": self.reason,
            "selection": self.selection.to_dict(),
        }


@dataclass(frozen=True)
class Trust:
    """Does the law extrapolate, would another do better, what hangs on the choices?"""

    groups: Mapping[str, GroupTrust]
    sensitivity: Sensitivity

    def to_dict(self) -> dict[str, Any]:
        """`climber trust --json`."""
        groups = {name: group.to_dict() for name, group in self.groups.items()}
        return {"groups": groups, "sensitivity": self.sensitivity.to_dict()}


def trust_begun(
    runs: pd.DataFrame,
    *,
    law: str | Law = "offset",
    target: str = "loss",
    by: str = "architecture",
    fixed: Mapping[str, float] | None = None,
    objective: Objective = "huber",
    huber_delta: float = 1e-3,
    level: float = 0.95,
    seed: int = 0,
    allow_mixed: bool = False,
    all_runs: bool = False,
    made: Callable[[], Analysis] | None = None,
    mapper: Mapper = map,
) -> Callable[[], Trust]:
    """Hold out the largest computes, rank the laws, and repeat the analysis with other choices.

    Args:
        runs, law, target, by, fixed, objective, huber_delta, level, seed, allow_mixed, all_runs:
            see `summary.analyse`.
        made: see `sensitivity_begun`.
        mapper: does the independent parts of the work.

    Returns:
        what waits for the answer, the same whenever it is asked: processes begin at once.

    Raises:
        ValueError: as `summary.analyse`.
    """
    law = law_of(law)
    same: dict[str, Any] = {
        "target": target, "objective": objective, "huber_delta": huber_delta, "level": level,
        "seed": seed,
    }  # fmt: skip
    trained = usable(split_roles(runs).trained, [target]).runs

    parts = grouped(trained, by=by, allow_mixed=allow_mixed)
    # Processes rank the laws while this one makes the analysis as asked.
    rankings = [selection_begun(part.runs, mapper=mapper, **same) for part in parts]

    def judged(part: Part, ranked: Callable[[], Selection]) -> GroupTrust:
        held, reason = None, ""
        try:
            held = holdout(part.runs, law=law, fixed=fixed, all_runs=all_runs, **same)
        except FitError as error:
            reason = str(error)
        return GroupTrust(held, reason, ranked())

    moved = sensitivity_begun(
        runs, law=law, by=by, fixed=fixed, allow_mixed=allow_mixed, all_runs=all_runs,
        made=made, mapper=mapper, **same,
    )  # fmt: skip

    @functools.cache
    def collected() -> Trust:
        groups = {part.name: judged(part, ranked) for part, ranked in zip(parts, rankings)}
        return Trust(groups, moved())

    return collected


def trust(runs: pd.DataFrame, **options: Any) -> Trust:
    """`trust_begun`, at once."""
    return trust_begun(runs, **options)()
