"""The one-page report: what was found, in words first, then what it rests on."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from scaling.analysis.comparison import Comparison
from scaling.analysis.figure import Skipped
from scaling.analysis.figures import Drawing
from scaling.analysis.figures import figures as all_figures
from scaling.analysis.findings import Analysis
from scaling.analysis.mapper import Mapper
from scaling.analysis.plots import svg
from scaling.analysis.result import number
from scaling.analysis.trust import Trust
from scaling.analysis.versus import Versus
from scaling.dashboards.checklist import checklist, method
from scaling.dashboards.data_section import DataShown, data_section
from scaling.dashboards.inline_svg import inline
from scaling.dashboards.page import TABLE, TEMPLATE
from scaling.dashboards.plain_text import shown
from scaling.units import MISSING, format_si, write_text

FLOOR_FACT = "loss_floor_at"
"""The fact that holds floors under restricted reading: what may be read, to the best loss."""
MOST_EXCLUDED = 200
"""Excluded runs listed one by one; their number is always given."""
SECTIONS = {
    "figures": "Figures", "warnings": "Warnings", "laws": "Fitted laws",
    "floor": "Known floor and fitted offset", "trust": "How far to trust this",
    "references": "References", "data": "The data", "runs": "Runs",
    "method": "How this was counted and fitted", "again": "Make this page again",
}  # fmt: skip
"""Of the page, by the ids of their headings."""
LONGEST_TEXT, LONGEST_CELL = 1500, 240
"""Characters of any text in the page, and of one in a table's cell."""

Table = tuple[list[str], list[list[str]]]


def write_report(
    path: Path,
    runs: pd.DataFrame,
    analysis: Analysis,
    *,
    figures: Sequence[Drawing] | None = None,
    skipped: Sequence[Skipped] = (),
    trust: Trust | None = None,
    data: Sequence[DataShown] = (),
    title: str = "Scaling report",
    command: str = "",
    proposal: str = "",
    facts: Mapping[str, object] | None = None,
    mapper: Mapper = map,
) -> Path:
    """Write the report as one HTML file that needs nothing else.

    Args:
        path: of the file; written aside and then renamed.
        runs: the whole run table, as it was given to `analyse`.
        analysis: of those runs.
        figures: drawn into the page; None: all that the analysis has something to show in.
        skipped: named with their reasons.
        trust: hold-out, law selection and sensitivity of the same analysis; None leaves them out.
        data: the data sets of the runs, each shown or named with the reason why it isn't.
        title: the sweep's name, say.
        command: what makes the page again.
        proposal: the command that proposes further runs, for where nothing is decided.
        facts: what else a reader should know, by name; `loss_floor_at` (a mapping from what may be
            read to the best loss) is set beside the fitted offsets.
        mapper: draws the figures.

    Returns:
        `path`.
    """
    if figures is None:
        figures, skipped = all_figures(analysis)
    facts = dict(facts or {})
    floors = facts.pop(FLOOR_FACT, None)
    environment = Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_bounded
    )
    environment.filters["cell"] = lambda text: shown(text, LONGEST_CELL)
    rendered_table = environment.from_string(TABLE)

    def table(content: Table, name: str) -> Markup:
        return Markup(rendered_table.render(head=content[0], rows=content[1], name=name))

    offsets = _offsets(analysis, floors if isinstance(floors, Mapping) else {})
    warnings = _warnings(analysis)
    there = {
        "warnings": warnings, "floor": offsets, "trust": trust,
        "references": analysis.references, "data": data, "again": command,
    }  # fmt: skip
    page = environment.from_string(TEMPLATE).render(
        title=title, warnings=warnings,
        contents=[(id, name) for id, name in SECTIONS.items() if there.get(id, True)],
        subtitle=_subtitle(runs, analysis),
        verdicts=_verdicts(analysis, proposal),
        figures=[
            {"title": figure.title, "svg": inline(drawn, prefix=f"f{i}", label=figure.title)}
            for i, (figure, drawn) in enumerate(zip(figures, mapper(svg, figures)))
        ],
        skipped=[f"Not drawn: {one.name.replace('_', ' ')} ({one.reason})." for one in skipped],
        fitted=_fitted(analysis),
        fits=_unbroken(analysis.table()),
        offsets=offsets and _unbroken(offsets),
        offsets_note=_OFFSETS_NOTE,
        trusted=_trusted(trust) if trust else [],
        data=[data_section(one, f"d{i}-") for i, one in enumerate(data)],
        references=_references(analysis),
        references_note=_REFERENCES_NOTE,
        counts=_counts(runs, analysis),
        excluded=_excluded(analysis),
        excluded_note=_excluded_note(runs, analysis),
        method=method(analysis),
        checklist=checklist(runs, analysis, trust),
        facts=(["fact", "value"], [[name, _shown(value)] for name, value in facts.items()])
        if facts
        else None,
        command=command,
        table=table,
    )  # fmt: skip
    write_text(path, page)
    return path


def _bounded(value: object) -> object:
    """What is written into the page: names may be a megabyte long, or hold what turns a line around."""
    return value if isinstance(value, Markup) else shown(value, LONGEST_TEXT)


def _subtitle(runs: pd.DataFrame, analysis: Analysis) -> str:
    datasets = sorted(set(runs["dataset"].dropna())) if "dataset" in runs else []
    on = f" on {', '.join(map(str, datasets))}" if len(datasets) else ""
    return (
        f"{len(runs)} runs of {', '.join(analysis.groups)}{on}; {analysis.target} explained by "
        f"{analysis.law.formula}"
    )


def _verdicts(analysis: Analysis, proposal: str) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    for contest in analysis.contests:
        comparison = contest if isinstance(contest, Comparison) else contest.comparison
        further = [comparison.crossing_sentence()]
        if isinstance(contest, Versus):
            further = contest.sentences()[1:]
        decided = comparison.verdict != "not decided"
        winner = (
            comparison.candidate
            if comparison.verdict == "candidate cheaper"
            else comparison.baseline
        )
        head = (
            f"{winner} needs less compute for the same {analysis.target}"
            if decided
            else f"Not decided between {comparison.baseline} and {comparison.candidate}"
        )
        if proposal and not decided:
            further.append(f"What to run next, within a limit of compute C: {proposal}")
        out.append(
            {"decided": decided, "head": head, "text": comparison.sentence(), "further": further}
        )
    if not out:
        fitted = [name for name, group in analysis.groups.items() if group.fit]
        if len(fitted) >= 2:
            why = "The groups are not of one kind, or the law isn't one in compute alone."
        else:
            why = (
                f"A comparison needs two fitted groups; there is {' and '.join(fitted) or 'none'}."
            )
        out.append({"decided": False, "head": "Nothing was compared", "text": why, "further": []})
    return out


def _warnings(analysis: Analysis) -> list[str]:
    named = [
        f"{name}: {text}" for name, group in analysis.groups.items() for text in group.warnings
    ]
    return [*analysis.warnings, *named]


def _fitted(analysis: Analysis) -> str:
    how = (
        f"percentiles of {analysis.draws} resampled fits"
        if analysis.interval_method == "bootstrap"
        else "by profile likelihood, with Student's t"
    )
    return (
        f"{analysis.target} = {analysis.law.formula}; in brackets {analysis.level:.0%} intervals "
        f"({how}). Raw units: compute in FLOPs."
    )


_OFFSETS_NOTE = (
    "The floor is the best loss that any model could reach with everything readable; an offset "
    "fitted at a fixed length should be compared with the floor for that length."
)


def _offsets(analysis: Analysis, floors: Mapping[Any, Any]) -> Table | None:
    """Fitted offsets beside the known floors, each with its place in the offset's interval."""
    name = analysis.law.offset
    if name is None or not (floors or any(group.floor for group in analysis.groups.values())):
        return None
    rows = []
    for group in analysis.groups.values():
        low, high = group.fit.interval(analysis.level)[name] if group.fit else (nan, nan)
        value = number(group.fit.params[name]) if group.fit else MISSING
        known = [group.floor, *(float(floor) for floor in floors.values())]
        cells = [MISSING if floor is None else _placed(floor, low, high) for floor in known]
        rows.append([group.name, value, f"[{number(low)}, {number(high)}]", *cells])
    reading = [f"floor reading {what}" for what in floors]
    return ["group", f"fitted offset {name}", "interval", "known floor", *reading], rows


_REFERENCES_NOTE = (
    "Counted in one pass over the training part, not trained: no compute, no fit, no comparison. A "
    "model that does not beat them has learned no more than they have counted."
)


def _references(analysis: Analysis) -> Table | None:
    """Each reference's loss, and the groups whose best configuration does not beat it."""
    if not analysis.references:
        return None
    best = {n: float(g.configurations[analysis.target].min()) for n, g in analysis.groups.items()}
    rows = []
    for one in analysis.references:
        behind = [name for name, loss in best.items() if loss >= one.loss]
        rows.append([one.name, number(one.loss), ", ".join(behind) or "none"])
    return ["reference", f"{analysis.target}, test part", "groups that never beat it"], rows


def _trusted(trust: Trust) -> list[dict[str, Any]]:
    """Parts of the section on trust: a title, a sentence and a table each."""
    out: list[dict[str, Any]] = []
    for name, group in trust.groups.items():
        if group.held is None:
            out.append({"title": f"{name}: no hold-out", "text": group.reason, "table": None})
        else:
            title = f"{name}: the largest computes held out"
            held = group.held
            out.append({"title": title, "text": held.sentence(), "table": _unbroken(held.table())})
        found = group.selection
        title = f"{name}: laws by extrapolation error"
        out.append({"title": title, "text": found.sentence(), "table": _unbroken(found.table())})
    text = (
        "One choice at a time made otherwise. Under other settings multipliers rest on fewer draws."
    )
    table = _unbroken(trust.sensitivity.table())
    return [{"title": "Sensitivity", "text": text, "table": table}, *out]


def _unbroken(table: Table) -> Table:
    """Intervals keep to one line."""
    head, rows = table
    return head, [
        [_INTERVAL.sub(lambda one: one[0].replace(" ", "\u00a0"), cell) for cell in row]
        for row in rows
    ]


_INTERVAL = re.compile(r"\[[-+\w.–∞]+, [-+\w.–∞]+\]")


def _placed(floor: float, low: float, high: float) -> str:
    if not low <= high:
        return number(floor)
    place = "below" if floor < low else "above" if floor > high else "inside"
    return f"{number(floor)} ({place} the interval)"


def _counts(runs: pd.DataFrame, analysis: Analysis) -> Table:
    head = ["group", "runs", "configurations", "seeds each", "budgets", "compute (FLOPs)"]
    rows = []
    for group in analysis.groups.values():
        table = group.configurations
        seeds = sorted(set(table["num_seeds"]))
        budgets = str(table["budget"].nunique() or MISSING) if "budget" in table else MISSING
        compute = table["compute"].dropna() if "compute" in table else pd.Series(dtype=float)
        span = (
            f"{format_si(compute.min())} to {format_si(compute.max())}" if len(compute) else MISSING
        )
        each = f"{seeds[0]}" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}"
        rows.append([group.name, str(len(group.runs)), str(len(table)), each, budgets, span])
    used = sum(len(group.runs) for group in analysis.groups.values())
    for one in analysis.references:
        rows.append([f"{one.name} (reference)", str(one.runs), *[MISSING] * 4])
        used += one.runs
    rows.append(["left out", str(len(runs) - used), *[MISSING] * 4])
    return head, rows


def _excluded(analysis: Analysis) -> Table | None:
    table = analysis.excluded
    if table.empty:
        return None
    naming = [name for name in ("architecture", "configuration", "seed", "budget") if name in table]
    rows = [
        [str(row), *(_shown(line[name]) for name in naming), str(line["excluded"])]
        for row, line in table.head(MOST_EXCLUDED).iterrows()
    ]
    return ["row", *naming, "reason"], rows


def _excluded_note(runs: pd.DataFrame, analysis: Analysis) -> str:
    num = len(analysis.excluded)
    listed = f"; the first {MOST_EXCLUDED} are listed" if num > MOST_EXCLUDED else ""
    return f"{num} of {len(runs)} runs were left out{listed}:"


def _shown(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_shown(item)}" for key, item in value.items())
    if isinstance(value, float):
        return MISSING if value != value else f"{value:.6g}"
    return MISSING if value is None else str(value)
