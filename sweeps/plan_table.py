"""A plan as text: one row per trial or per configuration, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from scaling.sweeps.cost_speed import Basis
from scaling.sweeps.plan import Plan, PlannedTrial, totals
from scaling.units import MISSING, format_si

COLUMNS = (
    "architecture", "depth", "width", "length", "blocks", "budget", "lr", "seed", "N", "embedding",
    "D", "steps", "epochs", "time", "memory", "state", "note",
)  # fmt: skip

_MOST_LEFT_OUT = 12
_BASES: dict[Basis, str] = {
    "runs": "by finished runs",
    "calibrated": "by calibration",
    "similar": "by the speed of other shapes",
    "assumed": "assumed",
}


def plan_rows(plan: Plan) -> list[tuple[str, ...]]:
    """The cells of every trial, in the plan's order; see `COLUMNS`."""
    return [_cells(planned) for planned in plan.trials]


def plan_table(plan: Plan, *, rows: int | None = None, price: float | None = None) -> Table:
    """The plan as a table for the terminal; its notes are numbered and stand below it.

    Args:
        plan: what to show.
        rows: at most so many, from the top; the rest is counted. None shows all.
        price: per hour and slot; None leaves the cost out.
    """
    cells = plan_rows(plan)
    numbers = {
        note: str(n) for n, note in enumerate(dict.fromkeys(row[-1] for row in cells if row[-1]), 1)
    }
    below = [summary(plan), *forecast(plan, price)]
    below += [f"{number}: {note}" for note, number in numbers.items()]
    below += [f"left out: {told}" for told in plan.left_out[:_MOST_LEFT_OUT]]
    if len(plan.left_out) > _MOST_LEFT_OUT:
        below.append(f"left out: {len(plan.left_out) - _MOST_LEFT_OUT} more")
    table = Table(title=f"sweep {plan.title}", caption="\n".join(below), header_style="bold")
    for name in COLUMNS:
        words = name in ("architecture", "state", "note")
        table.add_column(name, justify="left" if words else "right", no_wrap=True)
    for row in cells[:rows]:
        table.add_row(*row[:-1], numbers.get(row[-1], ""))
    if rows is not None and len(cells) > rows:
        table.add_row(f"... {len(cells) - rows} more")
    return table


def summary(plan: Plan) -> str:
    """The plan in a line: trials by state, compute and processor time of what is to do."""
    counts = totals(plan)
    parts = [f"{len(plan.trials)} trials: {counts['to do']} to do, {counts['done']} done"]
    if counts["reuse"]:
        parts.append(f"{counts['reuse']} to copy from other sweeps")
    if counts["stopped"]:
        parts.append(f"{counts['stopped']} stopped early")
    if counts["to do"]:
        time = f"about {format_seconds(plan.seconds)} of processor time"
        parts.append(f"{format_si(plan.compute, 'FLOP')}, {time}")
    if plan.search_compute:
        parts.append(f"{format_si(plan.search_compute, 'FLOP')} spent on the search for the rates")
    if plan.other_code:
        parts.append(f"{plan.other_code} done by other code (--force runs them again)")
    return "; ".join(parts)


def forecast(plan: Plan, price: float | None = None) -> list[str]:
    """Lines on what is to do: duration on the slots, cost, and what the times rest on."""
    to_do = plan.in_state("to do")
    if not to_do:
        return []
    slots = f"{plan.slots} slot" + "s" * (plan.slots > 1)
    lines = [
        f"about {format_seconds(plan.wall_seconds)} on {slots}, start-up included; longest trial "
        f"{format_seconds(plan.critical_seconds)}; largest memory "
        f"{format_si(max(planned.memory_bytes for planned in to_do), 'B')} a trial"
    ]
    if price is not None:
        lines[0] += f"; cost {plan.price(price):,.2f} at {price:g} per hour and slot"
    bases = Counter(planned.basis for planned in to_do if planned.trial.budget)
    if bases:
        told = [f"{bases[basis]} {words}" for basis, words in _BASES.items() if bases[basis]]
        lines.append(f"times: {', '.join(told)}")
    if bases["assumed"] or bases["similar"]:
        lines[-1] += " (--calibrate measures real steps)"
    return lines


def format_seconds(seconds: float | None) -> str:
    """A duration in two units at most: `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return MISSING
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min" + (f" {whole % 60} s" if whole < 600 and whole % 60 else "")
    minutes = whole // 60
    return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")


def _cells(planned: PlannedTrial) -> tuple[str, ...]:
    trial, model = planned.trial, planned.trial.model
    epochs = MISSING if planned.epochs is None else format_si(planned.epochs)
    notes: Sequence[str] = planned.warnings
    if planned.other_code:
        notes = (*notes, "done by other code")
    sizes = [str(axis) for axis in (model.depth, model.width, model.seq_len, model.blocks)]
    sizes += [format_si(trial.budget), f"{trial.training.lr:.3g}", str(trial.seed)]
    sizes += [format_si(planned.params), format_si(planned.params_embedding)]
    if model.role == "reference":
        notes, sizes = (*notes, "a reference: counted, not trained"), [MISSING] * len(sizes)
    return (
        model.name,
        *sizes,
        format_si(planned.examples),
        str(planned.steps),
        epochs,
        format_seconds(planned.seconds),
        format_si(planned.memory_bytes, "B"),
        planned.state,
        "; ".join(notes),
    )
