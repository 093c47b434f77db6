"""Where a sweep is kept in MLflow: its experiment, and the parent run of its trials."""

from __future__ import annotations

from scaling.tracking_mlflow import MlflowClient, MlflowException, Run
from scaling.tracking_notes import NOTE
from scaling.tracking_record import TAG
from scaling.tracking_store import (
    artifact_location,
    find_experiment,
    open_client,
    resolve_uri,
    store_errors,
)

_OWN = f"{TAG}description"
"""The tag that holds the description as it was written here."""


def open_sweep(title: str, tracking_uri: str | None = None) -> tuple[MlflowClient, str, str]:
    """A client, the sweep's experiment and its parent run (their ids); made where there are none.

    Raises:
        StoreError: see `open_client` and `find_experiment`.
    """
    uri = resolve_uri(tracking_uri)
    client = open_client(tracking_uri, create=True)
    found = find_experiment(client, title)
    with store_errors(uri):
        experiment = str(found.experiment_id) if found else _create_experiment(client, uri, title)
        parent = parent_run(client, experiment) or _create_parent(client, experiment, title)
    return client, experiment, str(parent.info.run_id)


def parent_run(client: MlflowClient, experiment_id: str) -> Run | None:
    """The sweep's own run; the oldest one, should two launches at once have made two."""
    found = client.search_runs(
        [experiment_id],
        filter_string=f"tags.`{TAG}kind` = 'sweep'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
    )
    return found[0] if found else None


def describe(client: MlflowClient, experiment_id: str, parent_id: str, note: str) -> None:
    """Set the description of a sweep's experiment and parent run, but for one that somebody has
    written or changed by hand."""
    experiment = client.get_experiment(experiment_id).tags
    if experiment.get(NOTE) in (None, "", experiment.get(_OWN)):
        client.set_experiment_tag(experiment_id, NOTE, note)
        client.set_experiment_tag(experiment_id, _OWN, note)
    run = client.get_run(parent_id).data.tags
    if run.get(NOTE) in (None, "", run.get(_OWN)):
        client.set_tag(parent_id, NOTE, note)
        client.set_tag(parent_id, _OWN, note)


def _create_experiment(client: MlflowClient, uri: str, title: str) -> str:
    location = artifact_location(uri, title)
    try:
        return str(client.create_experiment(title, location, {f"{TAG}kind": "sweep"}))
    except MlflowException:
        # Another launch was faster by a moment.
        other = find_experiment(client, title)
        if other is None:
            raise
        return str(other.experiment_id)


def _create_parent(client: MlflowClient, experiment_id: str, title: str) -> Run:
    tags = {f"{TAG}kind": "sweep", "mlflow.source.name": "climber"}
    made = client.create_run(experiment_id, run_name=title, tags=tags)
    return parent_run(client, experiment_id) or made
