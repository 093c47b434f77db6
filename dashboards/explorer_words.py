"""Runs in words: what hovering shows, what a click shows, and what the list of runs says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from numbers import Real

import pandas as pd

from scaling.dashboards.plain_text import shown
from scaling.runs import COLUMNS, TEXT_COLUMNS
from scaling.units import format_si

HOVER = (
    ("depth", "width", "seq_len", "blocks", "params"),
    ("examples", "compute", "lr", "batch_size"),
)
"""Columns that tell configurations apart at a glance, by line: a figure cuts a line that is too long."""
NEXT = "\n"
"""Between two lines of what hovering shows."""
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
MOST_NAME = 100
"""Characters of a name."""
LISTED, MOST_LISTED = 200, 160
"""Runs in the list to choose from, and characters of one."""


def short(text: str, most: int = LONGEST) -> str:
    """The text, cut with an ellipsis where it is too long, on one line."""
    line = " ".join(shown(text[: 4 * most], 4 * most).split())
    return line if len(line) <= most else line[: most - 1] + "…"


def tamed(runs: pd.DataFrame) -> pd.DataFrame:
    """The table with names that a page can bear: a name stands at every mark of a figure, and one of
    a megabyte would do so, too; one that turns the direction of text would turn every sentence that
    says it. Changed names stay different by a digest."""
    found = runs
    for name in NAMES:
        if name in runs.columns:
            texts = {one for one in runs[name].dropna().unique() if isinstance(one, str)}
            other = {one: borne for one in texts if (borne := _borne(one)) != one}
            if other:
                found = found.assign(**{name: runs[name].astype(object).replace(other)})
    return found


def _borne(text: str) -> str:
    name = shown(text[:MOST_NAME], MOST_NAME)
    if name == text:
        return text
    return f"{name}… {hashlib.sha256(text.encode('utf-8', 'replace')).hexdigest()[:8]}"


def run_ids(runs: pd.DataFrame) -> pd.Series[str]:
    """What each run is called in figures: its `run_id`, or its row where the table has none."""
    rows = pd.Series([str(row) for row in runs.index], index=runs.index, dtype=object)
    if "run_id" not in runs.columns:
        return rows
    return runs["run_id"].astype(object).where(runs["run_id"].notna(), rows).astype(str)


def hover_of(runs: pd.DataFrame, metric: str) -> dict[str, str]:
    """By run: its configuration, and what tells it from its other seeds on the last line."""
    common = [_words(runs, "architecture"), *(_joined(runs, names) for names in HOVER)]
    own = _joined(runs, ("seed",))
    if metric in runs.columns:
        values = [f"{metric} {v:.5g}" if v == v else "" for v in _numbers(runs, metric)]
        own = [", ".join(part for part in row if part) for row in zip(own, values)]
    lines = [_lines(row) for row in zip(*common, own)]
    found = dict(zip(run_ids(runs), lines))
    if "configuration" in runs.columns:
        # A mark of a configuration stands for its seeds: what they have in common is said.
        for name, row in zip(runs["configuration"].astype(object), zip(*common)):
            found.setdefault(str(name), _lines(row))
    return found


def run_list(runs: pd.DataFrame, metric: str, rising: bool) -> tuple[list[tuple[str, str]], str]:
    """Ids and names of runs to choose from, the best first, and what is left out, in words."""
    if metric not in runs.columns or runs.empty:
        return [], ""
    order = pd.Series(_numbers(runs, metric), index=runs.index).dropna()
    best = runs.loc[order.sort_values(ascending=not rising, kind="stable").index[:LISTED]]
    telling = [  # what all runs have in common tells none from the others
        name
        for name in (*HOVER[0], *HOVER[1], "seed")
        if name in runs.columns and runs[name].nunique(dropna=False) > 1
    ]
    parts = zip(_words(best, "architecture"), _joined(best, telling))
    named = [
        (one, short(f"{value:.5g}: {', '.join(part for part in row if part)}", MOST_LISTED))
        for one, value, row in zip(run_ids(best), order[best.index], parts)
    ]
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


def _joined(runs: pd.DataFrame, names: Sequence[str]) -> list[str]:
    """Of each run, the values of these columns with their names, as far as it has them."""
    parts = []
    for name in names:
        if name in runs.columns:
            known = {
                value: f"{name.replace('_', ' ')} {_number(value)}"
                for value in runs[name].dropna().unique()
            }
            parts.append(runs[name].map(known).astype(object).fillna("").tolist())
    if not parts:
        return [""] * len(runs)
    return [", ".join(part for part in row if part) for row in zip(*parts)]


def _lines(parts: Sequence[str]) -> str:
    return NEXT.join(part for part in parts if part)


def _numbers(runs: pd.DataFrame, name: str) -> list[float]:
    return [float(v) for v in pd.to_numeric(runs[name], errors="coerce")]


def _exact(value: object) -> str:
    if not isinstance(value, Real):
        return str(value)
    number = float(value)
    whole = number.is_integer() and abs(number) < 1e15
    return f"{number:,.0f}" if whole else f"{number:,.6g}"


def _number(value: object) -> str:
    if not isinstance(value, Real):
        return short(str(value))
    number = float(value)
    return f"{number:g}" if abs(number) < 1e5 else format_si(number, digits=3)
