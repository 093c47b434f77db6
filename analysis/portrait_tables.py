"""A data set in few numbers: tables for the terminal, facts for the report."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from scaling.portrait import DISTANCES, PAUSES, Counted, Ints, Portrait
from scaling.units import MISSING, format_share

QUANTILES = {"10 %": 0.1, "median": 0.5, "90 %": 0.9, "99 %": 0.99, "largest": 1.0}
TOPS = (0.001, 0.01, 0.1, 0.5)


@dataclass(frozen=True)
class PortraitTable:
    """Text, with a share per row that may be shown as a bar."""

    title: str
    columns: tuple[str, ...]
    """The first holds names, the others numbers."""
    rows: tuple[tuple[str, ...], ...]
    shares: tuple[float, ...] = ()
    """[rows], of 1; empty: there is nothing to show as bars."""


def portrait_tables(portrait: Portrait) -> list[PortraitTable]:
    """Lengths, popularity, behaviours by scenario, ties and repeats; those that have content."""
    tables = [_lengths(portrait), _popularity(portrait), _behaviours(portrait)]
    if portrait.pauses.any():
        tables.append(_pauses(portrait))
    if portrait.distances.any():
        tables.append(_repeats(portrait))
    return tables


def portrait_facts(portrait: Portrait) -> dict[str, str]:
    """The main facts, by name."""
    users, tied = portrait.users, portrait.tied_share()
    facts = {
        "counted": portrait.scope,
        "users": f"{users.total():,}",
        "items": f"{len(portrait.item_events):,}",
        "events": f"{portrait.events:,}",
        "time (UTC)": _period(portrait),
        "events per user": f"median {users.quantile(0.5):,}, largest {users.quantile(1.0):,}",
        "the most popular 1 % of the items": f"{format_share(portrait.top_share(0.01))} of events",
        "ties (pairs of a user's consecutive events of one second)": MISSING
        if tied is None
        else format_share(tied),
        "repeats (events of an item that the user met before)": format_share(
            portrait.repeated_share()
        ),
    }
    shares = portrait.behaviour_events.sum(0) / portrait.events
    facts |= {
        f"events with {name}": format_share(float(share))
        for name, share in zip(portrait.behaviours, shares, strict=True)
    }
    return {name: value for name, value in facts.items() if value}


def _period(portrait: Portrait) -> str:
    """From the first period to the end of the last, as far as a unit tells."""
    line = portrait.time_line
    if line is None:
        return "unknown"
    last = line.edges[-1] - np.timedelta64(1, "s")
    size = {"hour": 13, "day": 10, "month": 7, "year": 4}[line.unit]
    return f"{str(line.edges[0])[:size]} to {str(last)[:size]}"


def history_name(split: str) -> str:
    return f"{split} requests: events before"


def by_events(portrait: Portrait) -> Ints:
    """The scenarios that have events, those with the most first."""
    order = np.argsort(-portrait.scenario_events, kind="stable")
    met: Ints = order[portrait.scenario_events[order] > 0]
    return met


def pause_names() -> tuple[str, ...]:
    return (*PAUSES, "longer")


def distance_names() -> tuple[str, ...]:
    """`1`, `2 to 4`, ..., `more than 4,096`."""
    lows = [1, *(high + 1 for high in DISTANCES[:-1])]
    names = [
        f"{low:,}" if low == high else f"{low:,} to {high:,}" for low, high in zip(lows, DISTANCES)
    ]
    return (*names, f"more than {DISTANCES[-1]:,}")


def _lengths(portrait: Portrait) -> PortraitTable:
    def row(label: str, one: Counted) -> tuple[str, ...]:
        none = float(one.counts[one.values == 0].sum() / one.total())
        numbers = [f"{one.quantile(share):,}" for share in QUANTILES.values()]
        return (label, f"{one.total():,}", f"{one.mean():,.1f}", *numbers, format_share(none))

    return PortraitTable(
        "lengths",
        ("what", "count", "mean", *QUANTILES, "none"),
        (
            row("users: events", portrait.users),
            *(row(history_name(one.name), one) for one in portrait.histories),
        ),
    )


def _popularity(portrait: Portrait) -> PortraitTable:
    shares = tuple(portrait.top_share(top) for top in TOPS)
    return PortraitTable(
        f"popularity of the {len(portrait.item_events):,} items that have events",
        ("items", "number", "events of the last", "share of events"),
        tuple(
            (
                f"top {100 * top:g} %",
                f"{portrait.top_items(top):,}",
                f"{portrait.item_events[portrait.top_items(top) - 1]:,}",
                format_share(share),
            )
            for top, share in zip(TOPS, shares)
        ),
        shares,
    )


def _behaviours(portrait: Portrait) -> PortraitTable:
    order = by_events(portrait)

    def row(label: str, events: int, with_each: Ints) -> tuple[str, ...]:
        each = (format_share(float(one / events)) for one in with_each)
        return (label, f"{events:,}", format_share(events / portrait.events), *each)

    rows = [
        row(portrait.scenarios[s], int(portrait.scenario_events[s]), portrait.behaviour_events[s])
        for s in order
    ]
    shares = [float(portrait.scenario_events[s] / portrait.events) for s in order]
    if len(order) > 1:
        rows.insert(0, row("all", portrait.events, portrait.behaviour_events.sum(0)))
        shares.insert(0, 1.0)
    return PortraitTable(
        "share of each scenario's events that have each behaviour",
        ("scenario", "events", "share of events", *portrait.behaviours),
        tuple(rows),
        tuple(shares),
    )


def _pauses(portrait: Portrait) -> PortraitTable:
    pairs = int(portrait.pauses.sum())
    return _classes(
        "time from one event to the user's next, where both are known",
        ("time", "pairs", "share", "so far"),
        pause_names(),
        portrait.pauses,
        pairs,
    )


def _repeats(portrait: Portrait) -> PortraitTable:
    return _classes(
        f"repeats: {format_share(portrait.repeated_share())} of events are of an item that the "
        "user met before",
        ("how many events ago", "events", "share of all events", "so far"),
        distance_names(),
        portrait.distances,
        portrait.events,
    )


def _classes(
    title: str, columns: tuple[str, ...], names: tuple[str, ...], counts: Ints, whole: int
) -> PortraitTable:
    """A row for each class up to the last that occurs."""
    last = int(np.flatnonzero(counts)[-1]) + 1
    shares, passed = counts[:last] / whole, np.cumsum(counts[:last]) / whole
    rows = tuple(
        (name, f"{count:,}", format_share(float(share)), format_share(float(so_far)))
        for name, count, share, so_far in zip(names, counts[:last], shares, passed)
    )
    return PortraitTable(title, columns, rows, tuple(shares.tolist()))
