"""What is wrong with a fit, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from scaling.analysis.result import Fit, Status, number, percentiles
from scaling.analysis.ridges import DIFFER, RIDGE, disagreements, doubtful, ridges


def diagnosed(
    fit: Fit,
    *,
    settled: bool,
    bound: Sequence[str],
    tied: bool,
) -> Fit:
    """The fit with its status and warnings, those aside that intervals give rise to.

    Args:
        fit: without status; its warnings stay.
        settled: whether the optimizer converged.
        bound: parameters at a bound.
        tied: whether variables move together.
    """
    status: Status = "ok"
    lasting: list[str] = []
    if fit.dof == 0:
        status = "exact"
        lasting.append(f"as many free parameters as rows ({fit.n}): no error can be estimated")
    for name in bound:
        status = "at bound"
        meaning = "the data show no floor" if name == fit.law.offset else "the data can't hold it"
        lasting.append(f"{name} at its bound {number(fit.params[name])}: {meaning}")
    if tied:
        status = "not identified"
        lasting.append(
            f"{' and '.join(fit.law.variables)} {_TIED} in these rows: their terms can't be told apart"
        )
    floor = fit.fixed.get(fit.law.offset or "")
    if floor is not None and floor >= fit.measured[fit.target][0]:
        lasting.append(
            f"{fit.law.offset} is given as {number(floor)}, above the lowest {fit.target}, "
            f"{number(fit.measured[fit.target][0])}: a floor can't be"
        )
    if not settled:
        status = "not converged"
        lasting.append("the optimizer did not settle: the parameters are not the optimum's")
    if fit.starts > 1 and fit.starts_at_optimum < 0.5:
        lasting.append(
            f"only {fit.starts_at_optimum:.0%} of {fit.starts} starts reached the optimum"
        )
    return replace(fit, status=status, warnings=(*lasting, *fit.warnings))


def with_interval_warnings(fit: Fit, level: float = 0.95) -> Fit:
    """The fit with the warnings that its intervals give rise to added.

    Call it again on a fit with draws: what the delta intervals said before is replaced.
    """
    kept = [
        text
        for text in fit.warnings
        if not (text.startswith(_INTERVAL) or RIDGE in text or DIFFER in text)
    ]
    status = fit.status
    if status == "not identified" and not any(_TIED in text for text in kept):
        status = "ok"  # it was the former intervals that said so
    found = [] if fit.dof <= 0 else _interval_warnings(fit, level)
    notes: list[str] = []
    if fit.dof > 0 and fit.problem.data is not None:
        doubts = doubtful(fit, level)
        if doubts:
            found += ridges(fit, level)
            notes += disagreements(fit, level, "delta", "profile")
        if fit.draws is not None:
            notes += disagreements(fit, level, "bootstrap", "profile" if doubts else "delta")
    if found and status == "ok":
        status = "not identified"
    return replace(fit, status=status, warnings=(*kept, *found, *notes))


def improves(fit: Fit, level: float) -> bool:
    """Whether the fitted target at the largest measured variables is shown better than at the smallest.

    Next to a free offset an exponent may be anything while the gain itself is plain to see, so
    this, not the exponent's interval, says whether there is one.
    """
    low, high = (
        {name: np.array([fit.measured[name][end]]) for name in fit.law.variables} for end in (0, 1)
    )
    if fit.draws is not None:
        params = {name: np.asarray(fit.draws[name]) for name in fit.params}
        gain = np.log(fit.law(low, params) / fit.law(high, params))
        return percentiles(-gain if fit.law.increasing else gain, level)[0] > 0
    gain = np.log(fit.predict(low) / fit.predict(high)) * (-1 if fit.law.increasing else 1)
    return bool((gain - fit.quantile(level) * fit.log_error(high, low) > 0).all())


_INTERVAL = "interval of "
_TIED = "move together"


def _interval_warnings(fit: Fit, level: float) -> list[str]:
    law, out = fit.law, []
    improving = improves(fit, level) if len(law.variables) == 1 else False
    better, worse = ("rise", "falls") if law.increasing else ("fall", "rises")
    lowest, highest = fit.measured[fit.target]
    method = fit.interval_method
    if method == "profile" and not doubtful(fit, level):
        method = "delta"  # the same within a few percent, and free
    for name, (low, high) in fit.interval(level, method).items():
        if name in fit.fixed or np.isnan(low) or np.isnan(high):
            continue
        shown = f"{_INTERVAL}{name} [{number(low)}, {number(high)}]"
        if name in law.exponents and low <= 0 <= high:
            variable = law.variables[law.exponents.index(name)]
            out.append(
                f"{shown} includes 0: "
                + (
                    f"{name} is not identified next to {law.offset} (the {better} itself is shown)"
                    if improving and law.offset not in {None, *fit.fixed}
                    else f"{fit.target} is not shown to {better} with {variable}"
                )
            )
        elif name in law.exponents and high < 0:
            out.append(f"{shown} lies below 0: {fit.target} {worse}")
        elif name == law.offset and high - low > highest - lowest:
            out.append(
                f"{shown} is wider than the range of {fit.target} in the data "
                f"({number(highest - lowest)}): {name} is not identified"
            )
        elif name != law.offset and np.isinf(high) and method == "profile":
            out.append(f"{shown} is open: the data set no upper limit, {name} is not identified")
        elif name in law.positive and low == 0 and method == "profile":
            out.append(f"{shown} is open: the data set no lower limit, {name} is not identified")
    return out
