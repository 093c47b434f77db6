"""One problem solved from many starts, and how many of them reach the optimum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np

from scaling.analysis.law import Array
from scaling.analysis.solver import Evaluate, Loss, Solution, minimise

FEW_ROWS = 1000
"""Up to here every start is solved on all rows; a larger table is first solved on so many."""
SAME = 1e-4
"""Objectives that differ by less than this share are the same optimum."""
REMEMBERED = 256
"""So many optima of small tables are known by heart."""
HOPELESS = 2.0
"""An optimum of the part this many times above the best is not followed to the whole table."""


@dataclass(frozen=True)
class Optimum:
    """The best of several starts."""

    theta: Array
    """Working parameters, `[parameters]`."""
    objective: float
    starts: int
    starts_at_optimum: float
    """Share of the starts that ended within 1e-4 of the best objective."""
    settled: bool


def best_of(
    evaluate: Evaluate,
    theta: Array,
    x: Array,
    log_loss: Array,
    *,
    lower: Array,
    upper: Array,
    free: np.ndarray,
    loss: Loss,
) -> Optimum:
    """Minimise from every start.

    A large table is solved in two steps, so that the time doesn't grow with starts times rows:
    every start on an evenly spread part of the rows, then one of each group of starts that agree,
    in their objective on the part and on the whole alike, on all rows. A start counts as having
    reached the optimum if its group's does; one that isn't followed counts as not.

    What was asked before of a small table is remembered: a window of a hold-out is also one that
    laws are ranked by.

    Args:
        evaluate: as `Law.evaluate`.
        theta: starts, `[starts, parameters]`.
        x: `[rows, variables]`.
        log_loss: `[rows]`.
        lower, upper, free, loss: as for `minimise`.
    """
    if len(log_loss) > FEW_ROWS:
        return _best_of(evaluate, loss, theta, x, log_loss, lower, upper, free)
    frozen = tuple(
        (np.asarray(one).tobytes(), np.shape(one), np.asarray(one).dtype.str)
        for one in (theta, x, log_loss, lower, upper, free)
    )
    return _remembered(evaluate, loss, frozen)


@lru_cache(maxsize=REMEMBERED)
def _remembered(
    evaluate: Evaluate, loss: Loss, frozen: tuple[tuple[bytes, tuple[int, ...], str], ...]
) -> Optimum:
    """`_best_of` of arrays as bytes, shape and type; a method of another object is another one."""
    arrays = [np.frombuffer(data, kind).reshape(shape) for data, shape, kind in frozen]
    found = _best_of(evaluate, loss, *arrays)
    found.theta.setflags(write=False)  # it is given to all who ask again
    return found


def _best_of(
    evaluate: Evaluate,
    loss: Loss,
    theta: Array,
    x: Array,
    log_loss: Array,
    lower: Array,
    upper: Array,
    free: np.ndarray,
) -> Optimum:
    problem = partial(minimise, evaluate, lower=lower, upper=upper, free=free)

    def solve(start: Array, rows: slice | np.ndarray, softly: bool) -> Solution:
        data = x[rows][None], log_loss[rows][None], np.ones((1, len(log_loss[rows])))
        if softly and np.isfinite(loss.delta):
            start = _softly(problem, evaluate, start, data, loss)
        return problem(start, *data, loss=loss, rivals=True)

    everything = slice(None)
    if len(log_loss) <= FEW_ROWS:
        return _best(solve(theta, everything, True), np.arange(len(theta)))
    part = spread(len(log_loss))
    coarse = solve(theta, part, True)
    whole = np.array(
        [loss.value(log_loss - evaluate(x[None], one[None])[0][0]).sum() for one in coarse.theta]
    )
    groups = _groups(coarse.objective, whole)
    leaders = [int(np.flatnonzero(groups == g)[0]) for g in range(groups.max() + 1)]
    return _best(solve(coarse.theta[leaders], everything, False), groups)


def spread(rows: int) -> np.ndarray:
    """Places of at most `FEW_ROWS` rows, evenly spread."""
    return np.linspace(0, rows - 1, min(rows, FEW_ROWS)).round().astype(int)


def _softly(
    problem: Callable[..., Solution],
    evaluate: Evaluate,
    theta: Array,
    data: tuple[Array, Array, Array],
    loss: Loss,
) -> Array:
    """Starts brought near their optima with Huber's delta lowered step by step from the scatter.

    With delta far below the scatter hardly any row has a curvature of its own: from afar that costs
    many iterations, and many starts end beside the optimum (of 100 starts on 240 rows with a
    scatter of 1 % and delta 1e-4, 37 reached it at once and all of them in steps).
    """
    rough = problem(theta, *data, loss=Loss(np.inf), max_iterations=30)
    theta = rough.theta
    best = theta[int(np.argmin(rough.objective))]
    x, log_loss, _ = data
    delta = float(np.median(np.abs(log_loss - evaluate(x, best[None])[0])))
    while delta > loss.delta:
        theta = problem(theta, *data, loss=Loss(delta), max_iterations=15).theta
        delta /= 4.0
    return theta


def _groups(part: Array, whole: Array) -> np.ndarray:
    """Number of the group of each start, by its objectives; -1 for those not worth following."""
    groups = np.full(len(part), -1)
    leaders: list[int] = []
    for start in np.argsort(part, kind="stable"):
        if part[start] > HOPELESS * part.min() + 1e-18:
            break
        for group, leader in enumerate(leaders):
            if all(abs(o[start] - o[leader]) <= SAME * o[leader] + 1e-18 for o in (part, whole)):
                groups[start] = group
                break
        else:
            groups[start] = len(leaders)
            leaders.append(int(start))
    return groups


def _best(solution: Solution, groups: np.ndarray) -> Optimum:
    """`groups`: which of the solutions each start came to, -1 for none."""
    best = int(np.argmin(solution.objective))
    minimum = float(solution.objective[best])
    there = solution.objective <= minimum * (1 + SAME) + 1e-18
    reached = (groups >= 0) & there[groups]
    return Optimum(
        solution.theta[best], minimum, len(groups), float(reached.mean()),
        bool(solution.converged[best]),
    )  # fmt: skip
