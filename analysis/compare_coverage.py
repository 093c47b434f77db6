"""How often a comparison's intervals hold the truth: two architectures simulated from known laws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from scaling.analysis.comparison import Comparison, compare
from scaling.analysis.crossing import REACH, STEPS
from scaling.analysis.distributions import normal_quantile
from scaling.analysis.law import Array, law_of
from scaling.analysis.multiplier import Multiplier
from scaling.analysis.pairing import paired
from scaling.analysis.repeats import Repeats

Params = tuple[float, float, float]
"""E, A and alpha of E + A C^-alpha."""
MIDDLE = 10**12.5
BUDGETS = np.logspace(11.5, 13.5, 5)
WANTED, WIDEST = 0.92, 1.3
"""Coverage and width to reach, less and more what Monte-Carlo errors account for."""
SELECTION_NOISE = 0.25
"""Standard deviation of validation against test, in units of the noise between seeds."""

TRUTHS: dict[str, tuple[Params, Params]] = {
    "copies": ((0.45, 30.0, 0.2), (0.45, 30.0, 0.2)),
    "near tie": ((0.45, 30.0, 0.2), (0.45, 29.5, 0.2)),
    "clear gap": ((0.45, 30.0, 0.2), (0.45, 26.0, 0.2)),
    "crossing": ((0.45, 30.0, 0.2), (0.45, 30.0 * MIDDLE**0.04, 0.24)),
    "never crossing": ((0.47, 30.0, 0.2), (0.45, 30.0, 0.2)),
}
"""Baseline and candidate. Those of `crossing` meet in the middle of the range."""


@dataclass(frozen=True)
class Cell:
    """One simulated study."""

    truth: str
    noise: float = 0.003
    """Relative standard deviation between seeds."""
    sizes: tuple[int, int] = (4, 4)
    """Configurations per budget of the baseline and of the candidate."""
    seeds: int = 3
    valley: float = 0.01
    """Relative rise of the loss at a size e times the best one."""
    drift: tuple[float, float] = (0.3, 0.5)
    """Growth of the best size with compute, as an exponent, on a grid of sizes that stays."""
    shared: float = 0.0
    """Share of the noise's variance that both architectures have in common, by budget and seed."""

    def words(self) -> str:
        """The pair, and what is unusual about it."""
        notes = [
            f"{self.shared:.0%} of the noise shared" if self.shared else "",
            "all sizes equally good" if not self.valley else "",
            "the best size stays" if self.drift == (0.0, 0.0) else "",
        ]
        return ", ".join([self.truth, *(note for note in notes if note)])


CELLS = (
    *(Cell(truth, noise) for truth in TRUTHS for noise in (0.001, 0.003)),
    *(Cell(truth, noise, (6, 6), drift=(0.3, 0.3)) for truth in TRUTHS for noise in (0.001, 0.003)),
    Cell("copies", sizes=(12, 4), drift=(0.0, 0.0)),
    Cell("copies", sizes=(12, 4), valley=0.0),
    Cell("copies", shared=0.6),
    Cell("crossing", shared=0.6),
)


@dataclass(frozen=True)
class Row:
    """What a cell's simulations gave; shares of all of them."""

    cell: Cell
    simulations: int
    multiplier: tuple[float, float, float]
    """Coverage at the smallest compute, in the middle and at the largest."""
    deciding: float
    """Coverage at the compute that decides."""
    crossing: float
    """Coverage; open intervals are misses unless the oracle's is open too, and where the truth has
    no crossing, one that is claimed is a miss."""
    crossing_open: float
    oracle_open: bool
    decided: float
    decided_wrongly: float
    failed: float
    width: float
    """Median width of ln m at the middle, over that of an oracle who knows law and noise."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def shares(self) -> tuple[float, ...]:
        """All coverages: of the multiplier at three computes and where it decides, of the crossing."""
        return (*self.multiplier, self.deciding, self.crossing)

    @property
    def least(self) -> float:
        """The worst coverage of the row."""
        return min(self.shares)

    def reaches(self, share: float, wanted: float) -> bool:
        """Whether a share is not below what is wanted by more than two Monte-Carlo errors."""
        return share >= wanted - 2.0 * float(np.sqrt(wanted * (1.0 - wanted) / self.simulations))


def compare_coverage(
    cells: Sequence[Cell] = CELLS,
    *,
    simulations: int = 500,
    draws: int = 300,
    level: float = 0.95,
    seed: int = 0,
) -> list[Row]:
    """Simulate, compare, and count how often intervals hold the truth, a row per cell.

    A comparison that can't be made is a miss everywhere. The oracle knows parameters and noise, and
    has the best size of every budget, so its interval is the linearised one with a normal quantile.
    """
    return [
        _row(cell, simulations, draws, level, np.random.default_rng([seed, number]))
        for number, cell in enumerate(cells)
    ]


def simulated_pair(cell: Cell, rng: np.random.Generator) -> tuple[Repeats, Repeats]:
    """Configurations and seeds of both architectures of one study."""
    common = rng.normal(size=(len(BUDGETS), cell.seeds)) * cell.noise * np.sqrt(cell.shared)
    own = cell.noise * np.sqrt(1.0 - cell.shared)
    sides = []
    for params, sizes, drift in zip(TRUTHS[cell.truth], cell.sizes, cell.drift):
        logs = np.log(2.0) * (np.arange(sizes) - (sizes - 1) / 2) * min(1.0, 6.0 / sizes)
        off = logs - drift * np.log(BUDGETS / MIDDLE)[:, None]
        mean = np.log(_loss(params, BUDGETS))[:, None] + np.log1p(cell.valley * off**2)
        shape = (len(BUDGETS), sizes, cell.seeds)
        target = mean[..., None] + common[:, None] + own * rng.normal(size=shape)
        selection = target + SELECTION_NOISE * cell.noise * rng.normal(size=shape)
        place = np.repeat(np.arange(len(BUDGETS)), sizes)
        sides.append(
            Repeats(
                BUDGETS[place], np.tile(logs, len(BUDGETS)), place, BUDGETS,
                target.reshape(-1, cell.seeds), selection.reshape(-1, cell.seeds),
                tuple(str(k) for k in range(cell.seeds)),
                np.full((len(place), cell.seeds), "", dtype=object),
            )
        )  # fmt: skip
    return sides[0], sides[1]


def _row(cell: Cell, simulations: int, draws: int, level: float, rng: np.random.Generator) -> Row:
    law, truth = law_of("offset"), TRUTHS[cell.truth]
    crosses, oracle_open, oracle_width = _oracle(cell, level)
    seen, widths = list[dict[str, bool]](), list[float]()
    for number in range(simulations):
        sides = simulated_pair(cell, rng)
        try:
            pair = paired(*sides, law, draws=draws, seed=number, starts=6)
        except ValueError:
            continue
        found = compare(
            pair.baseline, pair.candidate, names=("baseline", "candidate"), level=level, at=[MIDDLE]
        )
        middle = next(m for m in found.multiplier if m.compute == MIDDLE)
        spots = {"low": found.multiplier[0], "middle": middle, "high": found.multiplier[-1]}
        true = _multiplier(truth, found.at.compute)
        wrong = {"candidate cheaper": true <= 1 + 1e-9, "baseline cheaper": true >= 1 - 1e-9}
        seen.append(
            {name: _holds(truth, at) for name, at in (spots | {"deciding": found.at}).items()}
            | {
                "crossing": _crossing_held(found, crosses, oracle_open),
                "open": None in found.crossing.interval,
                "decided": found.verdict != "not decided",
                "wrong": wrong.get(found.verdict, False),
            }
        )
        low, high = middle.interval
        widths.append(float(np.log(high / max(low, 1e-300))))

    def share(name: str) -> float:
        return sum(one[name] for one in seen) / simulations

    return Row(
        cell, simulations, (share("low"), share("middle"), share("high")), share("deciding"),
        share("crossing"), share("open"), oracle_open, share("decided"), share("wrong"),
        1.0 - len(seen) / simulations,
        float(np.median(widths)) / oracle_width if widths else float("nan"),
    )  # fmt: skip


def _crossing_held(found: Comparison, crosses: float | None, oracle_open: bool) -> bool:
    crossing = found.crossing
    if crosses is None:
        return not crossing.shown
    low, high = crossing.interval
    if (low is None or high is None) and not oracle_open:
        return False
    return (low is None or low <= crosses) and (high is None or crosses <= high)


def _holds(truth: tuple[Params, Params], at: Multiplier) -> bool:
    return at.interval[0] <= _multiplier(truth, at.compute) <= at.interval[1]


def _loss(params: Params, compute: Array) -> Array:
    return np.asarray(params[0] + params[1] * compute ** -params[2])


def _multiplier(truth: tuple[Params, Params], compute: float) -> float:
    floor, amplitude, alpha = truth[0]
    excess = float(_loss(truth[1], np.array(compute))) - floor
    return (amplitude / excess) ** (1 / alpha) / compute if excess > 0 else float("inf")


def _oracle(cell: Cell, level: float) -> tuple[float | None, bool, float]:
    """The true crossing, whether the oracle's interval of it is open, and its width of ln m."""
    truth, quantile = TRUTHS[cell.truth], float(normal_quantile(0.5 + level / 2))
    logs = np.linspace(np.log(BUDGETS[0] / REACH), np.log(BUDGETS[-1] * REACH), STEPS)
    grid = np.exp(logs)
    variance = np.zeros(len(grid))
    for params in truth:
        noise = cell.noise**2 * (1.0 - cell.shared) / cell.seeds
        cov = np.linalg.pinv(_gradient(params, BUDGETS).T @ _gradient(params, BUDGETS)) * noise
        at = _gradient(params, grid)
        variance += np.einsum("np,pq,nq->n", at, cov, at)
    gap = np.log(_loss(truth[0], grid)) - np.log(_loss(truth[1], grid))
    error = quantile * np.sqrt(variance)
    middle = int(np.abs(logs - np.log(MIDDLE)).argmin())
    loss = _loss(truth[0], grid)
    slope = truth[0][1] * truth[0][2] * grid ** -truth[0][2] / loss
    width = float(2 * error[middle] / slope[middle])
    change = np.flatnonzero(np.sign(gap[:-1]) * np.sign(gap[1:]) < 0)
    if cell.truth == "copies" or not change.size:
        return None, True, width
    place = int(change[-1])
    sure = np.abs(gap) > error
    return float(np.exp(logs[place])), not (sure[:place].any() and sure[place:].any()), width


def _gradient(params: Params, compute: Array) -> Array:
    """Of ln L by E, ln A (at the middle) and alpha, `[computes, 3]`."""
    _, amplitude, alpha = params
    part = amplitude * compute**-alpha
    columns = np.stack([np.ones_like(compute), part, -part * np.log(compute / MIDDLE)], axis=1)
    return np.asarray(columns / _loss(params, compute)[:, None])
