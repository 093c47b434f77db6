"""What can be chosen for these runs, and a state that holds only what can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from scaling.analysis.cost import AXES_OF_COST
from scaling.analysis.figure import name_of
from scaling.analysis.law import LAWS, law_of
from scaling.dashboards.explorer_filters import passing
from scaling.dashboards.explorer_state import NOTHING, State
from scaling.units import MISSING

METRICS = {
    name: name_of(name)
    for name in ("loss", "ne", "auc", "gauc", "validation_loss", "validation_ne", "validation_auc")
}
"""Columns that are drawn, with their names; `loss.BEHAVIOUR` and `auc.BEHAVIOUR` follow them."""
RISING = ("auc", "gauc", "validation_auc")
COUNTING = {
    "compute": "reference algorithm",
    "compute_causal": "causal half of attention",
    "compute_nominal": "full lengths, padded",
}
"""How training FLOPs are counted: columns of the run table."""
FIGURES = {
    "cost": "metric against cost",
    "multiplier": "compute multiplier",
    "isoflop": "isoFLOP valleys",
    "optimal_params": "best parameters against compute",
    "optimal_examples": "best examples against compute",
    "optimal_seq_len": "best sequence length against compute",
    "optimal_depth": "best depth against compute",
    "optimal_width": "best width against compute",
    "optimal_blocks": "best number of blocks against compute",
    "residuals": "what the law leaves over",
    "params": "metric against parameters",
    "seq_len": "metric against sequence length",
    "depth": "metric against depth",
    "width": "metric against width",
    "blocks": "metric against blocks",
    "lr": "metric against learning rate",
    "temperatures": "learned temperatures",
}
GROUPS = {"architecture": "architecture", "variant": "variant"}


def rises(metric: str) -> bool:
    """Whether more of this metric is better."""
    return metric.split(".")[0] in RISING


@dataclass(frozen=True)
class Choices:
    """Values with their names, for each control."""

    metric: Mapping[str, str] = field(default_factory=lambda: dict(METRICS))
    cost: Mapping[str, str] = field(default_factory=dict)
    law: Mapping[str, str] = field(default_factory=dict)
    counting: Mapping[str, str] = field(default_factory=dict)
    figure: Mapping[str, str] = field(default_factory=dict)
    by: Mapping[str, str] = field(default_factory=dict)
    architectures: Sequence[str] = ()


SINGLE = ("metric", "cost", "law", "counting", "figure", "by")
"""Controls with one value."""


def choices_of(runs: pd.DataFrame, metric: str) -> Choices:
    """What these runs offer; `metric` decides which laws can be fitted."""
    metrics = {name: words for name, words in METRICS.items() if _has(runs, name)}
    for name in map(str, runs.columns):
        base, dot, _ = name.partition(".")
        if dot and base in ("loss", "auc", "ne") and _has(runs, name):
            metrics[name] = name_of(name)
    laws = {name: law_of(name) for name in LAWS.names()}
    return Choices(
        metric=metrics or dict(METRICS),
        cost={n: c.words for n, c in AXES_OF_COST.items() if _has(runs, n)} or {"compute": "compute"},
        law={n: n for n, law in laws.items() if law.increasing == rises(metric)},
        counting={n: w for n, w in COUNTING.items() if _has(runs, n)} or {"compute": COUNTING["compute"]},
        figure=FIGURES,
        by={n: w for n, w in GROUPS.items() if n == "architecture" or _varies(runs, n)},
        architectures=sorted({str(one) for one in runs["architecture"].dropna().unique()})
        if "architecture" in runs
        else (),
    )  # fmt: skip


def resolve(state: State, runs: pd.DataFrame) -> tuple[State, Choices, list[str]]:
    """The state with everything that these runs can't show replaced by what is usual, the choices
    there are, and what was replaced, in sentences."""
    told: list[str] = []
    choices = choices_of(runs, state.metric)
    if state.metric not in choices.metric:
        told.append(_unknown("metric", state.metric, choices.metric))
        state = replace(state, metric=next(iter(choices.metric)))
        choices = choices_of(runs, state.metric)
    if state.law in LAWS.names() and state.law not in choices.law:
        # Not the user's mistake: the metric was changed to one that rises, or back.
        state = replace(state, law="gap" if rises(state.metric) else State().law)
    for name in SINGLE[1:]:
        valid: Mapping[str, str] = getattr(choices, name)
        if getattr(state, name) not in valid:
            told.append(_unknown(name, getattr(state, name), valid))
            usual = getattr(State(), name)
            kept: Any = usual if usual in valid else next(iter(valid))
            state = replace(state, **{name: kept})
    known = (*choices.architectures, NOTHING)
    unknown = [one for one in state.architectures if one not in known]
    if unknown:
        told.append(_unknown("architecture", unknown[0], dict.fromkeys(choices.architectures, "")))
        left = tuple(one for one in state.architectures if one in known)
        state = replace(state, architectures=left)
    return state, choices, told


def chosen(runs: pd.DataFrame, state: State) -> tuple[pd.DataFrame, list[str]]:
    """The rows that the state asks for, and which of its filters mean nothing, in sentences."""
    if state.architectures and "architecture" in runs:
        names = runs["architecture"].astype(object).fillna(MISSING).astype(str)
        runs = runs[names.isin(state.architectures)]
    return passing(runs, state.filters)


def _unknown(what: str, value: str, valid: Mapping[str, str]) -> str:
    shown = value if len(value) <= 60 else value[:59] + "…"
    return f"These runs have no {what} {shown!r}; valid: {', '.join(valid) or 'none'}."


def _has(runs: pd.DataFrame, name: str) -> bool:
    return name in runs.columns and bool(pd.to_numeric(runs[name], errors="coerce").notna().any())


def _varies(runs: pd.DataFrame, name: str) -> bool:
    return name in runs.columns and runs[name].nunique() > 1
