"""Do intervals cover? Simulated grids with a known law, fitted and compared with the truth.

The oracle knows the curvature at the truth and the noise: its interval is 1.96 standard errors on
each side. No method can do better on average, and none can know when to be that narrow.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaling.analysis.delta import huber_factors
from scaling.analysis.distributions import normal_quantile, t_quantile
from scaling.analysis.intervals import Method
from scaling.analysis.law import Array, law_of
from scaling.analysis.profile import Data, Optima, profile
from scaling.analysis.quantities import Quantity, optimal_exponent, parameter, prediction
from scaling.analysis.simulator import RECOMMENDER, Design, losses
from scaling.analysis.solver import Loss, minimise

LEVEL = 0.95
DEMANDED = 0.93
"""Share of simulations that must be covered, less two Monte-Carlo standard errors."""
WIDEST = 1.3
"""Median width in units of the oracle's. Four degrees of freedom alone (nine runs, five parameters)
make it 1.297: Student's t is 2.776 instead of 1.96, and the median scatter 0.916 of the noise."""
TOO_WIDE = 1.0
"""An oracle's interval wider than the quantity itself says nothing, however it is found."""
STARTS = 3
METHODS: tuple[Method, ...] = ("delta", "profile", "bootstrap")


@dataclass(frozen=True)
class Cell:
    """One kind of experiment: an N x D grid with normal errors of ln(loss)."""

    noise: float
    design: Design


def cells(*, corners: bool = False) -> list[Cell]:
    """Every cell of noise x range x runs, or only those at the ends of all three."""
    noises, decades, sides = (0.001, 0.005, 0.02), (1.0, 2.0, 3.0), (3, 4, 5, 7)
    if corners:
        noises, decades, sides = ((a[0], a[-1]) for a in (noises, decades, sides))  # type: ignore[assignment]
    return [
        Cell(noise, Design(side, span))
        for noise, span, side in itertools.product(noises, decades, sides)
    ]


@dataclass(frozen=True)
class Plan:
    """How a study is made."""

    simulations: dict[Method, int]
    """Of each cell, by method; a method that isn't named isn't tried."""
    loss: Loss
    """What the fits minimise."""
    draws: int = 400
    """Of each bootstrap."""
    seed: int = 0


@dataclass(frozen=True)
class Score:
    """How one method did on one quantity of one cell."""

    cell: Cell
    quantity: str
    method: Method
    simulations: int
    covered: float
    """Share of the intervals that hold the truth; open ones don't where the oracle's says something."""
    width: float
    """Median, in units of the oracle's."""
    width_error: float
    """Monte-Carlo standard error of `width`."""
    open: float
    """Share of the intervals with an open end."""
    oracle: float
    """Width of the oracle's interval relative to the quantity."""

    @property
    def error(self) -> float:
        """Monte-Carlo standard error of `covered`."""
        return float(np.sqrt(self.covered * (1.0 - self.covered) / self.simulations))

    @property
    def hopeless(self) -> bool:
        """Whether even the oracle's interval says nothing."""
        return self.oracle > TOO_WIDE

    @property
    def covers(self) -> bool:
        return self.covered >= DEMANDED - 2.0 * self.error

    @property
    def narrow(self) -> bool:
        """Whether the median width is as demanded, within two Monte-Carlo standard errors."""
        return self.hopeless or self.width <= WIDEST + 2.0 * self.width_error


@dataclass(frozen=True)
class Fitted:
    """Many simulated tables of one cell, each with its optimum."""

    optima: Optima
    data: Data
    scatter: Array
    """Residual standard deviation of each, `[simulations]`."""
    dof: int

    def head(self, count: int) -> Fitted:
        """The first so many."""
        optima = self.optima
        return Fitted(
            Optima(
                optima.law, optima.theta[:count], optima.objective[:count], optima.centre,
                optima.lower, optima.upper, optima.free, optima.loss,
            ),
            Data(self.data.x, self.data.log_target[:count], self.data.weight),
            self.scatter[:count], self.dof,
        )  # fmt: skip


def measure(cell: Cell, plan: Plan) -> list[Score]:
    """Every method on every quantity of one cell."""
    law = law_of("chinchilla")
    beyond = prediction(law, cell.design.beyond(10.0), "loss at 10x compute")
    quantities = [parameter(law, "alpha"), optimal_exponent(law), beyond]
    found = fitted(cell, max(plan.simulations.values()), plan)
    truth, oracle = _oracle(cell, found, quantities)
    scores = []
    for method, count in plan.simulations.items():
        part = found.head(count)
        ends, is_open = {"delta": _delta, "profile": _profile, "bootstrap": _bootstrap}[method](
            part, quantities, plan
        )
        for k, quantity in enumerate(quantities):
            low, high = ends[:, k].T
            relative = float(oracle[k] / abs(truth[k]))
            inside = (low <= truth[k]) & (truth[k] <= high)
            if relative <= TOO_WIDE:
                inside &= ~is_open[:, k]
            width, error = _median((high - low) / oracle[k])
            scores.append(
                Score(
                    cell,
                    quantity.name,
                    method,
                    count,
                    float(inside.mean()),
                    width,
                    error,
                    float(is_open[:, k].mean()),
                    relative,
                )
            )
    return scores


def fitted(cell: Cell, simulations: int, plan: Plan) -> Fitted:
    """Simulated tables of a cell, fitted from a few starts each."""
    law, columns = law_of("chinchilla"), cell.design.columns()
    design = cell.design
    seed = [plan.seed, round(1e6 * cell.noise), round(10 * design.decades), design.side]
    rng_seed = int(np.random.SeedSequence(seed).generate_state(1)[0])
    drawn = losses(
        law, columns, RECOMMENDER, noise=cell.noise, simulations=simulations, seed=rng_seed
    )
    logs = np.log(np.stack([columns[name] for name in law.variables], axis=-1))
    centre = law.centre(logs, {})
    data = Data((logs - centre)[None], np.log(drawn), np.ones((1, len(logs))))
    lower, upper = law.bounds(data.x[0], drawn)
    starts = law.starts(data.x[0], drawn[0], STARTS, np.random.default_rng(rng_seed))
    free = np.ones(len(law.parameters), dtype=bool)
    solution = minimise(
        law.evaluate, np.tile(starts, (simulations, 1)), data.x,
        np.repeat(data.log_target, STARTS, axis=0), data.weight,
        lower=lower, upper=upper, free=free, loss=plan.loss,
    )  # fmt: skip
    objective = solution.objective.reshape(simulations, STARTS)
    best = np.arange(simulations), objective.argmin(axis=1)
    theta = solution.theta.reshape(simulations, STARTS, -1)[best]
    dof = design.runs - free.size
    residual = data.log_target - law.evaluate(data.x, theta)[0]
    return Fitted(
        Optima(law, theta, objective[best], centre, lower, upper, free, plan.loss),
        data, np.sqrt((residual**2).sum(axis=1) / dof), dof,
    )  # fmt: skip


def _oracle(cell: Cell, found: Fitted, quantities: Sequence[Quantity]) -> tuple[Array, Array]:
    """The true values, and the widths of the oracle's intervals."""
    law, optima = found.optima.law, found.optima
    raw = np.array([[RECOMMENDER[name] for name in law.parameters]])
    known = Optima(
        law, law.to_working(raw, optima.centre), np.zeros(1), optima.centre,
        optima.lower, optima.upper, optima.free, Loss(np.inf),
    )  # fmt: skip
    variance, _ = known.linearised(found.data, quantities)
    half = normal_quantile(0.5 + LEVEL / 2) * cell.noise * np.sqrt(variance[0])
    value = np.array([q.scaled(law, known.theta, optima.centre)[0] for q in quantities])
    low, high = (
        np.array([q.unscaled(v) for q, v in zip(quantities, value + sign * half)])
        for sign in (-1.0, 1.0)
    )
    return np.array([q.unscaled(v) for q, v in zip(quantities, value)]), high - low


def _delta(found: Fitted, quantities: Sequence[Quantity], plan: Plan) -> tuple[Array, np.ndarray]:
    """Student's t times the linearised error; an interval without error is no interval."""
    optima = found.optima
    variance, _ = optima.linearised(found.data, quantities)
    factor, _ = huber_factors(optima.loss, found.scatter)
    half = _quantile(found) * np.sqrt(variance * (found.scatter**2 * factor)[:, None])
    ends = np.empty((*half.shape, 2))
    for k, quantity in enumerate(quantities):
        value = quantity.scaled(optima.law, optima.theta, optima.centre)
        for side, sign in enumerate((-1.0, 1.0)):
            ends[:, k, side] = quantity.unscaled(value + sign * half[:, k])
        ends[:, k] = np.clip(ends[:, k], *quantity.bounds)
    return ends, half == 0


def _profile(found: Fitted, quantities: Sequence[Quantity], plan: Plan) -> tuple[Array, np.ndarray]:
    factor, curvature = huber_factors(found.optima.loss, found.scatter)
    rise = 0.5 * _quantile(found) ** 2 * found.scatter**2 * factor * curvature
    found_ends = profile(found.optima, found.data, quantities, rise)
    bounds = np.array([quantity.bounds for quantity in quantities])
    ends = np.where(found_ends.open, bounds, found_ends.value)
    return ends, np.asarray(found_ends.open.any(axis=2))


def _bootstrap(
    found: Fitted, quantities: Sequence[Quantity], plan: Plan
) -> tuple[Array, np.ndarray]:
    """Percentiles over draws of rows, each row a configuration, as `RowSample` draws them."""
    optima, rows = found.optima, found.data.x.shape[1]
    rng = np.random.default_rng(plan.seed)
    count, needed = len(optima.theta), optima.free.sum()
    weight = rng.multinomial(rows, np.full(rows, 1.0 / rows), size=count * plan.draws)
    while (few := (weight > 0).sum(axis=1) < needed).any():
        weight[few] = rng.multinomial(rows, np.full(rows, 1.0 / rows), size=few.sum())
    solution = minimise(
        optima.law.evaluate, np.repeat(optima.theta, plan.draws, axis=0), found.data.x,
        np.repeat(found.data.log_target, plan.draws, axis=0), weight.astype(np.float64),
        lower=optima.lower, upper=optima.upper, free=optima.free, loss=optima.loss,
        max_iterations=50,
    )  # fmt: skip
    tails = [50.0 * (1.0 - LEVEL), 50.0 * (1.0 + LEVEL)]
    ends = np.empty((count, len(quantities), 2))
    for k, quantity in enumerate(quantities):
        drawn = quantity.unscaled(quantity.scaled(optima.law, solution.theta, optima.centre))
        ends[:, k] = np.nanpercentile(drawn.reshape(count, plan.draws), tails, axis=1).T
    return ends, np.zeros(ends.shape[:2], dtype=bool)


def _quantile(found: Fitted) -> float:
    return float(t_quantile(0.5 + LEVEL / 2, found.dof))


def _median(values: Array) -> tuple[float, float]:
    """Median and its standard error, from the order statistics about it."""
    half = 0.5 / np.sqrt(len(values))
    low, middle, high = np.quantile(values, [0.5 - half, 0.5, 0.5 + half], method="nearest")
    error = float(high - low) / 2.0 if np.isfinite([low, high]).all() else float("nan")
    return float(middle), error
