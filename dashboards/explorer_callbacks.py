"""What happens when something changes: each function is a callback, and can be called as it is."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from dash import no_update

from scaling.analysis.figure import Skipped
from scaling.analysis.figure_table import figure_table
from scaling.analysis.plots import svg
from scaling.dashboards.explorer_choosing import (
    Controls,
    Panel,
    from_address,
    from_controls,
    panel_of,
)
from scaling.dashboards.explorer_desk import Desk, Selected
from scaling.dashboards.explorer_showing import empty, status, verdict
from scaling.dashboards.explorer_state import State as Chosen
from scaling.dashboards.explorer_words import hover_of
from scaling.dashboards.plotly_figure import plotly_figure

REST_SECONDS = 10.0
"""Between two fits that nobody asked for, of a sweep that runs."""


@dataclass(frozen=True)
class Page:
    """What the page's outputs hold."""

    figure: dict[str, Any] | None
    """None: there is nothing to draw."""
    height: int
    """Of the figure, in pixels."""
    title: str
    empty: list[Any]
    """What stands in the figure's place."""
    notes: list[str]
    verdict: list[Any]


class Callbacks:
    """Bound to what the server knows."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk

    def choose(
        self,
        search: str | None,
        controls: Controls,
        before: Mapping[str, Any] | None,
        triggered: str,
        clicked: Mapping[str, Any] | None = None,
    ) -> Panel:
        """The state after a change; `triggered` names the element that changed, empty at first."""
        if before is None or triggered in ("", "url"):
            return from_address(self.desk, search or "")
        state = Chosen.from_dict(before)
        if triggered == "revision":
            return panel_of(self.desk, state)
        if triggered == "reset":
            return panel_of(self.desk, replace(state, filters={}, architectures=()))
        if triggered == "figure":
            run = clicked_run(clicked)
            controls = Controls(
                {**controls.form, "run": run or state.run}, controls.sweeps,
                controls.architectures, controls.values, controls.ranges, controls.offered,
            )  # fmt: skip
        return from_controls(self.desk, controls, state)

    def show(self, state: Mapping[str, Any], theme: str) -> Page:
        """What the page shows of a state."""
        selected = self.desk.selected(Chosen.from_dict(state))
        shown = self.desk.shown(selected)
        if isinstance(shown.drawing, Skipped):
            return Page(None, 0, "", empty(selected, shown), [], verdict(shown))
        chosen = selected.state
        figure = plotly_figure(
            shown.drawing, dark=theme == "dark", hover=hover_of(selected.runs, chosen.metric)
        )
        # What was zoomed to stays as long as the axes mean the same.
        figure["layout"]["uirevision"] = f"{chosen.figure} {chosen.cost} {chosen.metric}"
        figure["layout"]["meta"] = {"name": shown.drawing.name}
        height = int(figure["layout"].get("height", 450))
        notes = list(getattr(shown.drawing, "notes", ()))
        return Page(figure, height, shown.drawing.title, [], notes, verdict(shown))

    def status(
        self, state: Mapping[str, Any], order: Mapping[str, Any] | None, cancelled: bool = False
    ) -> tuple[str, bool]:
        """One line about runs and fit, and whether a fit is being made.

        Args:
            state: of the page.
            order: the latest of it.
            cancelled: whether the user has just cancelled that.
        """
        selected = self.desk.selected(Chosen.from_dict(state))
        key = str((order or {}).get("key", ""))
        if cancelled:
            self.desk.cancel(key)
        work = self.desk.work(key)
        return status(selected, self.desk.shown(selected), work), work == "begun"

    def pulse(
        self,
        state: Mapping[str, Any],
        revision: str | None,
        order: Mapping[str, Any] | None,
        running: bool,
        refit: int,
    ) -> tuple[Any, Any]:
        """Whether the runs or the sweeps there are have changed, and the order of a fit that is to be made."""
        selected = self.desk.selected(Chosen.from_dict(state))
        snapshot = selected.snapshot
        try:
            offered = " ".join(self.desk.feed.sweeps())
        except ValueError as error:
            offered = str(error)
        now = json.dumps([snapshot.version, snapshot.complete, snapshot.problem, offered])
        return now if now != revision else no_update, self.order(selected, order, running, refit)

    def order(
        self,
        selected: Selected,
        last: Mapping[str, Any] | None,
        running: bool,
        refit: int | None = None,
    ) -> Any:
        """The order of a fit, as the page keeps it; no update where none is to be made.

        Args:
            selected: what is to be fitted.
            last: the order before.
            running: whether that one is being worked on.
            refit: how often the user has asked; None: nobody was asked.
        """
        last = last or {}
        if last.get("desk") != self.desk.name:  # of a server that has ended: nobody works on it
            last = {"refit": last.get("refit", 0)}
        asked = last.get("refit", 0) if refit is None else refit
        forced = asked != last.get("refit", 0)
        if not selected.snapshot.complete or selected.runs.empty:
            return no_update
        key = self.desk.key(selected)
        if not forced and key == last.get("key"):
            return no_update
        # Another question is answered at once; more runs of the same one after a rest.
        question = {**selected.state.to_dict(), "run": "", "figure": ""}
        rested = time.time() - float(last.get("time", 0.0)) > REST_SECONDS
        if not forced and question == last.get("state") and (running or not rested):
            return no_update
        self.desk.order(selected, again=forced)
        return {
            "key": key, "state": question, "time": time.time(), "refit": asked,
            "desk": self.desk.name,
        }  # fmt: skip

    def figure_file(self, state: Mapping[str, Any]) -> dict[str, Any] | None:
        """The figure as it goes into a paper: an SVG made by matplotlib."""
        drawn = self.desk.shown(self.desk.selected(Chosen.from_dict(state))).drawing
        if isinstance(drawn, Skipped):
            return None
        return {
            "content": svg(drawn),
            "filename": f"{drawn.name}_print.svg",
            "type": "image/svg+xml",
        }

    def data_file(self, state: Mapping[str, Any]) -> dict[str, Any] | None:
        """The data behind the figure as CSV."""
        drawn = self.desk.shown(self.desk.selected(Chosen.from_dict(state))).drawing
        if isinstance(drawn, Skipped):
            return None
        text = figure_table(drawn).to_csv(index=False)
        return {"content": text, "filename": f"{drawn.name}.csv", "type": "text/csv"}


def clicked_run(clicked: Mapping[str, Any] | None) -> str:
    """The run or configuration of the point that was clicked; empty where it shows none."""
    points = (clicked or {}).get("points") or []
    found = points[0].get("customdata") if points else None
    if isinstance(found, list | tuple):
        found = found[0] if found else None
    return "" if found is None else str(found)
