"""What a fit found: parameters, how sure they are, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

from scaling.analysis.distributions import t_quantile
from scaling.analysis.intervals import Method, intervals, profile_ends
from scaling.analysis.intervals import percentiles as percentiles
from scaling.analysis.law import Array, Law
from scaling.analysis.profile import Data, Ends
from scaling.analysis.profile import Interval as Interval
from scaling.analysis.quantities import Quantity, parameter, prediction
from scaling.analysis.solver import Loss
from scaling.units import format_si, plain

if TYPE_CHECKING:
    from scaling.analysis.noise import Noise

Status = Literal["ok", "exact", "at bound", "not identified", "not converged", "failed"]


@dataclass(frozen=True)
class Problem:
    """The working side of a fit: what a resampled fit needs to start from."""

    theta: Array
    """Working parameters at the optimum."""
    centre: Array
    """Subtracted from the logs of the variables."""
    free: np.ndarray
    lower: Array
    upper: Array
    loss: Loss
    cov: Array
    """Of the working parameters; 0 for those that are given or at a bound."""
    data: Data | None = None
    """The rows, which profile intervals need."""


@dataclass(frozen=True, repr=False)
class Fit:
    """A fitted law; made by `scaling.analysis.fitting.fit`."""

    law: Law
    target: str
    params: dict[str, float]
    """Raw units."""
    stderr: dict[str, float]
    """Raw units; 0 for given parameters, NaN where the data say nothing (at a bound, no spare run)."""
    cov: pd.DataFrame
    """Of the raw parameters, NaN as `stderr`."""
    n: int
    """Rows fitted."""
    dof: int
    """Rows (configurations, where they have several) less free parameters."""
    fixed: dict[str, float]
    objective: float
    """Summed over rows, at the optimum."""
    objective_name: str
    starts: int
    starts_at_optimum: float
    """Share of the starts that ended within 1e-4 of the best objective."""
    scatter: float
    """Residual standard deviation of ln(target) over rows; NaN without spare rows."""
    measured: dict[str, Interval]
    """Range of each variable, and of the target, in the rows."""
    problem: Problem
    status: Status = "ok"
    warnings: tuple[str, ...] = ()
    draws: Mapping[str, Array] | None = None
    """Raw parameters of resampled fits, if any: then intervals are their percentiles."""
    noise: Noise | None = None
    """Of seeds and about the law, where configurations have several rows."""
    inflation: float = 1.0
    """What errors from rows as independent news are multiplied by, squared: see `with_rows`."""
    _known: dict[float, Ends] = field(default_factory=dict, compare=False)
    """Profile ends of the parameters, by level: found once, kept by copies with draws."""

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={number(value)}" for name, value in self.params.items())
        return f"Fit({self.law.name}: {shown}; n={self.n}, {self.status})"

    @property
    def identifiable(self) -> bool:
        """Whether the data determine every free parameter."""
        return self.status == "ok"

    @property
    def interval_method(self) -> Method:
        """`bootstrap` with draws, else `profile`, or `delta` for a fit that doesn't hold its rows."""
        if self.draws is not None:
            return "bootstrap"
        return "delta" if self.problem.data is None else "profile"

    def interval(self, level: float = 0.95, method: Method | None = None) -> dict[str, Interval]:
        """Interval of each parameter; of width 0 for given ones, NaN where there is none.

        Args:
            level: share of experiments whose intervals hold the truth.
            method: `profile`, `delta` (Student's t on the linearised fit; on the log scale for
                parameters that are positive by their meaning) or `bootstrap`; by default
                `interval_method`.
        """
        method = method or self.interval_method
        free = [name for name in self.params if name not in self.fixed]
        asked = [parameter(self.law, name) for name in free]
        if method == "profile" and self.dof > 0:
            ends = self.profile(level)
            found = [ends.closed(quantity, k) for k, quantity in enumerate(asked)]
        else:
            found = intervals(self, asked, level, method)
        known = dict(zip(free, found))
        return {name: known.get(name, (value, value)) for name, value in self.params.items()}

    def profile(self, level: float = 0.95) -> Ends:
        """Profile ends of the free parameters, in the law's order, and the parameters there."""
        if level not in self._known:
            free = [name for name in self.law.parameters if name not in self.fixed]
            asked = [parameter(self.law, name) for name in free]
            self._known[level] = profile_ends(self, asked, level)
        return self._known[level]

    def interval_of(
        self, quantity: Quantity, level: float = 0.95, method: Method | None = None
    ) -> Interval:
        """Interval of a number that follows from the parameters, see `quantities`."""
        (found,) = intervals(self, [quantity], level, method or self.interval_method)
        return found

    def predict(self, frame: pd.DataFrame | Mapping[str, Any]) -> Array:
        """The law's loss at the given columns (raw units)."""
        return self.law(_columns(self.law, frame), self.params)

    def band(
        self,
        frame: pd.DataFrame | Mapping[str, Any],
        level: float = 0.95,
        method: Method | None = None,
    ) -> tuple[Array, Array]:
        """Lower and upper end of the law's interval at each row (of the mean curve, not of a run).

        By default percentiles of the draws, or else the linearised error of ln L: of the loss at
        ten times the largest compute it covers as the profile does (docs/coverage.md), and costs
        nothing. `method` as for `interval`.
        """
        method = method or ("delta" if self.draws is None else "bootstrap")
        columns = {name: np.atleast_1d(a) for name, a in _columns(self.law, frame).items()}
        if method == "bootstrap" and self.draws is not None:
            params = {name: np.asarray(self.draws[name])[:, None] for name in self.params}
            tail = 50.0 * (1.0 - level)
            low, high = np.nanpercentile(self.law(columns, params), [tail, 100.0 - tail], axis=0)
            return np.asarray(low), np.asarray(high)
        if method == "delta":
            value = self.predict(columns)
            factor = np.exp(self.quantile(level) * self.log_error(columns))
            return value / factor, np.asarray(value * factor)
        rows = np.stack(np.broadcast_arrays(*columns.values()), axis=-1)
        asked = [prediction(self.law, dict(zip(columns, row))) for row in rows]
        low, high = np.array(intervals(self, asked, level, method)).T
        return low, high

    def extrapolated(self, frame: pd.DataFrame | Mapping[str, Any]) -> np.ndarray:
        """Per row, whether any variable lies outside the measured range (by more than 1 %)."""
        flags = [
            (values < low / 1.01) | (values > high * 1.01)
            for name, values in _columns(self.law, frame).items()
            for low, high in [self.measured[name]]
        ]
        return np.asarray(np.logical_or.reduce(flags))

    def quantile(self, level: float) -> float:
        """Student's t for the central interval; NaN without spare rows."""
        return float(t_quantile(0.5 + level / 2, self.dof)) if self.dof > 0 else float("nan")

    def log_error(
        self, columns: Mapping[str, Any], other: Mapping[str, Any] | None = None
    ) -> Array:
        """Standard error of ln L at each row, linearised; of ln L(columns) - ln L(other) if given."""
        gradient = self._gradient(columns)
        if other is not None:
            gradient = gradient - self._gradient(other)
        variance = np.einsum("np,pq,nq->n", gradient, self.problem.cov, gradient)
        error = np.sqrt(np.maximum(variance, 0.0))
        return np.asarray(error if self.dof > 0 else np.full_like(error, np.nan))

    def to_dict(self, level: float = 0.95) -> dict[str, Any]:
        """One group of `climber fit --json`; numbers that are not there are None."""
        out: dict[str, Any] = plain(
            {
                "status": self.status,
                "n": self.n,
                "params": self.params,
                "stderr": self.stderr,
                "interval": {name: list(ends) for name, ends in self.interval(level).items()},
                "objective": self.objective,
                "starts": self.starts,
                "starts_at_optimum": self.starts_at_optimum,
                "identifiable": self.identifiable,
                "warnings": self.warnings,
                "fixed": self.fixed,
                "scatter": self.scatter,
            }
        )
        return out

    def summary(self, level: float = 0.95) -> str:
        """A plain-text table of the parameters with their intervals, then the warnings."""
        head = f"{self.target} = {self.law.formula}   ({self.n} rows, {self.objective_name})"
        lines = [head, f"{'':10}{'value':>12}{'std. error':>12}   {level:.0%} interval"]
        for name, (low, high) in self.interval(level).items():
            note = "given" if name in self.fixed else f"[{number(low)}, {number(high)}]"
            value, error = number(self.params[name]), number(self.stderr[name])
            lines.append(f"{name:10}{value:>12}{error:>12}   {note}")
        lines.append(
            f"intervals: {self.interval_method}; {self.starts_at_optimum:.0%} of {self.starts} "
            f"starts reached the optimum; status: {self.status}"
        )
        return "\n".join(lines + [f"! {text}" for text in self.warnings])

    def _gradient(self, columns: Mapping[str, Any]) -> Array:
        """d ln L / d theta at each row, `[rows, parameters]`."""
        rows = np.broadcast_arrays(*(np.atleast_1d(columns[v]) for v in self.law.variables))
        x = np.log(np.stack(rows, axis=-1)) - self.problem.centre
        return np.asarray(self.law.evaluate(x[None], self.problem.theta[None])[1][0])


def number(value: float) -> str:
    """A parameter as printed: 4 digits, and exponents as in `format_si`."""
    if not np.isfinite(value):
        return format_si(value)
    mantissa, e, exponent = f"{value:.4g}".partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa


def _columns(law: Law, frame: pd.DataFrame | Mapping[str, Any]) -> dict[str, Array]:
    missing = [name for name in law.variables if name not in frame]
    if missing:
        raise ValueError(f"law {law.name!r} needs the column {missing[0]!r}")
    return {name: np.asarray(frame[name], dtype=np.float64) for name in law.variables}
