"""What the page says beside the figure: the verdict, the state of reading, one run's details."""

from __future__ import annotations

from typing import Any

from dash import html

from scaling.analysis.comparison import Comparison
from scaling.analysis.figure import Skipped
from scaling.analysis.findings import Analysis
from scaling.dashboards.explorer_desk import Desk, Selected, Shown, Work
from scaling.dashboards.explorer_drawing import fitted_only
from scaling.dashboards.explorer_layout import table
from scaling.dashboards.explorer_words import details, run_ids, short

MOST_FINDINGS = 4
"""Comparisons that are shown; the others can be opened."""
LONG = 40
"""Characters from which on a value takes a line of its own."""


def verdict(shown: Shown) -> list[Any]:
    """The verdicts in words, then the table of fits and the warnings."""
    if shown.fit is None and shown.analysis is None:
        return [html.P("Nothing to fit: no run is shown.")]
    if shown.fit is None:
        return [html.P("The fit is made in the background; the points stand above.")]
    analysis = shown.fit.analysis
    if analysis is None:
        return [
            html.P(f"No fit: {shown.fit.problem}."),
            html.P("Choose another law, metric or cost, or let more runs pass the filters."),
        ]
    out: list[Any] = []
    if not shown.fresh:
        out.append(
            html.P("Of fewer runs than are shown: it is made again in a moment.", className="muted")
        )
    out += _findings(analysis)
    head, rows = analysis.table()
    out.append(table(head, rows, "Fitted laws"))
    warnings = [*analysis.warnings]
    for name, group in analysis.groups.items():
        warnings += [f"{short(name)}: {text}" for text in group.warnings if text]
    warnings += [one.sentence(analysis.target) for one in analysis.references]
    if warnings:
        out.append(html.Ul([html.Li(text) for text in warnings], className="muted"))
    return out


def _findings(analysis: Analysis) -> list[Any]:
    out = []
    for contest in analysis.contests:
        found = contest if isinstance(contest, Comparison) else contest.comparison
        texts = (
            [found.sentence(), found.crossing_sentence()]
            if isinstance(contest, Comparison)
            else contest.sentences()
        )
        decided = " decided" if found.verdict != "not decided" else ""
        out.append(
            html.Div(
                [
                    html.P(html.Strong(texts[0])),
                    *(html.P(text, className="muted") for text in texts[1:]),
                ],
                className=f"finding{decided}",
            )
        )
    if len(out) > MOST_FINDINGS:
        more = html.Summary(f"{len(out) - MOST_FINDINGS} more comparisons")
        out[MOST_FINDINGS:] = [html.Details([more, *out[MOST_FINDINGS:]])]
    if out:
        return out
    if analysis.law.variables != ("compute",) or analysis.law.increasing:
        why = f"law {analysis.law.name} isn't one of a loss in compute alone"
    else:
        why = "a comparison needs two fitted groups on one data set"
    return [html.P(f"Nothing was compared: {why}.")]


def status(selected: Selected, shown: Shown, work: Work) -> str:
    """One line: how many runs there are and are shown, and how far the fit is."""
    snapshot = selected.snapshot
    if not any(selected.state.sweeps):
        return "No sweep is chosen."
    if snapshot.runs.empty:
        return "No run yet." if snapshot.complete else "Reading runs ..."
    used = sum(len(group.runs) for group in shown.analysis.groups.values()) if shown.analysis else 0
    parts = [f"{used:,} of {len(snapshot.runs):,} runs in the figure"]
    left_out = len(selected.runs) - used
    if len(selected.runs) < len(snapshot.runs):
        parts.append(f"{len(snapshot.runs) - len(selected.runs):,} filtered out")
    if shown.analysis and left_out > len(shown.analysis.references):
        parts.append(_left_out(shown.analysis))
    if snapshot.reading:
        parts.append(snapshot.reading)
    elif work == "begun":
        parts.append("being fitted")
    elif work == "cancelled":
        parts.append("the fit was cancelled: Refit makes it")
    elif shown.fit is not None and shown.fresh:
        parts.append("fit is up to date" if shown.fit.fits else "no fit can be made")
    return "; ".join(parts)


def _left_out(analysis: Analysis) -> str:
    # Behind the colon stands the value of each run.
    reasons = analysis.excluded["excluded"].map(str).str.partition(":")[0]
    counts = reasons.value_counts()
    listed = ", ".join(f"{count} {short(str(why), 60)}" for why, count in counts.head(2).items())
    more = f", {len(counts) - 2} other reasons" if len(counts) > 2 else ""
    return f"left out: {listed}{more}"


def empty(selected: Selected, shown: Shown) -> list[Any]:
    """What stands in place of a figure, and what to do; nothing where there is one."""
    if not isinstance(shown.drawing, Skipped):
        return []
    snapshot = selected.snapshot
    if not any(selected.state.sweeps):
        return [
            html.P(html.Strong("Choose a sweep on the left.")),
            html.P(["None there? ", html.Code("climber sweep quickstart"), " makes one."]),
        ]
    if snapshot.runs.empty and not snapshot.complete:
        return [html.P("Reading runs ...")]
    if snapshot.runs.empty:
        return [
            html.P(html.Strong("This sweep has no finished run yet.")),
            html.P("Its points appear here as trials finish; nothing needs to be reloaded."),
            html.P([html.Code("climber status SWEEP"), " shows how far it is."]),
        ]
    if selected.runs.empty:
        return [
            html.P(html.Strong("No run passes the filters.")),
            html.P("Check an architecture, widen a filter, or press “Show all runs”."),
        ]
    cure = "Choose another figure, metric or cost, or let all runs pass: “Show all runs”."
    if shown.fit is None and fitted_only(selected.state.figure):
        cure = "It appears here when the fit is ready."
    return [
        html.P([html.Strong("Nothing to draw: "), shown.drawing.reason, "."]),
        html.P(cure),
    ]


def run_details(desk: Desk, selected: Selected) -> list[Any]:
    """All that is known of the chosen run, with a link into MLflow."""
    wanted = selected.state.run
    if not wanted:
        return [html.P("Click a point, or choose a run, to see everything about it.")]
    runs = selected.snapshot.runs
    ids = run_ids(runs)
    rows = runs[ids == wanted]
    if rows.empty and "configuration" in runs:  # a point of a mean: the first of its seeds
        rows = runs[runs["configuration"].astype(object).astype(str) == wanted]
    if rows.empty:
        return [html.P(f"No run {short(wanted)!r} among those that were read.")]
    row = rows.iloc[0].to_dict()
    link = desk.feed.link(str(row.get("sweep") or ""), str(row.get("run_id") or ""))
    parts = link.words.split("`")  # what stands between a pair is a command
    head: Any = html.P([html.Code(p) if k % 2 else p for k, p in enumerate(parts)])
    if link.address:
        head = html.P(
            html.A("Open in MLflow", href=link.address, target="_blank", rel="noopener noreferrer")
        )
    pairs = details({str(name): value for name, value in row.items()})
    return [
        head,
        html.Dl(
            [
                html.Div(
                    [html.Dt(name), html.Dd(text, dir="auto")],
                    className="long" if len(text) > LONG else "",
                )
                for name, text in pairs
            ]
        ),
    ]
