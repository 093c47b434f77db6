"""Figures of a data set: lengths, popularity, behaviours by scenario, time line, ties, repeats."""

from __future__ import annotations

import numpy as np

from scaling.analysis.bars import BarPanel, Bars, TimeBars
from scaling.analysis.figure import Figure, Layer, Panel, Skipped
from scaling.analysis.figures import Drawing
from scaling.analysis.law import Array
from scaling.analysis.portrait_tables import (
    by_events,
    distance_names,
    history_name,
    pause_names,
)
from scaling.analysis.temperatures import HeatMap, HeatPanel
from scaling.portrait import Portrait
from scaling.units import file_name, format_share

POINTS = 400
"""Most points of a curve."""
TOP = 0.01
"""The share of the items whose events are named."""
MOST_SCENARIOS = 24
STRONGEST = 8.0
"""From this many times a behaviour's share on, either way, colours are the strongest."""


def portrait_figures(portrait: Portrait) -> tuple[list[Drawing], list[Skipped]]:
    """What there is to draw; each figure that has nothing to show, with the reason."""
    found: list[Drawing | Skipped] = [
        _lengths(portrait),
        _popularity(portrait),
        _behaviours(portrait),
        _time_line(portrait),
        _ties_and_repeats(portrait),
    ]
    return (
        [one for one in found if not isinstance(one, Skipped)],
        [one for one in found if isinstance(one, Skipped)],
    )


def _name(portrait: Portrait, what: str) -> str:
    return file_name(f"{portrait.dataset}_{what}")


def _notes(portrait: Portrait, *notes: str) -> tuple[str, ...]:
    scope = f"Counted: {portrait.scope}." if portrait.scope else ""
    return tuple(note for note in (*notes, scope) if note)


def _lengths(portrait: Portrait) -> Figure:
    layers, labels = [], []
    for counted in (portrait.users, *portrait.histories):
        label = "users: events" if counted is portrait.users else history_name(counted.name)
        positive = counted.values > 0  # a logarithmic axis has no place for 0
        x, y = counted.values[positive].astype(float), counted.at_least()[positive]
        if x.size:
            layers.append(_curve(counted.name, x, y))
            labels.append(f"{label} (median {counted.quantile(0.5):,})")
    return Figure(
        name=_name(portrait, "lengths"),
        title=f"{portrait.dataset}: how long histories are",
        x_label="number of events",
        y_label="share with at least so many",
        panels=(Panel("", tuple(layers)),),
        keys=tuple(layer.key for layer in layers),
        labels=tuple(labels),
        ordered=False,
        frontier="",
        notes=_notes(portrait, "A request's history: all events of its user before it."),
    )


def _popularity(portrait: Portrait) -> Figure:
    events = portrait.item_events
    top = portrait.top_items(TOP)
    ranks = np.arange(1.0, len(events) + 1)
    mark = Layer("frontier", "items", np.array([float(top)]), np.array([float(events[top - 1])]))
    unmet = portrait.items - len(events)
    return Figure(
        name=_name(portrait, "popularity"),
        title=f"{portrait.dataset}: how popular items are",
        x_label="rank of the item by its events",
        y_label="events of the item",
        panels=(Panel("", (_curve("items", ranks, events.astype(float)), mark)),),
        keys=("items",),
        labels=(f"{len(events):,} items",),
        ordered=False,
        frontier=f"the top {100 * TOP:g} % ({top:,}) have "
        f"{format_share(portrait.top_share(TOP))} of the events",
        notes=_notes(portrait, f"{unmet:,} further items have no event." if unmet else ""),
    )


def _curve(key: str, x: Array, y: Array) -> Layer:
    """At most `POINTS` of the points, evenly spaced on a logarithmic axis, the ends included."""
    places = np.arange(len(x))
    if len(x) > POINTS:
        wanted = np.geomspace(x[0], x[-1], POINTS)
        places = np.unique(np.append(np.searchsorted(x, wanted * (1 - 1e-9)), [0, len(x) - 1]))
    return Layer("curve", key, np.asarray(x, float)[places], np.asarray(y, float)[places])


def _behaviours(portrait: Portrait) -> HeatMap | Bars | Skipped:
    name = _name(portrait, "behaviours")
    if not portrait.behaviours:
        return Skipped(name, "the data set has no behaviours")
    order = by_events(portrait)
    title = f"{portrait.dataset}: share of events with each behaviour"
    if len(order) == 1:  # nothing to compare: a map of one row would say less than bars
        shares = portrait.behaviour_events.sum(0) / portrait.events
        plain = BarPanel(portrait.scenarios[order[0]], portrait.behaviours, shares)
        return Bars(name, title, (plain,), _notes(portrait))
    drawn = order[:MOST_SCENARIOS]
    overall = portrait.behaviour_events.sum(0) / portrait.events
    shares = portrait.behaviour_events[drawn] / portrait.scenario_events[drawn, None]
    rows = [_row(portrait, scenario) for scenario in drawn]
    shares, rows = np.vstack([overall, shares]), ["all scenarios", *rows]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(overall > 0, shares / overall, 1.0)
    left = portrait.scenario_events[order[MOST_SCENARIOS:]].sum()
    unused = len(portrait.scenarios) - len(order)
    panel = HeatPanel(
        title="",
        rows=tuple(rows),
        columns=portrait.behaviours,
        values=np.clip(ratios, 1 / STRONGEST, STRONGEST),
        texts=tuple(tuple(format_share(float(share)) for share in row) for row in shares),
    )
    return HeatMap(
        name=name,
        title=title,
        x_label="behaviour",
        y_label="scenario",
        panels=(panel,),
        strongest=STRONGEST,
        notes=_notes(
            portrait,
            "In brackets: the scenario's share of all events. Orange: the behaviour is more frequent "
            f"than in all scenarios together, violet: less; the strongest from {STRONGEST:.0f} "
            "times on.",
            f"{len(order) - MOST_SCENARIOS:,} further scenarios, "
            f"{format_share(float(left / portrait.events))} of the events, are not drawn."
            if left
            else "",
            f"{unused:,} scenarios without events are not drawn." if unused else "",
        ),
    )


def _row(portrait: Portrait, scenario: int) -> str:
    share = float(portrait.scenario_events[scenario] / portrait.events)
    return f"{portrait.scenarios[scenario]} ({format_share(share)})"


def _time_line(portrait: Portrait) -> TimeBars | Skipped:
    name, line = _name(portrait, "time_line"), portrait.time_line
    if line is None:
        return Skipped(name, "no event has a known time")
    marks: tuple[tuple[str, np.datetime64], ...] = ()
    if line.cut_times is not None:
        validation, test = (np.datetime64(second, "s") for second in line.cut_times)
        marks = (("validation begins", validation), ("test begins", test))
    unknown = f"{portrait.unknown_times:,} events of unknown time are left out."
    return TimeBars(
        name=name,
        title=f"{portrait.dataset}: events per {line.unit}",
        y_label=f"events per {line.unit}",
        starts=line.edges,
        counts=line.events.astype(float),
        marks=marks,
        notes=_notes(
            portrait,
            f"The first {line.unit} and the last need not be whole.",
            "" if marks else "The split isn't one in time, so no cut is drawn.",
            unknown if portrait.unknown_times else "",
        ),
    )


def _ties_and_repeats(portrait: Portrait) -> Bars | Skipped:
    name, panels, notes = _name(portrait, "ties_and_repeats"), [], []
    tied = portrait.tied_share()
    if tied is None:
        notes.append("No user has two events of known time.")
    else:
        shares = portrait.pauses / portrait.pauses.sum()
        panels.append(BarPanel("Time from one event to the next", pause_names(), shares))
        notes.append(
            f"Ties: {format_share(tied)} of the {portrait.pauses.sum():,} pairs of a user's "
            "consecutive events of known time are of one second."
        )
    repeated = portrait.repeated_share()
    if repeated:
        shares = portrait.distances / portrait.events
        panels.append(BarPanel("Events since the same item", distance_names(), shares))
    if not panels:
        return Skipped(name, "no user has two events of known time, and no item is met twice")
    notes.append(
        f"Repeats: {format_share(repeated)} of the {portrait.events:,} events are of an item that "
        "the user met before."
        if repeated
        else "No event is of an item that the user met before."
    )
    return Bars(
        name=name,
        title=f"{portrait.dataset}: ties and repeats",
        panels=tuple(panels),
        notes=_notes(portrait, *notes),
    )
