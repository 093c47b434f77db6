"""From the controls and the address to the state, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from scaling.dashboards.explorer_choices import SINGLE, rises
from scaling.dashboards.explorer_desk import Desk, Selected
from scaling.dashboards.explorer_filters import Axis, axes_of
from scaling.dashboards.explorer_state import NOTHING, RANGE, State, parse
from scaling.dashboards.explorer_words import run_list, short


@dataclass(frozen=True)
class Controls:
    """What the page's controls hold."""

    form: Mapping[str, str]
    """Name in the state to value, of the native selects."""
    sweeps: Sequence[str]
    architectures: Sequence[str]
    values: Mapping[str, Sequence[str]]
    """By axis: what is checked."""
    ranges: Mapping[str, tuple[str, str]]
    """By axis: what is typed as lowest and highest."""
    offered: Mapping[str, Any]
    """What the page offers (`Panel.spec`): boxes that stand there, whatever is known by now."""


@dataclass(frozen=True)
class Panel:
    """What the controls are to hold."""

    state: State
    selected: Selected
    sweeps: Sequence[str]
    axes: Sequence[Axis]
    runs: Sequence[tuple[str, str]]
    runs_note: str
    told: tuple[str, ...]
    """What is wrong with the address, in sentences."""
    problem: str = ""
    """Why the source can't say now what there is, with the cure."""

    def spec(self) -> dict[str, Any]:
        """What the controls offer, to tell whether they must be made anew."""
        return {
            "sweeps": list(self.sweeps),
            **{name: dict(getattr(self.selected.choices, name)) for name in SINGLE},
            "architectures": list(self.selected.choices.architectures),
            "runs": [list(one) for one in self.runs],
            # Ranges grow while a sweep runs, and need no new fields for that.
            "axes": {axis.name: list(axis.values) for axis in self.axes},
            "told": list(self.told),
        }

    def form(self) -> dict[str, str]:
        """What the native selects are to show."""
        return {name: getattr(self.state, name) for name in (*SINGLE, "run")}

    def stands(self, controls: Controls) -> bool:
        """Whether the filters of the page hold what the state says."""
        for axis in self.axes:
            held = self.state.filters.get(axis.name)
            if axis.values and set(controls.values.get(axis.name, ())) != {
                one for one in held or axis.values if one in axis.values
            }:
                return False
            if not axis.values:
                low, high = controls.ranges.get(axis.name, ("", ""))
                if f"{low.strip()}{RANGE}{high.strip()}" != (held or [RANGE])[0]:
                    return False
        return True

    def checked(self) -> list[str]:
        """Architectures that are checked: all of them where the state names none."""
        return list(self.state.architectures or self.selected.choices.architectures)


def panel_of(desk: Desk, wanted: State, told: Sequence[str] = ()) -> Panel:
    """The controls for a wanted state, with what of it means nothing."""
    found, problem = list(told), ""
    try:
        offered = list(desk.feed.sweeps())
    except ValueError as error:
        offered, problem = [], str(error)
    if not wanted.sweeps:
        only = tuple(offered) if len(offered) == 1 else ()
        wanted = replace(wanted, sweeps=desk.sweeps or only)
    elif offered:
        for name in wanted.sweeps:
            if name not in (*offered, NOTHING):
                listed = ", ".join(short(one) for one in offered[:20])
                found.append(f"There is no sweep {short(name)!r}; there are: {listed}.")
        there = tuple(one for one in wanted.sweeps if one in offered)
        wanted = replace(wanted, sweeps=there or (NOTHING,))
    selected = desk.selected(wanted)
    runs, note = run_list(selected.runs, selected.state.metric, rises(selected.state.metric))
    shown = selected.state.run
    if shown and shown not in {one for one, _ in runs}:
        runs = [(shown, f"run {short(shown, 40)}"), *runs]
    return Panel(
        selected.state, selected, offered, axes_of(selected.snapshot.runs), runs, note,
        (*found, *selected.told), problem,
    )  # fmt: skip


def from_address(desk: Desk, search: str) -> Panel:
    """The controls for an address that was opened."""
    state, told = parse(search)
    return panel_of(desk, state, told)


def from_controls(desk: Desk, controls: Controls, before: State) -> Panel:
    """The controls after one of them was changed.

    Args:
        desk: knows the runs.
        controls: as they are now.
        before: the state until now: of what a control doesn't show, it stays.
    """
    single = {
        name: str(controls.form[name]) for name in (*SINGLE, "run") if controls.form.get(name)
    }
    if "run" in controls.form:
        single["run"] = str(controls.form["run"] or "")
    offered = controls.offered.get("architectures") or ()
    checked = tuple(one for one in offered if one in controls.architectures)
    filters = {axis: tuple(v) for axis, v in before.filters.items()}
    axes = controls.offered.get("axes") or {}
    for name, values in controls.values.items():
        if axes.get(name):
            filters.pop(name, None)
            passing = tuple(v for v in axes[name] if v in values)
            if len(passing) < len(axes[name]):
                filters[name] = passing or (NOTHING,)
    for name, (low, high) in controls.ranges.items():
        filters.pop(name, None)
        if low.strip() or high.strip():
            filters[name] = (f"{low.strip()}{RANGE}{high.strip()}",)
    wanted = replace(
        before,
        sweeps=tuple(controls.sweeps) or (NOTHING,),
        architectures=() if len(checked) == len(offered) else checked or (NOTHING,),
        filters=filters,
        **single,
    )
    return panel_of(desk, wanted)
