"""Reading learning curves back from MLflow."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from scaling.tracking_store import open_client, store_errors

LOGGED = {"train_loss": "train_loss", "compute_spent": "compute"}
"""Metrics logged at every point of a curve (see `scaling.training`), and their columns."""


def read_curves(run_ids: Sequence[str], *, tracking_uri: str | None = None) -> pd.DataFrame:
    """The learning curves of some runs, a row per point, in the order in which they were logged.

    Two questions to the store a run: choose few (`scaling.analysis.curve_figure.chosen`).

    Args:
        run_ids: of trials.
        tracking_uri: the store; see `scaling.tracking_store.resolve_uri`.

    Returns:
        columns `run_id`, `examples` (seen so far), `train_loss` (mean since the point before) and
        `compute` (training FLOPs so far); a number that was not logged is missing, a run without a
        curve has no rows.

    Raises:
        StoreError: no such store or run.
    """
    client = open_client(tracking_uri)
    parts = []
    with store_errors(client.tracking_uri):
        for run_id in run_ids:
            found = {
                column: {m.step: m.value for m in client.get_metric_history(run_id, metric)}
                for metric, column in LOGGED.items()
            }
            steps = sorted(set().union(*found.values()))
            part = pd.DataFrame(found, index=pd.Index(steps, name="examples"), dtype=float)
            parts.append(part.reset_index().assign(run_id=run_id))
    columns = ["run_id", "examples", *LOGGED.values()]
    return pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns)
