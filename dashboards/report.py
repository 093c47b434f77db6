"""The one-page report: what was found, in words first, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from scaling.analysis.trust import Trust
from scaling.analysis.versus import Versus
from scaling.dashboards.checklist import checklist, method
from scaling.dashboards.data_section import DataShown, data_section
from scaling.dashboards.inline_svg import inline
from scaling.dashboards.page import TABLE, TEMPLATE
from scaling.dashboards.plain_text import shown
from scaling.dashboards.report_tables import (
    OFFSETS_NOTE,
    REFERENCES_NOTE,
    Table,
    as_text,
    counts,
    excluded,
    excluded_note,
    offsets_beside,
    references,
    unbroken,
)
from scaling.units import write_text

FLOOR_FACT = "loss_floor_at"
"""The fact that holds floors under restricted reading: what may be read, to the best loss."""
SECTIONS = {
    "figures": "Figures", "warnings": "Warnings", "laws": "Fitted laws",
    "floor": "Known floor and fitted offset", "trust": "How far to trust this",
    "references": "References", "data": "The data", "runs": "Runs",
    "method": "How this was counted and fitted", "again": "Make this page again",
}  # fmt: skip
"""Of the page, by the ids of their headings."""
LONGEST_TEXT, LONGEST_CELL = 1500, 240
"""Characters of any text in the page, and of one in a table's cell."""


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

    offsets = offsets_beside(analysis, floors if isinstance(floors, Mapping) else {})
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
        fits=unbroken(analysis.table()),
        offsets=offsets and unbroken(offsets),
        offsets_note=OFFSETS_NOTE,
        trusted=_trusted(trust) if trust else [],
        data=[data_section(one, f"d{i}-") for i, one in enumerate(data)],
        references=references(analysis),
        references_note=REFERENCES_NOTE,
        counts=counts(runs, analysis),
        excluded=excluded(analysis),
        excluded_note=excluded_note(runs, analysis),
        method=method(analysis),
        checklist=checklist(runs, analysis, trust),
        facts=(["fact", "value"], [[name, as_text(value)] for name, value in facts.items()])
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


def _trusted(trust: Trust) -> list[dict[str, Any]]:
    """Parts of the section on trust: a title, a sentence and a table each."""
    out: list[dict[str, Any]] = []
    for name, group in trust.groups.items():
        if group.held is None:
            out.append({"title": f"{name}: no hold-out", "text": group.reason, "table": None})
        else:
            title = f"{name}: the largest computes held out"
            held = group.held
            out.append({"title": title, "text": held.sentence(), "table": unbroken(held.table())})
        found = group.selection
        title = f"{name}: laws by extrapolation error"
        out.append({"title": title, "text": found.sentence(), "table": unbroken(found.table())})
    text = (
        "One choice at a time made otherwise. Under other settings multipliers rest on fewer draws."
    )
    table = unbroken(trust.sensitivity.table())
    return [{"title": "Sensitivity", "text": text, "table": table}, *out]
