"""Runs in words: what hovering shows, what a click shows, and what the list of runs says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pandas as pd

from scaling.runs import COLUMNS, TEXT_COLUMNS
from scaling.units import format_si

HOVER = (
    "depth", "width", "seq_len", "blocks", "params", "examples", "compute", "lr", "batch_size", "seed",
)  # fmt: skip
"""Columns that tell runs apart at a glance; behind them the metric."""
LONGEST = 80
"""Characters of a name that are shown where room is short."""
MOST_TEXT = 2_000
"""Characters of a value in a run's details."""
NAMES = (
    "architecture",
    "variant",
    "configuration",
    "run_id",
    "dataset",
    "split",
    "sweep",
    "digest",
)
"""Columns that hold names."""
MOST_NAME = 200
"""Characters of a name."""
LISTED = 200
"""Runs in the list to choose from."""


def short(text: str, most: int = LONGEST) -> str:
    """The text, cut with an ellipsis where it is too long, on one line."""
    line = " ".join(text[: 4 * most].split())
    return line if len(line) <= most else line[: most - 1] + "…"


def tamed(runs: pd.DataFrame) -> pd.DataFrame:
    """The table with names that a page can bear: a name stands at every mark of a figure, and one of
    a megabyte would do so, too. Cut names stay different by a digest."""
    found = runs
    for name in NAMES:
        if name in runs.columns:
            texts = {one: one for one in runs[name].dropna().unique() if isinstance(one, str)}
            cut = {one: _cut(one) for one in texts if len(one) > MOST_NAME}
            if cut:
                found = found.assign(**{name: runs[name].astype(object).replace(cut)})
    return found


def _cut(text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:8]
    return f"{text[:MOST_NAME]}… {digest}"


def run_ids(runs: pd.DataFrame) -> pd.Series[str]:
    """What each run is called in figures: its `run_id`, or its row where the table has none."""
    rows = pd.Series([str(row) for row in runs.index], index=runs.index, dtype=object)
    if "run_id" not in runs.columns:
        return rows
    return runs["run_id"].astype(object).where(runs["run_id"].notna(), rows).astype(str)


def hover_of(runs: pd.DataFrame, metric: str) -> dict[str, str]:
    """By run: its configuration on one line."""
    parts = [_words(runs, "architecture")]
    for name in HOVER:
        if name in runs.columns:
            known = {
                value: f"{name.replace('_', ' ')} {_number(value)}"
                for value in runs[name].dropna().unique()
            }
            parts.append(runs[name].map(known).astype(object).fillna("").tolist())
    if metric in runs.columns:
        parts.append([f"{metric} {v:.5g}" if v == v else "" for v in _numbers(runs, metric)])
    lines = [", ".join(part for part in row if part) for row in zip(*parts)]
    found = dict(zip(run_ids(runs), lines))
    if "configuration" in runs.columns:
        # A mark of a configuration stands for its seeds: what they have in common is said.
        common = [", ".join(p for p in row[: len(row) - 2] if p) for row in zip(*parts)]
        for name, line in zip(runs["configuration"].astype(object), common):
            found.setdefault(str(name), line)
    return found


def run_list(runs: pd.DataFrame, metric: str, rising: bool) -> tuple[list[tuple[str, str]], str]:
    """Ids and names of runs to choose from, the best first, and what is left out, in words."""
    if metric not in runs.columns or runs.empty:
        return [], ""
    order = pd.Series(_numbers(runs, metric), index=runs.index).dropna()
    best = runs.loc[order.sort_values(ascending=not rising, kind="stable").index[:LISTED]]
    ids, lines = run_ids(best), hover_of(best, metric)
    values = order[best.index]
    named = [(one, short(f"{value:.5g}: {lines[one]}", 110)) for one, value in zip(ids, values)]
    return named, f"the best {LISTED} of {len(order):,}" if len(order) > LISTED else ""


def details(row: Mapping[str, object]) -> list[tuple[str, str]]:
    """What is known of a run, by name, in the order of the run table; long texts are cut, and say so."""
    order = {name: place for place, name in enumerate(COLUMNS)}
    found = []
    for name in sorted(row, key=lambda one: (order.get(one, len(order)), one)):
        value = row[name]
        if value is None or value != value or value == "":
            continue
        if isinstance(value, str) or name in TEXT_COLUMNS:
            text = str(value)
            if len(text) > MOST_TEXT:
                text = f"{text[:MOST_TEXT]}… ({len(text):,} characters)"
        else:
            text = _exact(value)
        found.append((name, text))
    return found


def _words(runs: pd.DataFrame, name: str) -> list[str]:
    if name not in runs.columns:
        return [""] * len(runs)
    return [short(str(v)) if isinstance(v, str) else "" for v in runs[name].astype(object)]


def _numbers(runs: pd.DataFrame, name: str) -> list[float]:
    return [float(v) for v in pd.to_numeric(runs[name], errors="coerce")]


def _exact(value: object) -> str:
    if not isinstance(value, float | int):
        return str(value)
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{value:,.0f}" if whole else f"{value:,.6g}"


def _number(value: object) -> str:
    if not isinstance(value, float | int):
        return short(str(value))
    return f"{value:g}" if abs(value) < 1e5 else format_si(float(value), digits=3)
