"""Other users, other losses: the evaluation resampled over users, the same ones for every run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scaling.analysis.law import Array

CHUNK = 20_000_000
"""Weights drawn at a time."""


@dataclass(frozen=True)
class UserDraws:
    """Errors of the log losses at each budget, `[draws, budgets]`, from the same users in both."""

    baseline: Array
    candidate: Array
    users: int
    """How many there are to draw from."""


def user_draws(
    evaluations: Mapping[str, pd.DataFrame],
    baseline: Sequence[Sequence[str]],
    candidate: Sequence[Sequence[str]],
    *,
    draws: int,
    seed: int = 0,
) -> UserDraws:
    """Draw users with replacement and value the same runs again.

    Args:
        evaluations: by run: `request`, `user`, `behaviour`, `sum_loss`, `count` (evaluation.parquet).
        baseline, candidate: runs that stand for each budget.
        draws: how many.
        seed: of the draws.

    Raises:
        ValueError: runs without a table, or evaluated on different requests (the run is named).
    """
    names = [run for side in (baseline, candidate) for runs in side for run in runs]
    missing = [run for run in names if run not in evaluations]
    if missing or not names:
        raise ValueError(f"no evaluation of run {', '.join(missing[:3]) or '(none)'}")
    first = _sums(evaluations[names[0]])
    for run in names[1:]:
        counts = _sums(evaluations[run])["count"]
        if not counts.index.equals(first.index) or not (counts == first["count"]).all():
            raise ValueError(f"runs {names[0]} and {run} were evaluated on different requests")
    num_behaviours = first.index.get_level_values("behaviour").nunique()
    users = len(first) // num_behaviours
    if users * num_behaviours != len(first):
        raise ValueError(f"run {names[0]} was not evaluated on every behaviour of every user")
    count = first["count"].to_numpy(dtype=float).reshape(num_behaviours, users)
    # [behaviours, users, runs]
    loss = np.stack(
        [
            _sums(evaluations[run])["sum_loss"].to_numpy().reshape(num_behaviours, users)
            for run in names
        ],
        axis=-1,
    )
    rng = np.random.default_rng(seed)
    share = np.full(users, 1.0 / users)
    piece = max(1, CHUNK // users)
    parts = []
    for begin in range(0, draws, piece):
        weight = rng.multinomial(users, share, size=min(piece, draws - begin)).astype(float)
        parts.append(
            np.mean([weight @ s / (weight @ c)[:, None] for s, c in zip(loss, count)], axis=0)
        )
    whole = np.mean([s.sum(axis=0) / c.sum() for s, c in zip(loss, count)], axis=0)
    error = np.log(np.concatenate(parts) / whole)
    column = dict(zip(names, error.T))
    sides = [
        np.stack([np.mean([column[run] for run in runs], axis=0) for runs in side], axis=1)
        for side in (baseline, candidate)
    ]
    return UserDraws(sides[0], sides[1], users)


def _sums(table: pd.DataFrame) -> pd.DataFrame:
    """Sums over each user's requests, by behaviour and user."""
    plain = table.assign(behaviour=table["behaviour"].astype(str))
    return plain.groupby(["behaviour", "user"], sort=True)[["sum_loss", "count"]].sum()
