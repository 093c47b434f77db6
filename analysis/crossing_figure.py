"""The figure of crossings: from which compute on which architecture is cheaper, in every contest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from scaling.analysis.bars import Forest, ForestPanel
from scaling.analysis.cost import Cost
from scaling.analysis.crossing import Crossing
from scaling.analysis.figure import Skipped
from scaling.analysis.versus import Versus
from scaling.units import format_si

NAME = "crossing"


def crossings(contests: Sequence[Versus], cost: Cost) -> Forest | Skipped:
    """A row per contest: where the fitted curves meet, with the interval."""
    if not contests:
        return Skipped(NAME, "nothing was compared")
    found = {
        f"{one.comparison.candidate} against {one.comparison.baseline}": one.comparison.crossing
        for one in contests
    }
    if all(one.compute is None for one in found.values()):
        why = "; ".join(f"{name}: {one.reason}" for name, one in found.items())
        return Skipped(NAME, f"no fitted curves meet within reach ({why})")
    level = contests[0].comparison.level
    ends = [_ends(one) for one in found.values()]
    panel = ForestPanel(
        "", tuple(found),
        np.array([np.nan if one.compute is None else one.compute for one in found.values()]),
        np.array([low for low, _ in ends]), np.array([high for _, high in ends]),
    )  # fmt: skip
    notes = [f"Bars: {level:.0%} intervals; an arrow: no limit on that side"]
    notes += [f"{name}: {_told(one, cost)}" for name, one in found.items()]
    return Forest(
        name=NAME, title=f"From which {cost.words} on the other one is cheaper",
        x_label=f"{cost.words} at which the fitted curves meet ({cost.unit})", panels=(panel,),
        equal=None, log=True, notes=tuple(notes),
    )  # fmt: skip


def _ends(found: Crossing) -> tuple[float, float]:
    """Open ends reach to 0 and to infinity; without a crossing there is no bar."""
    if found.compute is None or found.probability is None:
        return np.nan, np.nan
    low, high = found.interval
    return 0.0 if low is None else low, np.inf if high is None else high


def _told(found: Crossing, cost: Cost) -> str:
    low, high = (format_si(end, digits=3) for end in found.range)
    words = [f"both measured from {low} to {high} {cost.unit}"]
    if found.probability is not None:
        words.append(f"the curves meet in {found.probability:.0%} of draws")
    if found.extrapolated:
        words.append("extrapolated")
    if found.reason:
        words.append(found.reason)
    return "; ".join(words)
