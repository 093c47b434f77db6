"""How exponents and answers move when the choices behind an analysis are made otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.choices import Setting, settings
from scaling.analysis.configurations import usable
from scaling.analysis.extrapolation import columns_at, has_compute
from scaling.analysis.findings import Analysis, Group
from scaling.analysis.fitting import Objective
from scaling.analysis.law import Law, law_of
from scaling.analysis.levels import LeftOut, left_out, with_order
from scaling.analysis.mapper import Mapper
from scaling.analysis.references import split_roles
from scaling.analysis.result import Interval, number
from scaling.analysis.summary import analyse, plain_one
from scaling.units import MISSING, format_si, plain

FEWER_DRAWS = 400
"""Of a comparison under another setting; as asked it has as many as everywhere."""
BEYOND = 10.0
"""The loss is predicted at so many times the largest compute."""

Answer = tuple[float, Interval]
"""A value and its interval."""


@dataclass(frozen=True)
class Row:
    """What one group's analysis says under one setting."""

    choice: str
    setting: str
    group: str
    exponents: Mapping[str, Answer]
    loss: Answer | None
    """At 10 times the group's largest compute, counted as asked."""
    multiplier: Answer | None
    """Of the group against the baseline at the largest common compute; None for the baseline."""
    verdict: str
    note: str
    """The fit's status if it isn't ok, or why there is no answer."""


@dataclass(frozen=True)
class Sensitivity:
    """The standard table: the analysis as asked, then each choice made otherwise."""

    law: Law
    target: str
    level: float
    baseline: str | None
    """What multipliers compare with, for several groups of a law in compute."""
    rows: tuple[Row, ...]
    excluded: LeftOut
    """Rows that can't be used, and why."""

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows as printed."""
        head = ["choice", "setting", "group", *self.law.exponents]
        head += [f"{self.target} at {BEYOND:g}x"]
        head += [f"multiplier vs {self.baseline}"] if self.baseline else []
        rows = []
        for row in self.rows:
            cells = [row.choice, row.setting, row.group]
            cells += [_shown(row.exponents.get(name)) for name in self.law.exponents]
            cells.append(_shown(row.loss))
            if self.baseline:
                cells.append(_shown(row.multiplier, digits=3))
            rows.append([*cells, row.note])
        return [*head, "note"], rows

    def frame(self) -> pd.DataFrame:
        """One row per setting and group; value, low and high of each answer are columns."""
        out = []
        for row in self.rows:
            flat: dict[str, Any] = {
                "choice": row.choice, "setting": row.setting, "group": row.group,
            }  # fmt: skip
            answers = {name: row.exponents.get(name) for name in self.law.exponents}
            for name, answer in {**answers, "loss": row.loss, "multiplier": row.multiplier}.items():
                value, (low, high) = answer or (np.nan, (np.nan, np.nan))
                flat |= {name: value, f"{name}_low": low, f"{name}_high": high}
            out.append({**flat, "verdict": row.verdict, "note": row.note})
        return pd.DataFrame(out)

    def to_dict(self) -> dict[str, Any]:
        """Plain data; what is infinite or not there is None."""
        out: dict[str, Any] = plain(
            {
                "law": self.law.name,
                "target": self.target,
                "level": self.level,
                "baseline": self.baseline,
                "beyond": BEYOND,
                "rows": [
                    {
                        "choice": row.choice,
                        "setting": row.setting,
                        "group": row.group,
                        "exponents": {k: _described(v) for k, v in row.exponents.items()},
                        "loss": _described(row.loss),
                        "multiplier": _described(row.multiplier),
                        "verdict": row.verdict,
                        "note": row.note,
                    }
                    for row in self.rows
                ],
                "excluded": [{"row": row, "reason": why} for row, why in self.excluded],
            }
        )
        return out


def sensitivity_begun(
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
    baseline: str | None = None,
    allow_mixed: bool = False,
    all_runs: bool = False,
    made: Callable[[], Analysis] | None = None,
    mapper: Mapper = map,
) -> Callable[[], Sensitivity]:
    """Repeat the analysis with one choice at a time made otherwise.

    Tried are: embedding parameters counted; the causal half of attention counted
    (`compute_causal`); nominal lengths (`compute_nominal`); least squares and other Huber deltas;
    without the largest and without the smallest compute; all runs instead of the frontier; halves
    of the seeds; the last checkpoint of each run. A choice that the table or the law doesn't allow
    keeps its row, which says why. Intervals of multipliers under other settings rest on fewer draws
    than the one as asked.

    Args:
        runs, law, target, by, fixed, objective, huber_delta, level, seed, baseline, allow_mixed,
            all_runs: see `summary.analyse`.
        made: gives the analysis as asked, where it is made anyway; None makes it.
        mapper: makes the analyses.

    Returns:
        what waits for the answer: processes begin at once.

    Raises:
        ValueError: as `summary.analyse`, for the analysis as asked.
    """
    law = law_of(law)
    asked: dict[str, Any] = {
        "law": law, "target": target, "by": by, "fixed": fixed, "objective": objective,
        "huber_delta": huber_delta, "level": level, "seed": seed, "baseline": baseline,
        "allow_mixed": allow_mixed, "all_runs": all_runs,
    }  # fmt: skip
    first = made() if made else analyse(runs, **asked)
    asked["comparison_draws"] = FEWER_DRAWS
    if law.variables == ("compute",) and len(first.groups) > 1:
        asked["baseline"] = baseline or plain_one(list(first.groups))
    reach = {name: _largest(group) for name, group in first.groups.items()}
    rows = _rows(Setting("as asked", "", runs), first, asked["baseline"], reach, level)
    good = usable(split_roles(runs).trained, [*law.variables, target]).runs
    under = partial(_rows_under, asked=asked, reach=reach, level=level)
    begun = mapper(under, settings(good, law, target=target, by=by, options=asked))
    excluded, against = left_out(first.excluded), asked["baseline"]

    def collected() -> Sensitivity:
        found = [row for part in begun for row in part]
        return Sensitivity(law, target, level, against, (*rows, *found), excluded)

    return collected


def sensitivity(runs: pd.DataFrame, **options: Any) -> Sensitivity:
    """`sensitivity_begun`, at once."""
    return sensitivity_begun(runs, **options)()


def _rows_under(
    setting: Setting, asked: Mapping[str, Any], reach: Mapping[str, float | None], level: float
) -> list[Row]:
    if setting.runs is None:
        return [_empty(setting, setting.reason)]
    try:
        found = analyse(setting.runs, **{**asked, **setting.options})
    except ValueError as error:
        return [_empty(setting, str(error))]
    return _rows(setting, found, asked["baseline"], reach, level)


def _rows(
    setting: Setting,
    found: Analysis,
    baseline: str | None,
    reach: Mapping[str, float | None],
    level: float,
) -> list[Row]:
    out = []
    for name, group in found.groups.items():
        multiplier, verdict = _multiplier(found, name, baseline)
        loss, note = _loss(group, setting, reach.get(name), level)
        exponents: dict[str, Answer] = {}
        if group.fit is None:
            note = group.error
        else:
            intervals = group.fit.interval(level)
            exponents = {
                one: (group.fit.params[one], intervals[one]) for one in found.law.exponents
            }
            if group.fit.status != "ok":
                note = f"{group.fit.status}{'; ' if note else ''}{note}"
        out.append(
            Row(setting.choice, setting.setting, name, exponents, loss, multiplier, verdict, note)
        )
    return out


def _multiplier(found: Analysis, name: str, baseline: str | None) -> tuple[Answer | None, str]:
    for comparison in found.comparisons:
        if (comparison.baseline, comparison.candidate) == (baseline, name):
            at = comparison.at
            value = np.nan if at.value is None else at.value
            return (value, at.interval), comparison.verdict
    return None, ""


def _largest(group: Group) -> float | None:
    """The group's largest compute, or None where its runs can't be ordered by one."""
    try:
        table, order = with_order(group.runs)
    except ValueError:
        return None
    return float(table[order].max())


def _loss(
    group: Group, setting: Setting, largest: float | None, level: float
) -> tuple[Answer | None, str]:
    """At 10 times the largest compute; FLOPs counted otherwise are another axis, and move it."""
    if group.fit is None:
        return None, ""
    if largest is None or not has_compute(group.fit.law):
        return None, f"law {group.fit.law.name} says no loss for a compute"
    if setting.choice in ("attention", "lengths"):
        largest = _largest(group) or largest
    columns = columns_at(group.fit, group.runs, BEYOND * largest)
    at = {name: np.array([value]) for name, value in columns.items()}
    low, high = group.fit.band(at, level)
    return (float(group.fit.predict(at)[0]), (float(low[0]), float(high[0]))), ""


def _empty(setting: Setting, reason: str) -> Row:
    return Row(setting.choice, setting.setting, "", {}, None, None, "", reason)


def _shown(answer: Answer | None, digits: int = 4) -> str:
    if answer is None:
        return MISSING
    value, (low, high) = answer
    if digits == 3:
        return f"{format_si(value, digits=3)} [{format_si(low)}, {format_si(high)}]"
    return number(value) if np.isnan(low) else f"{number(value)} [{number(low)}, {number(high)}]"


def _described(answer: Answer | None) -> dict[str, Any] | None:
    return None if answer is None else {"value": answer[0], "interval": list(answer[1])}
