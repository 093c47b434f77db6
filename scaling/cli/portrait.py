"""What a data set looks like, in the terminal: small tables with bars, and a time line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scaling.analysis.portrait_tables import PortraitTable
    from scaling.portrait import Portrait, TimeLine

BAR = 16
"""Characters of the longest bar of a table."""
LINE = 60
"""Most characters of a time line."""
_EIGHTHS = "▏▎▍▌▋▊▉█"
_HEIGHTS = "▁▂▃▄▅▆▇█"


def show_portrait(portrait: Portrait) -> None:
    """Tables and time line; says what of the data set was counted."""
    from scaling.analysis.portrait_tables import portrait_tables

    if portrait.scope:
        click.echo(f"counted: {portrait.scope}")
    for table in portrait_tables(portrait):
        _show(table)
    if not portrait.repeated_share():
        click.echo("repeats: no event is of an item that its user met before")
    if portrait.time_line is None:
        click.echo("no time line: no event has a known time")
    else:
        click.echo("\n".join(time_line_text(portrait.time_line)))
    if portrait.unknown_times:
        click.echo(f"{portrait.unknown_times:,} events of unknown time are in neither of these")


def _show(table: PortraitTable) -> None:
    from scaling.cli.output import print_table

    columns, rows = list(table.columns), [list(row) for row in table.rows]
    if table.shares:
        for row, share in zip(rows, table.shares, strict=True):
            row.insert(1, bar(share / max(table.shares)))
        columns.insert(1, "")
    print_table(table.title, columns, rows, words=2 if table.shares else 1)


def bar(share: float) -> str:
    """A share of the longest bar, of at most `BAR` characters, exact to an eighth of one; what is above
    0 shows."""
    eighths = max(round(share * BAR * 8), int(share > 0))
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest - 1] if rest else "")


def time_line_text(line: TimeLine) -> list[str]:
    """A row of heights, and one that shows where validation (v) and test (t) begin.

    A character stands for one period, or for several of a long time line; its height for their
    events, relative to the most that a character has.
    """
    import numpy as np

    each = -(-len(line.events) // LINE)
    sums = np.add.reduceat(line.events, np.arange(0, len(line.events), each))
    tallest = len(_HEIGHTS) - 1
    heights = "".join(
        _HEIGHTS[round(tallest * float(count / sums.max()))] if count else " " for count in sums
    )
    first, last = line.edges[0], line.edges[-1] - np.timedelta64(1, "s")
    periods = line.unit if each == 1 else f"{each} {line.unit}s"
    text = [
        f"events per {periods}, {_day(first)} to {_day(last)} (UTC), at most {sums.max():,}",
        f"  {heights}",
    ]
    if line.cut_times is not None:
        marks, named = [" "] * len(sums), []
        for letter, part, seconds in zip("vt", ("validation", "test"), line.cut_times):
            time = np.datetime64(seconds, "s")
            place = (int(np.searchsorted(line.edges, time, side="right")) - 1) // each
            if 0 <= place < len(sums):
                both = marks[place] != " "
                marks[place] = "x" if both else letter
            named.append(f"{part} ({letter}) from {str(time).replace('T', ' ')}")
        both_note = "; x: both" if "x" in marks else ""
        text += ["  " + "".join(marks).rstrip(), f"{', '.join(named)}{both_note}"]
    return text


def _day(time: object) -> str:
    return str(time)[:10]
