"""Reading sweeps back from MLflow: the run table, what is finished, specs and paired losses."""

from __future__ import annotations

import contextlib
import gc
import json
import math
import tempfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from scaling.runs import NUMERIC_COLUMNS, ordered
from scaling.tracking_mlflow import MlflowClient, Run
from scaling.tracking_record import EVALUATION, TAG, TAG_OF_TEXT
from scaling.tracking_store import (
    StoreError,
    find_experiment,
    open_client,
    store_errors,
    store_exists,
)
from scaling.tracking_sweep import parent_run

_PAGE = 1000
_MANY = 100
_STATUS = {
    "FINISHED": "finished",
    "FAILED": "failed",
    "RUNNING": "running",
    "KILLED": "interrupted",
}

WHOLE_NUMBERS = frozenset(
    {
        "depth", "width", "seq_len", "blocks", "params", "params_embedding", "examples",
        "unique_examples", "requests", "steps", "seed", "batch_size", "threads", "workers",
        "peak_memory_bytes",
    }
)  # fmt: skip
"""Columns that are written without a fraction where no value is missing."""


@dataclass(frozen=True)
class Finished:
    """A run that need not be trained again."""

    run_id: str
    elsewhere: bool
    """Whether it belongs to another sweep."""
    code: str
    """`climber.code` of the run: one other than today's is told to the user."""


@dataclass(frozen=True)
class Known:
    """What a store knows about a sweep before it runs."""

    finished: Mapping[str, Finished]
    """By digest, for the digests asked about."""
    rows: tuple[Mapping[str, Any], ...]
    """All finished runs of this sweep, as rows of the run table: their speed is a forecast."""
    stopped: Mapping[str, str] = field(default_factory=dict)
    """Runs of this sweep that a rule stopped before their budget was spent, by digest."""


@contextlib.contextmanager
def without_collection() -> Iterator[None]:
    """Without garbage collection: SQLAlchemy and MLflow make some 200 objects a run, none of them
    garbage before the table is made, and looking for some takes longer than reading."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@without_collection()
def read_runs(
    title: str,
    *,
    tracking_uri: str | None = None,
    everything: bool = False,
    digests: Collection[str] | None = None,
) -> pd.DataFrame:
    """The run table of a sweep (see `scaling.runs`); a number that is missing stays missing.

    Args:
        title: the sweep's title, MLflow's experiment.
        tracking_uri: the store; see `resolve_uri`.
        everything: also failed and interrupted runs, and every run of a digest that was run again;
            otherwise finished trials, each once, the latest.
        digests: only these trials.

    Raises:
        StoreError: no such store or sweep.
    """
    client = open_client(tracking_uri)
    experiment = find_experiment(client, title)
    if experiment is None:
        known = ", ".join(sweep_titles(tracking_uri=tracking_uri)) or "none"
        raise StoreError(
            f"MLflow store {client.tracking_uri} holds no sweep {title!r}; it holds: {known}. "
            f"Cure: `climber sweep {title}`"
        )
    wanted = "" if everything else "attributes.status = 'FINISHED'"
    runs = _trial_runs(client, [experiment.experiment_id], wanted)
    rows, seen = [], set[str]()
    for run in sorted(runs, key=lambda run: run.info.start_time, reverse=True):
        digest = run.data.tags[f"{TAG}digest"]
        if (digests is not None and digest not in digests) or (digest in seen and not everything):
            continue
        seen.add(digest)
        rows.append(row_of(run, title))
    return whole_numbers(ordered(pd.DataFrame(rows[::-1])))


@without_collection()
def known(title: str, digests: Collection[str], *, tracking_uri: str | None = None) -> Known:
    """Which trials some run of the store has finished, in this sweep or in another.

    The sweep's own run is preferred to another sweep's. No store yet means none.
    """
    if not store_exists(tracking_uri):
        return Known({}, ())
    client = open_client(tracking_uri)
    own = find_experiment(client, title)
    done = "attributes.status = 'FINISHED'"
    runs = [] if own is None else _trial_runs(client, [own.experiment_id], done)
    found: dict[str, Finished] = {}
    for run in runs:
        found.setdefault(run.data.tags[f"{TAG}digest"], _finished(run, elsewhere=False))
    with store_errors(client.tracking_uri):
        others = [e.experiment_id for e in client.search_experiments() if _is_sweep(e)]
    if own is not None:
        others.remove(own.experiment_id)
    if others:
        found |= _elsewhere(client, others, set(digests) - set(found))
    ended = f"attributes.status = 'FAILED' and tags.`{TAG_OF_TEXT['status']}` = 'stopped'"
    halted = [] if own is None else _trial_runs(client, [own.experiment_id], ended)
    return Known(
        finished={digest: found[digest] for digest in digests if digest in found},
        rows=tuple(row_of(run, title) for run in runs),
        stopped={run.data.tags[f"{TAG}digest"]: run.info.run_id for run in reversed(halted)},
    )


def _elsewhere(client: MlflowClient, others: list[str], digests: set[str]) -> dict[str, Finished]:
    """Finished runs of other sweeps, by digest."""
    done = "attributes.status = 'FINISHED'"
    if len(digests) >= _MANY:
        # A question costs as much as three runs: many are answered by reading what there is,
        # unless the store has grown for years.
        runs = _search(client, others, done, 2 * len(digests))
        if len(runs) < 2 * len(digests):
            newest = {run.data.tags.get(f"{TAG}digest"): run for run in reversed(runs)}
            return {d: _finished(newest[d], elsewhere=True) for d in digests & newest.keys()}
    found = {}
    for digest in digests:
        same = f"{done} and tags.`{TAG}digest` = '{digest}'"
        for run in _search(client, others, same, most=1):
            found[digest] = _finished(run, elsewhere=True)
    return found


def sweep_titles(*, tracking_uri: str | None = None) -> list[str]:
    """The sweeps that a store holds."""
    client = open_client(tracking_uri)
    with store_errors(client.tracking_uri):
        experiments = client.search_experiments()
    return sorted(e.name for e in experiments if _is_sweep(e))


def read_spec(title: str, *, tracking_uri: str | None = None) -> dict[str, Any]:
    """The spec of a sweep's last launch, for `Sweep.from_dict`."""
    client = open_client(tracking_uri)
    experiment = find_experiment(client, title)
    parent = parent_run(client, experiment.experiment_id) if experiment is not None else None
    if parent is None:
        raise StoreError(f"MLflow store {client.tracking_uri} holds no sweep {title!r}")
    text = _artifact(client, parent.info.run_id, "spec.json", lambda path: path.read_text())
    spec: dict[str, Any] = json.loads(text)
    return spec


def read_trial(run_id: str, *, tracking_uri: str | None = None) -> dict[str, Any]:
    """The configuration of a run, for `TrialConfig.from_dict`."""
    client = open_client(tracking_uri)
    with store_errors(client.tracking_uri):
        tags = client.get_run(run_id).data.tags
    if f"{TAG}trial" not in tags:
        raise StoreError(f"run {run_id} of {client.tracking_uri} is not a trial's")
    trial: dict[str, Any] = json.loads(tags[f"{TAG}trial"])
    return trial


def read_evaluations(
    run_ids: Sequence[str], *, tracking_uri: str | None = None
) -> dict[str, pd.DataFrame]:
    """The paired losses (`evaluation.parquet`) of some finished runs, by run id."""
    client = open_client(tracking_uri)
    return {run_id: _artifact(client, run_id, EVALUATION, pd.read_parquet) for run_id in run_ids}


def _artifact(client: MlflowClient, run_id: str, name: str, read: Any) -> Any:
    with store_errors(client.tracking_uri), tempfile.TemporaryDirectory() as folder:
        return read(Path(client.download_artifacts(run_id, name, folder)))


def _trial_runs(client: MlflowClient, experiments: list[str], wanted: str) -> list[Run]:
    runs = _search(client, experiments, wanted)
    return [run for run in runs if f"{TAG}digest" in run.data.tags]


def _search(
    client: MlflowClient, experiments: list[str], wanted: str, most: int | None = None
) -> list[Run]:
    """Runs in pages, the newest first."""
    found: list[Run] = []
    token = None
    with store_errors(client.tracking_uri):
        while True:
            size = _PAGE if most is None else min(_PAGE, most - len(found))
            page = client.search_runs(
                experiments, filter_string=wanted, max_results=size, page_token=token
            )
            found += page
            token = page.token
            if not token or len(found) == most:
                return found


def _is_sweep(experiment: Any) -> bool:
    return bool(experiment.tags.get(f"{TAG}kind") == "sweep")


def _finished(run: Run, *, elsewhere: bool) -> Finished:
    return Finished(run.info.run_id, elsewhere, run.data.tags.get(f"{TAG}code", ""))


def row_of(run: Run, title: str) -> dict[str, Any]:
    """A trial's run as a row of the run table."""
    tags: Mapping[str, str] = run.data.tags
    curve = set(tags.get(f"{TAG}curve", "").split(","))
    row: dict[str, Any] = {k: v for k, v in run.data.metrics.items() if k not in curve}
    row |= {column: tags.get(tag) for column, tag in TAG_OF_TEXT.items()}
    # MLflow has no word for a run that a rule has stopped.
    if row["status"] != "stopped":
        row["status"] = _STATUS.get(run.info.status, run.info.status.lower())
    return row | {"reason": row["reason"] or "", "sweep": title, "run_id": run.info.run_id}


def whole_numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Counts as whole numbers, as they were logged; a column with a gap stays floating."""
    for name in WHOLE_NUMBERS & set(NUMERIC_COLUMNS):
        values = table[name].to_numpy(dtype=float, na_value=math.nan)
        if len(values) and all(float(value).is_integer() for value in values):
            table[name] = values.astype("int64")
    return table
