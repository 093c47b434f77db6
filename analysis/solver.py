"""Many small robust curve fits at once: a batched, bounded Levenberg-Marquardt method.

Every start of a fit and every draw of a bootstrap is one problem of the batch, so a fit costs a few
dozen numpy calls whatever their number.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from scaling.analysis.law import Array

Evaluate = Callable[[Array, Array], tuple[Array, Array]]

WATCHED, CREEPING = 20, 50
"""A start creeps that in so many steps has come less than that share nearer to the best."""
MAX_ELEMENTS = 4_000_000
"""Numbers held per gradient array (32 MB): larger batches are solved in pieces."""


@dataclass(frozen=True)
class Loss:
    """What is summed over rows: r^2/2 up to `delta` and delta (|r| - delta/2) beyond it.

    `delta` infinite is least squares. Residuals r are differences of natural logs, so they are
    relative errors and the result doesn't depend on the unit of the loss.
    """

    delta: float

    def value(self, r: Array) -> Array:
        size = np.abs(r)
        inner = np.minimum(size, self.delta)
        return inner * (size - 0.5 * inner)

    def weights(self, r: Array) -> tuple[Array, Array]:
        """psi(r)/r, the reweighting, and psi'(r), the curvature."""
        if np.isinf(self.delta):
            return np.ones_like(r), np.ones_like(r)
        size = np.abs(r)
        return self.delta / np.maximum(size, self.delta), (size <= self.delta).astype(np.float64)


@dataclass(frozen=True)
class Solution:
    """Per problem of the batch: working parameters, the summed objective, whether it settled."""

    theta: Array
    objective: Array
    converged: np.ndarray


def minimise(
    evaluate: Evaluate,
    theta: Array,
    x: Array,
    log_loss: Array,
    weight: Array,
    *,
    lower: Array,
    upper: Array,
    free: np.ndarray,
    loss: Loss,
    max_iterations: int = 300,
    rivals: bool = False,
) -> Solution:
    """Minimise sum_i weight_i rho(log_loss_i - evaluate_i) for each problem.

    Args:
        evaluate: `Law.evaluate`.
        theta: starts `[batch, parameters]`; entries that are not free keep their value.
        x: `[batch or 1, rows, variables]`.
        log_loss: `[batch or 1, rows]`.
        weight: `[batch or 1, rows]`; 0 leaves a row out.
        lower, upper: `[parameters]`, for the free ones.
        free: bool `[parameters]`.
        loss: the row-wise objective.
        max_iterations: evaluations per problem.
        rivals: the problems are starts of one, of which the best counts: those that creep along a
            ridge above one that has settled are given up.
    """
    batch, rows = theta.shape[0], x.shape[1]
    piece = max(1, MAX_ELEMENTS // max(1, rows * theta.shape[1]))
    parts = []
    for begin in range(0, batch, piece):
        a, b, c, d = (_part(array, begin, piece) for array in (theta, x, log_loss, weight))
        parts.append(
            _minimise(evaluate, a, b, c, d, lower, upper, free, loss, max_iterations, rivals)
        )
    return Solution(
        np.concatenate([part.theta for part in parts]),
        np.concatenate([part.objective for part in parts]),
        np.concatenate([part.converged for part in parts]),
    )


def _part(array: Array, begin: int, size: int) -> Array:
    return array if array.shape[0] == 1 else array[begin : begin + size]


def _take(array: Array, active: np.ndarray) -> Array:
    return array if array.shape[0] == 1 else np.asarray(array[active])


def _minimise(
    evaluate: Evaluate,
    start: Array,
    x: Array,
    log_loss: Array,
    weight: Array,
    lower: Array,
    upper: Array,
    free: np.ndarray,
    loss: Loss,
    max_iterations: int,
    rivals: bool,
) -> Solution:
    batch = start.shape[0]
    theta = np.where(free, np.clip(start, lower, upper), start)
    value, gradient = evaluate(x, theta)
    gradient = np.swapaxes(gradient, 1, 2)  # [batch, parameters, rows] from here on
    residual = log_loss - value
    objective = (weight * loss.value(residual)).sum(axis=1)
    damping = np.full(batch, 1e-2)
    settled = np.zeros(batch, dtype=bool)
    active = np.arange(batch)
    # Of the problems still going on; written back when they end. A fit is dozens of iterations of
    # small arrays, so that the number of numpy calls is what it costs.
    here, value_here, damped = theta, objective, damping
    rows_x, rows_y, rows_w = x, log_loss, weight
    before, best = objective, np.inf
    for k in range(1, max_iterations + 1):
        if active.size == 0:
            break
        step, promise = _step(gradient, residual, rows_w, here, damped, lower, upper, free, loss)
        trial = np.where(free, np.minimum(np.maximum(here + step, lower), upper), here)
        new_value, new_gradient = evaluate(rows_x, trial)
        new_residual = rows_y - new_value
        new_objective = (rows_w * loss.value(new_residual)).sum(axis=1)
        better = new_objective < value_here
        tiny = promise <= 1e-13 * value_here + 1e-30
        moved = np.abs(trial - here).max(axis=1) > 1e-11
        done = tiny | ~moved | (~better & (damped > 1e9))
        # A step that kept a quarter of its promise earns less damping next time.
        good = better & (value_here - new_objective > 0.25 * promise)

        new_gradient = np.swapaxes(new_gradient, 1, 2)
        if better.all():
            here, value_here, gradient, residual = trial, new_objective, new_gradient, new_residual
        else:
            here = np.where(better[:, None], trial, here)
            value_here = np.where(better, new_objective, value_here)
            gradient[better] = new_gradient[better]
            residual[better] = new_residual[better]
        damped = damped * np.where(good, 0.2, np.where(better, 1.0, 6.0))
        damped = np.minimum(np.maximum(damped, 1e-12), 1e12)
        settled[active[done]] = True
        ends = done
        if rivals:
            best = min(best, value_here[done].min(initial=np.inf))
            if k % WATCHED == 0:
                ends = done | ((before - value_here) * CREEPING < value_here - best)
                before = value_here
        if ends.any():
            ended, on = active[ends], ~ends
            theta[ended], objective[ended] = here[ends], value_here[ends]
            active, here, value_here, damped = active[on], here[on], value_here[on], damped[on]
            before = before[on]
            gradient, residual = gradient[on], residual[on]
            rows_x, rows_y, rows_w = (_take(array, active) for array in (x, log_loss, weight))
    theta[active], objective[active] = here, value_here
    return Solution(theta, objective, settled)


def _step(
    gradient: Array,
    residual: Array,
    weight: Array,
    theta: Array,
    damping: Array,
    lower: Array,
    upper: Array,
    free: np.ndarray,
    loss: Loss,
) -> tuple[Array, Array]:
    """The damped Newton step of each problem, and the decrease of the objective it promises.

    Rows beyond delta have no curvature of their own. The damping adds the reweighted matrix
    (psi/r), whose step can't raise a convex objective, so damping turns a Newton step into a
    reweighted least-squares step and then into a short one: with delta far below the noise, the
    objective is nearly a sum of absolute values, and neither converges alone.
    """
    reweighted, curvature = loss.weights(residual)
    soft = weight * reweighted
    slope = (gradient @ (soft * residual)[..., None])[..., 0]
    diagonal = ((gradient * gradient) @ soft[..., None])[..., 0]
    both = weight * curvature + damping[:, None] * soft
    matrix = gradient @ np.swapaxes(both[:, None] * gradient, 1, 2)
    scale = 1.0 / np.sqrt(np.maximum(diagonal, 1e-30 + 1e-16 * diagonal.max(axis=1)[:, None]))
    held = ~free | ((theta <= lower) & (slope < 0)) | ((theta >= upper) & (slope > 0))
    scale = np.where(held, 0.0, scale)
    pair = scale[:, :, None] * scale[:, None, :]
    size = theta.shape[1]
    matrix *= pair
    ridge = damping[:, None] + 1e-14 + held
    matrix.reshape(len(matrix), -1)[:, :: size + 1] += ridge
    scaled_slope = slope * scale
    step = np.linalg.solve(matrix, scaled_slope[..., None])[..., 0]
    promise = np.einsum("bp,bp->b", step, scaled_slope) - 0.5 * np.einsum(
        "bp,bpq,bq->b", step, matrix, step
    )
    return np.asarray(step * scale, dtype=np.float64), np.asarray(promise)
