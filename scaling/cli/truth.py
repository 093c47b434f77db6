"""What a sweep's spec tells that its runs can't: the best loss its views allow, searches' cost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from scaling.cli.declared import title_of

if TYPE_CHECKING:
    from scaling.trial import TrialConfig

CURE = "path.py:function"
"""How a sweep is named whose models or data are in a file of one's own."""


def facts_of(sweep: str, tracking_uri: str | None) -> dict[str, object]:
    """Facts about a logged sweep for its fit and report, by name."""
    from scaling.sweeps.base import Sweep
    from scaling.tracking_read import read_spec
    from scaling.units import format_si

    logged = read_spec(title_of(sweep), tracking_uri=tracking_uri)
    try:
        spec = Sweep.from_dict(logged)
    except ValueError as error:  # a model of a file that wasn't named, say
        return {"not said, what the models can reach": f"{error}. Cure: name the sweep as {CURE}"}
    facts: dict[str, object] = {}
    if floors := floors_at_views(spec.trials):
        facts["loss_floor_at"] = floors
    if spec.searches:
        spent = format_si(sum(search.compute for search in spec.searches), "FLOP", digits=3)
        facts["search for the learning rates"] = f"{spent}, {len(spec.searches)} sizes"
    return facts


def floors_at_views(trials: Sequence[TrialConfig]) -> dict[str, float]:
    """Best attainable loss of each model family of a logged sweep, by what it reads.

    Empty for logged data, whose truth nobody knows. References are left out: what they could read
    is not what they count.
    """
    from scaling.datasets.logged import LoggedConfig
    from scaling.running import opened

    floors: dict[str, float] = {}
    for trial in (trial for trial in trials if trial.model.role == "trained"):
        if isinstance(trial.dataset, LoggedConfig):  # nor need it be here
            return {}
        views = trial.model.views()
        read = " + ".join(f"{view.strategy} {view.length}" for view in views)
        name = f"{trial.model.name} ({read})"
        if name not in floors:
            known = opened(trial.dataset).known_truth(views)
            if "loss_floor_at" not in known:
                return {}
            floors[name] = known["loss_floor_at"]
    return floors
