"""Which law to trust beyond the data: the one that has extrapolated best, AICc beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.fitting import Objective, fit
from scaling.analysis.holdout import holdout
from scaling.analysis.information import aicc, akaike_weights
from scaling.analysis.law import LAWS, FitError, Law, law_of
from scaling.analysis.levels import LeftOut, Windows, frontier_windows
from scaling.analysis.mapper import Mapper
from scaling.units import MISSING, plain

FEWEST = 0.5
"""Share of the windows of the law with most that a law must have: all are compared at the windows
they have in common, and one that needs many rows would leave the others a single one."""

Errors = dict[int, np.ndarray]
"""By window: ln measured - ln predicted at every later frontier point."""


@dataclass(frozen=True)
class Candidate:
    """One law, as far as it could be judged."""

    law: str
    rows: str = ""
    """What it is fitted to, in words."""
    error: float | None = None
    """Root mean square of ln measured - ln predicted at the frontier points held out."""
    holdouts: int = 0
    """Predictions that `error` is of."""
    aicc: float | None = None
    weight: float | None = None
    """Akaike weight among the laws fitted to the same rows."""
    p_value: float | None = None
    """Of its own hold-out (`holdout.HoldOut.p_value`); None where that can't be made."""
    extrapolates: bool | None = None
    reason: str = ""
    """Why it was not judged."""


@dataclass(frozen=True)
class Selection:
    """The laws by extrapolation error, the best first; refused ones behind, with reasons."""

    target: str
    windows: int
    """Windows that all judged laws were fitted to."""
    candidates: tuple[Candidate, ...]
    excluded: LeftOut
    """Rows that can't be used, and why."""

    @property
    def selected(self) -> str | None:
        """The law that extrapolated best; None if none could be judged."""
        first = self.candidates[0] if self.candidates else None
        return first.law if first and first.error is not None else None

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows as printed."""
        head = ["law", "fitted to", "error", "hold-outs", "AICc", "weight", "extrapolates", "note"]
        rows = []
        for one in self.candidates:
            rows.append(
                [
                    one.law,
                    one.rows or MISSING,
                    MISSING if one.error is None else f"{one.error:.2%}",
                    str(one.holdouts) if one.holdouts else MISSING,
                    MISSING if one.aicc is None or np.isinf(one.aicc) else f"{one.aicc:.1f}",
                    MISSING if one.weight is None else f"{one.weight:.2f}",
                    {True: "yes", False: "no", None: MISSING}[one.extrapolates],
                    one.reason,
                ]
            )
        return head, rows

    def sentence(self) -> str:
        """The choice in one line."""
        if self.selected is None:
            return "no law could be judged by hold-out"
        best = self.candidates[0]
        favoured = [c for c in self.candidates if c.rows == best.rows and c.weight is not None]
        text = (
            f"law {best.law} extrapolates best: root mean square error {best.error:.2%} over "
            f"{best.holdouts} predictions ({self.windows} window{'s' if self.windows > 1 else ''})"
        )
        by_aicc = max(favoured, key=lambda c: c.weight or 0.0, default=best)
        if by_aicc.law != best.law:
            text += f"; AICc prefers {by_aicc.law} (weight {by_aicc.weight:.2f})"
        return text

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        out: dict[str, Any] = plain(
            {
                "target": self.target,
                "windows": self.windows,
                "selected": self.selected,
                "laws": [vars(one) for one in self.candidates],
                "excluded": [{"row": row, "reason": why} for row, why in self.excluded],
            }
        )
        return out


def selection_begun(
    runs: pd.DataFrame,
    *,
    laws: Sequence[str | Law] | None = None,
    target: str = "loss",
    objective: Objective = "huber",
    huber_delta: float = 1e-3,
    level: float = 0.95,
    seed: int = 0,
    mapper: Mapper = map,
) -> Callable[[], Selection]:
    """Rank laws by how well they predict the frontier beyond what they were fitted to.

    For each frontier point of the upper half, every law is fitted to the runs below it (laws in
    compute to their frontier, others to all runs) and predicts it and all later ones. The errors
    are compared at the predictions that all laws could make, so that a law isn't favoured for being
    fitted to long windows only. AICc is of least-squares fits to all rows, and is compared among laws fitted
    to the same rows.

    Args:
        runs: of one group.
        laws: names or laws; None: every registered one. Laws whose columns the table lacks, or
            that can't be fitted, are listed with the reason.
        target, objective, huber_delta, seed: see `fitting.fit`.
        level: of the test whether a law extrapolates.
        mapper: judges the laws.

    Returns:
        what waits for the answer: processes begin to judge at once.

    Raises:
        FitError: no usable run.
        ValueError: an unknown law; no column to order the runs by.
    """
    chosen = [law_of(law) for law in (LAWS.names() if laws is None else laws)]
    options: dict[str, Any] = {
        "target": target, "objective": objective, "huber_delta": huber_delta, "seed": seed,
    }  # fmt: skip
    windows = frontier_windows(runs, target)
    judge = partial(_judged, runs=runs, windows=windows, options=options, level=level)
    begun = mapper(judge, chosen)
    return lambda: _ranked(list(begun), windows, target)


def _ranked(judged: list[tuple[Candidate, Errors]], windows: Windows, target: str) -> Selection:
    errors = {one.law: mine for one, mine in judged if mine}
    most = max((len(mine) for mine in errors.values()), default=0)
    common = set(range(windows.size))
    for mine in errors.values():
        common &= set(mine) if len(mine) >= FEWEST * most else common
    found = [_scored(one, errors.get(one.law, {}), sorted(common)) for one, _ in judged]
    ranked = sorted(_weighted(found), key=lambda c: (c.error is None, c.error or 0.0, c.law))
    return Selection(target, len(common), tuple(ranked), windows.excluded)


def select(runs: pd.DataFrame, **options: Any) -> Selection:
    """`selection_begun`, at once."""
    return selection_begun(runs, **options)()


def _judged(
    law: Law, runs: pd.DataFrame, windows: Windows, options: dict[str, Any], level: float
) -> tuple[Candidate, Errors]:
    try:
        rows = windows.rows(law, windows.size)
        criterion = aicc(fit(law, rows, **{**options, "objective": "squares"}, diagnose=False))
    except ValueError as error:  # a FitError is one
        return Candidate(law.name, reason=str(error)), {}
    judged = Candidate(law.name, windows.words(law), aicc=criterion)
    if unknown := [name for name in law.variables if windows.points[name].isna().any()]:
        why = (
            f"the best of a budget, between its sizes, has no {unknown[0]}: the table holds several"
        )
        return replace(judged, reason=why), {}
    errors = _extrapolated(law, windows, options)
    if not errors:
        why = f"no fit to the runs below any of {windows.size} frontier points has a spare row"
        return replace(judged, reason=why), {}
    try:
        tested = holdout(runs, law=law, level=level, **options)
    except FitError:
        return judged, errors
    return replace(judged, p_value=tested.p_value, extrapolates=tested.extrapolates), errors


def _extrapolated(law: Law, windows: Windows, options: dict[str, Any]) -> Errors:
    """Windows without a fit, or with one that leaves no spare row, are not there."""
    out: Errors = {}
    for k in windows.tried:
        try:
            found = fit(law, windows.rows(law, k), **options, diagnose=False)
        except ValueError:
            continue
        later = windows.points.iloc[k:]
        if found.dof > 0:
            measured = later[options["target"]].to_numpy(dtype=np.float64)
            out[k] = np.log(measured / np.maximum(found.predict(later), 1e-300))
    return out


def _scored(one: Candidate, errors: Errors, common: list[int]) -> Candidate:
    if one.reason:
        return one
    if not set(common) <= set(errors):
        why = "can be fitted in fewer windows than the other laws: it needs more runs"
        return replace(one, reason=why)
    values = np.concatenate([errors[k] for k in common])
    return replace(one, error=float(np.sqrt(np.mean(values**2))), holdouts=len(values))


def _weighted(found: list[Candidate]) -> list[Candidate]:
    """With Akaike weights among the laws that are fitted to the same rows."""
    out = list(found)
    for rows in {one.rows for one in found if one.aicc is not None}:
        places = [k for k, one in enumerate(found) if one.rows == rows and one.aicc is not None]
        weights = akaike_weights([found[k].aicc or 0.0 for k in places])
        for k, weight in zip(places, weights):
            out[k] = replace(out[k], weight=float(weight))
    return out
