"""What the page's elements are told after a choice: the controls, and what is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dash import html, no_update

from scaling.dashboards import explorer_layout
from scaling.dashboards.explorer_callbacks import Callbacks
from scaling.dashboards.explorer_choosing import Controls, Panel
from scaling.dashboards.explorer_layout import SELECTS

DRAWN = 7
"""Outputs that the figure takes. They are in the answer to a choice: a second answer would cost the
page a tenth of a second."""


def drawn(calls: Callbacks, state: Mapping[str, Any], theme: str | None) -> tuple[Any, ...]:
    """Figure, its style and title, what stands in its place, whether that is hidden, notes, verdict."""
    page = calls.show(state, theme or "light")
    style = {"height": f"{page.height}px"} if page.figure else {"display": "none"}
    return (
        no_update if page.figure is None else page.figure, style, page.title, page.empty,
        not page.empty, [html.P(text) for text in page.notes], page.verdict,
    )  # fmt: skip


def answer(
    panel: Panel,
    search: str | None,
    before: Mapping[str, Any] | None,
    spec: Mapping[str, Any],
    controls: Controls,
    kept: bool,
    seen: Mapping[str, Any],
) -> tuple[Any, ...]:
    """What the page's elements are told: nothing where they hold it already, so that a control
    that is being used stays as it is.

    Args:
        panel: what they are to hold.
        search, before, spec, controls: what they hold.
        kept: whether nobody has chosen anything: what was wrong with the address still is.
        seen: what has been answered, so that it is told from what is new.
    """
    state, now = panel.state.to_dict(), {**panel.spec(), **seen}
    if kept or state == before:
        now["told"] = list(dict.fromkeys([*spec.get("told", ()), *now["told"]]))
    # A source that is lost comes back by itself: that it is, nobody has to remember.
    told = dict.fromkeys([*now["told"], panel.problem, panel.selected.snapshot.problem])
    moved = now["axes"] != spec.get("axes") or before is None or not panel.stands(controls)
    offered = [{"label": name, "value": name} for name in now["sweeps"]]
    kinds = [{"label": name, "value": name} for name in now["architectures"]]
    address = panel.state.search()
    selects = [
        explorer_layout.options(now[key]) if now[key] != spec.get(key) else no_update
        for key, _ in SELECTS.values()
    ]
    runs = dict(panel.runs)
    selects.append(
        explorer_layout.options(runs, "none chosen")
        if now["runs"] != spec.get("runs")
        else no_update
    )
    return (
        address if address != (search or "") else no_update,
        state if state != before else no_update,
        now if now != spec else no_update,
        panel.form() if panel.form() != dict(controls.form) else no_update,
        offered if now["sweeps"] != spec.get("sweeps") else no_update,
        list(panel.state.sweeps),
        kinds if now["architectures"] != spec.get("architectures") else no_update,
        panel.checked(),
        explorer_layout.filters(panel.axes, panel.state.filters) if moved else no_update,
        [html.P(text) for text in told if text],
        panel.runs_note,
        *selects,
    )
