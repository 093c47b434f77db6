"""What MLflow's pages say of a sweep and of a trial, in Markdown."""

from __future__ import annotations

import shlex
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scaling.trial import TrialConfig
from scaling.units import format_si

NOTE = "mlflow.note.content"
"""The tag that MLflow shows as the description of a run or of an experiment."""
_LONGEST_NAME, _MOST_NAMES = 80, 12


def of_trial(trial: TrialConfig) -> str:
    """One trial in words."""
    model, training = trial.model, trial.training
    if model.role == "reference":
        return f"{code(model.name)}, counted on {code(trial.dataset.name)}, not trained."
    blocks = f", {model.blocks} blocks" if model.blocks > 1 else ""
    return (
        f"{code(model.name)}: depth {model.depth}, width {model.width}, {model.seq_len} events{blocks}; "
        f"{format_si(trial.budget, 'FLOP', 3)} on {code(trial.dataset.name)}; learning rate "
        f"{training.lr:.3g}, {training.batch_size} requests a step, seed {trial.seed}."
    )


def of_sweep(title: str, spec: Mapping[str, Any]) -> str:
    """What a sweep trains, where its artifacts are, and the commands that go on from it.

    Args:
        title: the experiment's name.
        spec: the resolved sweep, as it is logged.
    """
    trials: Sequence[Mapping[str, Any]] = spec.get("trials") or ()
    models = Counter(str(_part(trial, "model").get("name", "?")) for trial in trials)
    data = dict.fromkeys(str(_part(trial, "dataset").get("name", "?")) for trial in trials)
    budgets = sorted({float(trial["budget"]) for trial in trials if trial.get("budget")})
    seeds = {trial.get("seed") for trial in trials}
    lines = [f"A scaling sweep: {len(trials)} trials on {_listed(data)}.", ""]
    lines += [f"* {code(name)}: {count} trials" for name, count in models.most_common(_MOST_NAMES)]
    if budgets:
        low, high = (format_si(one, "FLOP", 3) for one in (budgets[0], budgets[-1]))
        span = low if len(budgets) == 1 else f"{low} to {high}"
        lines.append(f"* {len(budgets)} budgets, {span}; {len(seeds)} seeds")
    name = shlex.quote(title)
    lines += [
        "",
        "The nested runs are its trials. Files of this run: `spec.json` is the whole sweep, and "
        "`analysis/` holds what was made of it (report, figures, fit).",
        "",
        *(f"* {code(f'climber {command}')}" for command in (
            f"status {name}", f"report {name} -o report.html", f"dashboard {name}"
        )),
    ]  # fmt: skip
    return "\n".join(lines)


def code(text: str) -> str:
    """A name as Markdown's code: nothing in it is markup."""
    short = text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 1]}…"
    return "`" + "".join("'" if c == "`" else _visible(c) for c in short) + "`"


def _visible(character: str) -> str:
    """The character, or what stands for one that nobody sees and that may turn the line around."""
    if character in "\r\n\t":
        return " "
    return "\ufffd" if unicodedata.category(character)[0] == "C" else character


def _part(trial: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = trial.get(name)
    return found if isinstance(found, Mapping) else {}


def _listed(names: Mapping[str, None]) -> str:
    shown = [code(name) for name in list(names)[:_MOST_NAMES]]
    more = len(names) - len(shown)
    return ", ".join(shown or ["no data"]) + (f" and {more} more" if more else "")
