"""What is known about a sweep's data that its runs can't tell: the best loss its views allow."""

from __future__ import annotations

from scaling.cli.declared import title_of


def floors_at_views(sweep: str, tracking_uri: str | None) -> dict[str, float]:
    """Best attainable loss of each model family of a logged sweep, by what it reads.

    Empty for logged data, whose truth nobody knows. References are left out: what they could read
    is not what they count.
    """
    from scaling.running import opened
    from scaling.sweeps.base import Sweep
    from scaling.tracking_read import read_spec

    trials = Sweep.from_dict(read_spec(title_of(sweep), tracking_uri=tracking_uri)).trials
    floors: dict[str, float] = {}
    for trial in (trial for trial in trials if trial.model.role == "trained"):
        views = trial.model.views()
        read = " + ".join(f"{view.strategy} {view.length}" for view in views)
        name = f"{trial.model.name} ({read})"
        if name not in floors:
            known = opened(trial.dataset).known_truth(views)
            if "loss_floor_at" not in known:
                return {}
            floors[name] = known["loss_floor_at"]
    return floors
