"""A sweep's lease: in a file beside a store that is a file, else in a tag of its parent run."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator

from scaling.lease import Holder, Lease, Place, Seen
from scaling.lease_file import LeaseFile
from scaling.tracking_mlflow import MlflowClient
from scaling.tracking_record import TAG
from scaling.tracking_store import (
    check_file,
    find_experiment,
    open_client,
    resolve_uri,
    sqlite_path,
    store_errors,
    store_exists,
)
from scaling.tracking_sweep import open_sweep, parent_run

_LEASE = f"{TAG}lease"
_SETTLE_SECONDS = 1.0


@contextlib.contextmanager
def sweep_lease(
    title: str, *, tracking_uri: str | None = None, takeover: bool = False
) -> Iterator[Lease]:
    """The right to run a sweep, held inside the context.

    Args:
        title: the sweep's title.
        tracking_uri: the store; see `resolve_uri`.
        takeover: take the sweep from a driver that is alive; it stops at its next heartbeat.

    Raises:
        LeaseError: another driver runs the sweep.
        StoreError: the store can't be used, or not be written.
    """
    uri = resolve_uri(tracking_uri)
    path = sqlite_path(uri)
    place: Place
    if path is None:
        client, _, parent = open_sweep(title, tracking_uri)
        place = LeaseTag(client, parent)
    else:
        if path.exists():
            check_file(path, create=True)
        place = LeaseFile.beside(path, title)
    lease = Lease(place, title, takeover=takeover)
    with contextlib.ExitStack() as stack:
        with store_errors(uri):
            stack.enter_context(lease)
        yield lease


def read_lease(title: str, *, tracking_uri: str | None = None) -> Seen | None:
    """Who runs a sweep, and how it stands there; None if nobody does."""
    uri = resolve_uri(tracking_uri)
    path = sqlite_path(uri)
    with store_errors(uri):
        if path is not None:
            return LeaseFile.beside(path, title).read() if store_exists(tracking_uri) else None
        client = open_client(tracking_uri)
        experiment = find_experiment(client, title)
        parent = parent_run(client, experiment.experiment_id) if experiment else None
        return LeaseTag(client, parent.info.run_id).read() if parent else None


class LeaseTag:
    """A tag of the sweep's parent run. MLflow has no compare-and-set: of two that write at once
    the last one wins, and the other sees that when it reads again."""

    settle = _SETTLE_SECONDS

    def __init__(self, client: MlflowClient, parent_id: str) -> None:
        self._client, self._parent_id = client, parent_id

    def __str__(self) -> str:
        return f"the tag {_LEASE} of run {self._parent_id}"

    @contextlib.contextmanager
    def guarded(self) -> Iterator[None]:
        yield

    def read(self) -> Seen | None:
        text = self._client.get_run(self._parent_id).data.tags.get(_LEASE)
        if not text:
            return None
        holder = Holder.from_dict(json.loads(text))
        return Seen(holder, time.time() - holder.beat)

    def write(self, holder: Holder) -> None:
        self._client.set_tag(self._parent_id, _LEASE, json.dumps(holder.to_dict()))

    def remove(self) -> None:
        self._client.delete_tag(self._parent_id, _LEASE)
