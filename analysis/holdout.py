"""Does a law extrapolate? Fit it up to a compute, predict what lies beyond, compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from scaling.analysis.distributions import (
    chi2_tail,
    normal_cdf,
    normal_log_tail,
)
from scaling.analysis.fitting import Objective, fit
from scaling.analysis.holdout_error import log_errors, tested
from scaling.analysis.law import FitError, Law, law_of
from scaling.analysis.levels import Ladder, LeftOut, ladder
from scaling.analysis.result import Interval
from scaling.units import format_si, plain


@dataclass(frozen=True)
class Step:
    """One hold-out: the law fitted up to a compute, and the next level predicted."""

    fitted_to: float
    """Largest compute among the fitted rows."""
    compute: float
    """Of the rows held out."""
    fitted_rows: int
    held_rows: int
    predicted: float
    """Geometric mean over the rows held out, as `measured`."""
    measured: float
    interval: Interval
    """Where `measured` may lie if the law holds: the law's error and the scatter of the runs."""
    score: float
    """The error as a standard normal score: its t statistic, brought to the normal scale."""
    dof: int
    further: tuple[tuple[float, float], ...]
    """The same fit at every later level: compute and error."""

    @property
    def error(self) -> float:
        """ln measured - ln predicted: a relative error of the loss."""
        return float(np.log(self.measured / self.predicted))

    @property
    def inside(self) -> bool:
        low, high = self.interval
        return low <= self.measured <= high


@dataclass(frozen=True)
class HoldOut:
    """What an expanding window found for one law on the runs of one group."""

    law: Law
    target: str
    level: float
    rows: str
    """What was fitted, in words: the frontier or all runs."""
    steps: tuple[Step, ...]
    skipped: tuple[tuple[float, str], ...]
    """Computes at which no fit could be made, and why."""
    excluded: LeftOut
    """Rows that can't be used, and why."""

    @property
    def error(self) -> float:
        """Root mean square of the errors at the next level."""
        return float(np.sqrt(np.mean([step.error**2 for step in self.steps])))

    @property
    def p_value(self) -> float:
        """How rarely a right law does as badly.

        One step's score doesn't depend on the next one's (recursive residuals: Brown, Durbin and
        Evans 1975). So two tests, each with half of the level: their sum, weighted by degrees of
        freedom (Stouffer 1949), sees errors that go one way; the sum of the logs of their p-values
        (Fisher 1932) sees single large ones.
        """
        scores = np.array([step.score for step in self.steps])
        weight = np.sqrt([step.dof for step in self.steps])
        drift = abs(float(weight @ scores)) / float(np.sqrt((weight**2).sum()))
        logs = np.log(2.0) + normal_log_tail(np.abs(scores))
        either = (
            2.0 * normal_cdf(-drift),
            chi2_tail(-2.0 * float(logs.sum()), 2 * len(scores)),
        )
        return min(1.0, 2.0 * float(min(either)))

    @property
    def extrapolates(self) -> bool:
        """Whether the errors are no larger than the law's interval and the noise allow."""
        return self.p_value >= 1.0 - self.level

    def sentence(self) -> str:
        """The finding in one line."""
        times = f"{len(self.steps)} hold-out{'s' if len(self.steps) > 1 else ''}"
        inside = sum(step.inside for step in self.steps)
        found = (
            f"root mean square error {self.error:.2%} over {times}, {inside} inside the "
            f"{self.level:.0%} interval, p = {self.p_value:.2g}"
        )
        if self.extrapolates:
            return f"law {self.law.name} predicts the next compute as well as it should: {found}"
        return f"law {self.law.name} does not extrapolate here: {found}"

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Head and rows as printed."""
        head = ["fitted up to", "rows", "predicted at", "predicted", "measured", "error",
                f"{self.level:.0%} interval", "inside"]  # fmt: skip
        rows = [
            [
                format_si(step.fitted_to, digits=3), str(step.fitted_rows),
                format_si(step.compute, digits=3), f"{step.predicted:.5g}", f"{step.measured:.5g}",
                f"{step.error:+.2%}", f"[{step.interval[0]:.5g}, {step.interval[1]:.5g}]",
                "yes" if step.inside else "no",
            ]
            for step in self.steps
        ]  # fmt: skip
        return head, rows

    def to_dict(self) -> dict[str, Any]:
        """Plain data; an interval's infinite end is None."""
        out: dict[str, Any] = plain(
            {
                "law": self.law.name,
                "target": self.target,
                "level": self.level,
                "rows": self.rows,
                "error": self.error,
                "p_value": self.p_value,
                "extrapolates": self.extrapolates,
                "steps": [
                    {
                        "fitted_to": step.fitted_to,
                        "compute": step.compute,
                        "fitted_rows": step.fitted_rows,
                        "held_rows": step.held_rows,
                        "predicted": step.predicted,
                        "measured": step.measured,
                        "error": step.error,
                        "interval": list(step.interval),
                        "inside": step.inside,
                        "further": [{"compute": c, "error": e} for c, e in step.further],
                    }
                    for step in self.steps
                ],
                "skipped": [{"compute": c, "reason": why} for c, why in self.skipped],
                "excluded": [{"row": row, "reason": why} for row, why in self.excluded],
            }
        )
        return out


def holdout(
    runs: pd.DataFrame,
    *,
    law: str | Law = "offset",
    target: str = "loss",
    fixed: Mapping[str, float] | None = None,
    objective: Objective = "huber",
    huber_delta: float = 1e-3,
    level: float = 0.95,
    all_runs: bool = False,
    seed: int = 0,
) -> HoldOut:
    """Fit `law` to the runs up to each compute and predict the next level of compute.

    Laws in compute are fitted to the frontier of the runs in the window, and predict the next
    frontier point; other laws (and all with `all_runs`) are fitted to every run and predict the
    runs of the next level. A level is a shared budget; without budgets, computes within 10 %.

    A step's interval is a profile interval: the error e of the next level is allowed if fitting
    window and level together with the level moved by e raises the objective by no more than
    Student's t says. It needs no linearisation, which matters where exponent and offset trade off.

    Args:
        runs: of one group, with the law's variables and `compute` (or `params` and `examples`).
        law, target, fixed, objective, huber_delta, seed: see `fitting.fit`.
        level: of the intervals and of the test.
        all_runs: fit laws in compute to every run instead of to the frontier.

    Raises:
        FitError: no level can be predicted; the reasons are named.
        ValueError: a missing column, an unknown law or parameter, a level outside (0, 1).
    """
    law = law_of(law)
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    rungs = ladder(runs, law, target=target, all_runs=all_runs)
    options: dict[str, Any] = {
        "target": target, "fixed": fixed, "objective": objective,
        "huber_delta": huber_delta, "seed": seed, "diagnose": False,
    }  # fmt: skip
    steps, skipped = [], []
    for found in _steps(law, rungs, options, level):
        if isinstance(found, Step):
            steps.append(found)
        else:
            skipped.append(found)
    if not steps:
        listed = "; ".join(f"up to {format_si(c, digits=3)}: {why}" for c, why in skipped)
        raise FitError(
            f"law {law.name!r} leaves nothing to hold out of {rungs.size} levels of compute"
            + (f" ({listed})" if listed else "")
        )
    return HoldOut(law, target, level, rungs.rows, tuple(steps), tuple(skipped), rungs.excluded)


def _steps(
    law: Law, rungs: Ladder, options: dict[str, Any], level: float
) -> Iterator[Step | tuple[float, str]]:
    target = options["target"]
    for k in range(1, rungs.size):
        window, reached = rungs.window(k), rungs.compute[k - 1]
        try:
            found = fit(law, window, **options)
        except FitError as error:
            yield reached, str(error)
            continue
        if found.dof < 1:
            yield reached, f"as many free parameters as rows ({found.n}): no error to compare with"
            continue
        held = rungs.held(k)
        errors = log_errors(found, held, target)
        score, dof, (low, high) = tested(found, window, held, level)
        predicted = float(np.exp(np.log(held[target]).mean() - errors.mean()))
        yield Step(
            reached, rungs.compute[k], found.n, len(held),
            predicted, float(np.exp(np.log(held[target]).mean())),
            (float(predicted * np.exp(low)), float(predicted * np.exp(high))), score, dof,
            tuple(
                (rungs.compute[j], float(log_errors(found, rungs.held(j), target).mean()))
                for j in range(k + 1, rungs.size)
            ),
        )  # fmt: skip
