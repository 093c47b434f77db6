"""The best size of each budget, by several methods, and how it moves with compute."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.configurations import configurations, usable
from scaling.analysis.grouping import grouped
from scaling.analysis.isoflop_budgets import Refused, budgets_of, named
from scaling.analysis.isoflop_fit import METHODS, Minima, ValleyFit, along, fit_valleys, minima_by
from scaling.analysis.isoflop_result import (
    Axis,
    AxisMinimum,
    ByMethod,
    Isoflop,
    IsoflopGroup,
    Minimum,
)
from scaling.analysis.law import Array
from scaling.analysis.optimum import NO_INTERVAL, Exponent, exponent, no_exponent
from scaling.analysis.references import split_roles
from scaling.analysis.result import Interval, percentiles
from scaling.units import format_si

SIZES = ("params", "flops_per_request")
"""What a model's size may be."""
AXES = ("seq_len", "depth", "width", "blocks")
"""Axes of an architecture whose best value is looked for where a table varies them."""


def isoflop(
    runs: pd.DataFrame,
    *,
    size: str = "params",
    target: str = "loss",
    by: str = "architecture",
    method: str = METHODS[0],
    bootstrap: int = 1000,
    level: float = 0.95,
    seed: int = 0,
    allow_mixed: bool = False,
) -> Isoflop:
    """The best size of each budget and group, by validation, with its test loss.

    Args:
        runs: a run table with `compute`, the size and the target; `budget` says what was shared,
            else compute is grouped within 10 %. Rows that can't be used are listed in `excluded`.
        size: `params` or `flops_per_request`.
        target: a loss column.
        by: the column whose values are the groups.
        method: what is reported, of `METHODS`; the others stand beside it.
        bootstrap: draws of the noise about the curves; 0 for no intervals.
        level: of the intervals.
        seed: of the draws.
        allow_mixed: split groups by data set, or by candidates per request, instead of refusing.

    Raises:
        ValueError: an unknown size or method, a missing column, a mixed table, or no usable run.
    """
    for value, valid, what in ((size, SIZES, "size"), (method, METHODS, "method")):
        if value not in valid:
            raise ValueError(f"unknown {what} {value!r}; valid: {', '.join(valid)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    if bootstrap < 0:
        raise ValueError(f"bootstrap is a number of draws, 0 or more, got {bootstrap!r}")
    roles = split_roles(runs)
    usability = usable(roles.trained, [size, "compute", target])
    if usability.runs.empty:
        raise ValueError(f"no usable run among {len(runs)}: {usability.why_none()}")
    groups = {}
    for part in grouped(usability.runs, by=by, allow_mixed=allow_mixed):
        rng = np.random.default_rng(part.entropy(seed))
        table = configurations(part.runs, target)
        groups[part.name] = _group(part.name, table, size, target, method, bootstrap, level, rng)
    references = roles.references.assign(excluded="a reference: counted, not trained")
    return Isoflop(
        size=size, target=target, method=method, level=level, groups=groups,
        excluded=pd.concat([usability.excluded, references]) if len(references)
        else usability.excluded,
        warnings=_warnings(usability.runs, groups),
    )  # fmt: skip


def _group(
    name: str,
    table: pd.DataFrame,
    size: str,
    target: str,
    method: str,
    draws: int,
    level: float,
    rng: np.random.Generator,
) -> IsoflopGroup:
    budgets = budgets_of(table)
    found = fit_valleys(budgets, size, target=target, draws=draws, rng=rng)
    exponents: dict[str, Exponent] = {}
    minima: list[Minimum] = []
    notes: tuple[str, ...] = ()
    fit, reported, refused = None, None, []
    if isinstance(found, ValleyFit):
        fit, notes, refused = found, found.outlying, list(found.refused)
        reported = (
            found.minima
            if method == METHODS[0]
            else minima_by(method, found.minima.grid, found.samples)
        )
        beside = {
            column: reported if column == size else along(found, column, method)
            for column in dict.fromkeys((size, "params", "examples"))
        }
        minima, more = _minima(found, reported, beside, method, level)
        refused += more
        for column, other in beside.items():
            exponents[column] = _moves(found, column, other, level, rng)
        if draws and not found.noise.dof:
            notes += ("no intervals: neither spare sizes nor seeds tell the noise",)
    else:
        refused = list(found)
        for column in dict.fromkeys((size, "params", "examples")):
            exponents[column] = no_exponent("no budget has a minimum")
    axes = {}
    for axis in AXES:
        if _varies(table, axis):
            rest = fit_valleys(budgets, axis, target=target, draws=draws, rng=rng)
            axes[axis], exponents[axis] = _axis(rest, axis, level, rng)
    return IsoflopGroup(
        name=name, budgets=tuple(budgets), minima=tuple(minima),
        refused=tuple(sorted(refused, key=lambda one: one.compute)), exponents=exponents,
        axes=axes, constants={
            axis: float(table[axis].iloc[0])
            for axis in AXES
            if _known(table, axis) and not _varies(table, axis)
        },
        warnings=notes, fit=fit, reported=reported,
    )  # fmt: skip


def _minima(
    fit: ValleyFit, reported: Minima, beside: dict[str, Minima | None], method: str, level: float
) -> tuple[list[Minimum], list[Refused]]:
    """A minimum or a refusal for every budget with a valley."""
    others: dict[str, Minima | str] = {}
    for name in METHODS:
        try:
            others[name] = {method: reported, METHODS[0]: fit.minima}.get(name) or minima_by(
                name, reported.grid, fit.samples
            )
        except ValueError as error:
            others[name] = str(error)
    minima, refused = [], []
    for k, compute in enumerate(fit.compute):
        why = _open(reported, k, fit.axis)
        if why:
            refused.append(Refused(float(compute), why))
            continue
        values = {name: _value(found, k, level) for name, found in beside.items()}
        place, interval = values[fit.axis]
        assert place is not None
        rows = reported.grid.places[k]
        minima.append(
            Minimum(
                float(compute), place, interval, *values["params"], *values["examples"],
                float(reported.loss[0, k]), _interval(reported.spread(reported.loss)[:, k], level),
                rows.stop - rows.start,
                {
                    name: _by_method(found, reported, k, fit.axis, level)
                    for name, found in others.items()
                },
            )
        )  # fmt: skip
    return minima, refused


def _open(minima: Minima, budget: int, axis: str) -> str:
    """Why the measured sizes enclose no minimum of this method; empty where they do."""
    place = minima.place[0, budget]
    if np.isfinite(place):
        return ""
    if np.isnan(place):
        return "the fitted curve has no minimum"
    low, high = np.exp(minima.grid.edges[budget])
    end, word = (low, "smallest") if place < 0 else (high, "largest")
    return f"the fitted minimum lies beyond the {word} {axis}, {format_si(float(end), digits=3)}"


def _by_method(
    found: Minima | str, reported: Minima, budget: int, axis: str, level: float
) -> ByMethod:
    if isinstance(found, str):
        return ByMethod(None, NO_INTERVAL, found)
    why = _open(found, budget, axis)
    if why:
        return ByMethod(None, NO_INTERVAL, why)
    size, interval = _value(found, budget, level)
    # The two share the noise, so even a small difference may be more than noise explains; it is a
    # disagreement if it takes the size out of the reported interval as well.
    low, high = _interval(reported.spread(reported.raw)[:, budget], level)
    apart = found.raw[:, budget] - reported.raw[:, budget]
    noise = np.abs(apart[2:] - apart[1])
    noise = noise[np.isfinite(noise)]
    outside = not low <= found.raw[0, budget] <= high
    differs = len(noise) > 0 and outside and abs(apart[0]) > np.quantile(noise, level)
    return ByMethod(size, interval, "", bool(differs))


def _value(minima: Minima | None, budget: int, level: float) -> tuple[float | None, Interval]:
    if minima is None or not np.isfinite(minima.place[0, budget]):
        return None, NO_INTERVAL
    ends = _interval(minima.spread(minima.place)[:, budget], level)
    # An open end stays infinite: a size of 0 would look like a number.
    low, high = (float(np.exp(end)) if np.isfinite(end) else end for end in ends)
    return float(np.exp(minima.place[0, budget])), (low, high)


def _interval(draws: Array, level: float) -> Interval:
    return percentiles(draws, level) if len(draws) else NO_INTERVAL


def _moves(
    fit: ValleyFit, column: str, minima: Minima | None, level: float, rng: np.random.Generator
) -> Exponent:
    if minima is None:
        return no_exponent(f"the table has no {column}, or they don't move with {fit.axis}")
    known = np.isfinite(minima.place[0])
    draws = minima.spread(minima.raw)[:, known]
    return exponent(fit.compute[known], minima.raw[0, known], draws, level=level, rng=rng)


def _axis(
    found: ValleyFit | tuple[Refused, ...], axis: str, level: float, rng: np.random.Generator
) -> tuple[Axis, Exponent]:
    if not isinstance(found, ValleyFit):
        return Axis((), found), no_exponent("no budget has a minimum")
    minima, refused = [], list(found.refused)
    for k, compute in enumerate(found.compute):
        why = _open(found.minima, k, axis)
        if why:
            refused.append(Refused(float(compute), why))
            continue
        value, interval = _value(found.minima, k, level)
        assert value is not None
        minima.append(AxisMinimum(float(compute), value, interval, float(found.minima.loss[0, k])))
    refused.sort(key=lambda one: one.compute)
    return Axis(tuple(minima), tuple(refused)), _moves(found, axis, found.minima, level, rng)


def _known(table: pd.DataFrame, axis: str) -> bool:
    return axis in table and bool((pd.to_numeric(table[axis], errors="coerce") > 0).all())


def _varies(table: pd.DataFrame, axis: str) -> bool:
    return _known(table, axis) and table[axis].nunique() > 1


def _warnings(runs: pd.DataFrame, groups: dict[str, IsoflopGroup]) -> tuple[str, ...]:
    out = []
    if not named(runs):
        for name, group in groups.items():
            listed = ", ".join(
                f"{format_si(budget.compute, digits=3)} ({len(budget.table)})"
                for budget in group.budgets
            )
            out.append(f"{name}: no column budget; compute within 10 % is one: {listed}")
    return tuple(out)
