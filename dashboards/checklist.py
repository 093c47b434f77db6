"""How a report's numbers were counted and fitted: in words, and as a checklist of what was recorded."""

from __future__ import annotations

import numpy as np
import pandas as pd

from scaling.analysis.findings import Analysis
from scaling.analysis.result import number
from scaling.analysis.trust import Trust
from scaling.units import format_si

NOT_RECORDED = "not recorded"
MOST_LISTED = 6
"""So many values are listed; of more the first and the last."""

Table = tuple[list[str], list[list[str]]]


def checklist(runs: pd.DataFrame, analysis: Analysis, trust: Trust | None) -> Table:
    """What a reader of a scaling law asks first, with the answers that the runs hold.

    The questions are those that decide whether two published laws can be compared (see Li et al.
    2025, arXiv 2502.18969): what was counted, what was trained and how, what was fitted and how.
    """
    used = pd.concat([group.runs for group in analysis.groups.values()])
    rows = [
        ["data", _values(used, "dataset")],
        ["fingerprint of the data", _values(used, "data_fingerprint")],
        ["training examples seen more than once", _repeated(used)],
        ["dense parameters N", _range(used, "params")],
        ["parameters of look-up tables (not in N)", _range(used, "params_embedding")],
        ["training examples D", _range(used, "examples")],
        ["training compute C, FLOPs", _range(used, "compute", decades=True)],
        ["C with the causal half of attention", _range(used, "compute_causal")],
        ["budgets", _values(used, "budget")],
        ["seeds of a configuration", _seeds(analysis)],
        ["learning rates", _values(used, "lr")],
        ["batch size, requests", _values(used, "batch_size")],
        ["precision, device", f"{_values(used, 'precision')}; {_values(used, 'device')}"],
        ["version of the training code", _values(used, "code_version")],
        ["stopped before their budget was spent", _stopped(runs)],
        ["runs that were left out", f"{len(analysis.excluded)} of {len(runs)}"],
    ]
    for name, group in analysis.groups.items():
        rows.append([f"{name}: rows fitted", _fitted(group)])
    if trust is not None:
        for name, judged in trust.groups.items():
            told = judged.reason if judged.held is None else judged.held.sentence()
            rows.append([f"{name}: beyond what was fitted", told])
    return ["asked", "answer"], rows


def _column(runs: pd.DataFrame, column: str) -> pd.Series | None:
    found = runs[column].dropna() if column in runs else None
    if found is None or found.empty or (found.astype(str) == "").all():
        return None
    return found


def _values(runs: pd.DataFrame, column: str) -> str:
    found = _column(runs, column)
    if found is None:
        return NOT_RECORDED
    values = sorted(set(found))
    texts = [
        number(float(v)) if isinstance(v, (int, float, np.number)) else str(v)[:60] for v in values
    ]
    if len(texts) > MOST_LISTED:
        return f"{len(texts)} values, {texts[0]} to {texts[-1]}"
    return ", ".join(texts)


def _range(runs: pd.DataFrame, column: str, *, decades: bool = False) -> str:
    found = _column(runs, column)
    if found is None:
        return NOT_RECORDED
    numbers = pd.to_numeric(found, errors="coerce").dropna()
    if numbers.empty:
        return NOT_RECORDED
    low, high = float(numbers.min()), float(numbers.max())
    told = f"{format_si(low, digits=3)} to {format_si(high, digits=3)}"
    if decades and low > 0:
        told += f" ({np.log10(high / low):.1f} decades)"
    return (
        told if len(numbers) == len(runs) else f"{told} ({len(runs) - len(numbers)} runs without)"
    )


def _repeated(runs: pd.DataFrame) -> str:
    seen, unique = _column(runs, "examples"), _column(runs, "unique_examples")
    if seen is None or unique is None:
        return NOT_RECORDED
    epochs = (runs["examples"] / runs["unique_examples"]).dropna()
    if epochs.max() <= 1.0 + 1e-9:
        return "none"
    return f"up to {epochs.max():.3g} passes over the data, in {(epochs > 1).sum()} runs"


def _seeds(analysis: Analysis) -> str:
    counts = sorted(
        {int(n) for g in analysis.groups.values() for n in g.configurations["num_seeds"]}
    )
    return " or ".join(map(str, counts)) if len(counts) < 3 else f"{counts[0]} to {counts[-1]}"


def _stopped(runs: pd.DataFrame) -> str:
    if "status" not in runs:
        return NOT_RECORDED
    count = int((runs["status"] == "stopped").sum())
    return f"{count} runs" if count else "none"


def _fitted(group: object) -> str:
    fit = getattr(group, "fit", None)
    if fit is None:
        return f"no fit: {getattr(group, 'error', '')}"
    return (
        f"{fit.n}, {fit.dof} more than free parameters; scatter of ln {fit.target} "
        f"{number(fit.scatter)}; {fit.starts_at_optimum:.0%} of {fit.starts} starts reached the optimum"
    )


def method(analysis: Analysis) -> list[str]:
    """How compute was counted, laws were fitted and comparisons decided, in sentences."""
    fronts = [group.frontier for group in analysis.groups.values() if group.frontier]
    out = [
        "Compute is that of the reference algorithm: a multiply-add is 2 FLOPs, training is 3 times "
        "the forward pass at the real lengths, embedding look-ups count 0.",
        f"{analysis.target} is measured on the test part; seeds of a configuration are averaged first.",
    ]
    if fronts:
        by = " or ".join(sorted({front.selected_by.replace("_", " ") for front in fronts}))
        rules = " or ".join(sorted({front.rule.name for front in fronts}))
        out.append(f"Fitted to the frontier: the {rules}, chosen by {by}, valued on the test part.")
    else:
        out.append("Fitted to all runs.")
    out.append(f"Objective: {analysis.objective}, summed over differences of logs, several starts.")
    if analysis.interval_method == "bootstrap":
        out.append(
            f"Intervals: {analysis.draws} times configurations were drawn with replacement (all "
            "seeds of one together), the frontier chosen again and the law fitted again; scatter "
            "about the law that the draws don't show is added."
        )
    if analysis.comparisons:
        out.append(
            "A comparison is decided only if the whole interval of the compute multiplier lies on "
            "one side of 1."
        )
    return out
