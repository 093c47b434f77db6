"""Writing a sweep to MLflow: one experiment, one parent run, one nested run per trial."""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from scaling.code import git_commit
from scaling.config import canonical_json, digest_of
from scaling.results import CurvePoint, TrialResult
from scaling.tracking_mlflow import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    MlflowClient,
    Param,
    Run,
    RunTag,
)
from scaling.tracking_record import EVALUATION, TAG, RunRecord, record_of
from scaling.tracking_store import (
    artifact_location,
    find_experiment,
    open_client,
    resolve_uri,
    store_errors,
)
from scaling.trial import TrialConfig
from scaling.units import write_text

logger = logging.getLogger(__name__)

_METRICS_PER_CALL = 1000
_TAGS_PER_CALL = 100

T = TypeVar("T")

Ending = Literal["FINISHED", "FAILED", "KILLED"]


class SweepTracker:
    """The record of one sweep; used as a context, which opens and closes the parent run.

    A trial's run is marked as finished by its last write, so whatever interrupts the logging leaves
    a run that nobody takes for a finished one.
    """

    def __init__(self, title: str, *, tracking_uri: str | None = None) -> None:
        """Opens the store, making it where there is none.

        Raises:
            StoreError: see `open_client` and `find_experiment`.
        """
        self.title = title
        self.uri = resolve_uri(tracking_uri)
        self._client = open_client(tracking_uri, create=True)
        found = find_experiment(self._client, title)
        with store_errors(self.uri):
            self.experiment_id = found.experiment_id if found else self._create_experiment()
            self._parent = parent_run(self._client, self.experiment_id) or self._create_parent()
        self._inputs: dict[str, DatasetInput] = {}
        self.ending: Ending = "FINISHED"
        """What the parent run is marked with at the end; a later launch opens it again."""

    @property
    def parent_id(self) -> str:
        """The run that holds the sweep's spec, fits and reports."""
        return str(self._parent.info.run_id)

    def __enter__(self) -> Self:
        with store_errors(self.uri):
            self._client.update_run(self.parent_id, status="RUNNING")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self.ending = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
        try:
            self._client.set_terminated(self.parent_id, self.ending)
        except Exception as error:
            # An error on its way out of the context is the one to tell about.
            if kind is None:
                with store_errors(self.uri):
                    raise
            logger.warning("MLflow store %s: the sweep's run stays open: %s", self.uri, error)

    def log_spec(self, spec: Mapping[str, Any]) -> None:
        """Keep the resolved sweep, so that it can be run again: `spec.json`, and all former ones."""
        commit = git_commit()
        tags = {f"{TAG}spec": digest_of(spec)}
        if commit:
            tags |= {f"{TAG}git_commit": commit, "mlflow.source.git.commit": commit}
        with store_errors(self.uri), tempfile.TemporaryDirectory() as folder:
            name = f"{digest_of(spec)}.json"
            for path in (Path(folder, "spec.json"), Path(folder, "specs", name)):
                write_text(path, canonical_json(spec))
            self._client.log_artifacts(self.parent_id, folder)
            self._tag(self.parent_id, tags)

    def attach(self, paths: Sequence[Path], folder: str | None = None) -> None:
        """Add files (a fit, a report) to the parent run."""
        with store_errors(self.uri):
            for path in paths:
                self._client.log_artifact(self.parent_id, str(path), folder)

    def log(self, trial: TrialConfig, result: TrialResult, *, started: float) -> str:
        """Record a trial that ended, well or not.

        Args:
            trial: what was run.
            result: what came of it.
            started: when it began, in seconds since the epoch.

        Returns:
            The run's id.
        """
        record = record_of(trial, result)
        step = int(result.metrics.get("examples", 0))
        with store_errors(self.uri):
            run_id = self._create_run(record, started)
            try:
                self._log_numbers(run_id, record, result.curve, step)
                self._client.log_inputs(run_id, datasets=[self._dataset_input(trial, record)])
                if result.evaluation is not None:
                    with tempfile.TemporaryDirectory() as folder:
                        path = Path(folder, EVALUATION)
                        result.evaluation.to_parquet(path, index=False)
                        self._client.log_artifact(run_id, str(path))
                ending = "FINISHED" if result.status == "finished" else "FAILED"
                self._client.set_terminated(run_id, ending)
            except BaseException:
                self._discard(run_id)
                raise
        return run_id

    def reuse(self, run_id: str) -> str:
        """Copy a finished run of another sweep into this one, with the tag `climber.reused_from`."""
        with store_errors(self.uri):
            source = self._client.get_run(run_id)
            tags = {k: v for k, v in source.data.tags.items() if k.startswith(TAG)}
            # A copy of a copy still names the run that was trained.
            tags.setdefault(f"{TAG}reused_from", run_id)
            record = RunRecord(
                name=source.info.run_name,
                params=source.data.params,
                metrics={},
                tags=tags,
            )
            metrics = [
                metric
                for name in source.data.metrics
                for metric in self._client.get_metric_history(run_id, name)
            ]
            copy = self._create_run(record, source.info.start_time / 1000)
            try:
                self._log_batch(copy, metrics, record.params)
                self._client.log_inputs(copy, datasets=source.inputs.dataset_inputs)
                with tempfile.TemporaryDirectory() as folder:
                    for file in self._client.list_artifacts(run_id):
                        if file.path == EVALUATION:
                            path = self._client.download_artifacts(run_id, file.path, folder)
                            self._client.log_artifact(copy, path)
                self._client.set_terminated(copy, "FINISHED", source.info.end_time)
            except BaseException:
                self._discard(copy)
                raise
        return copy

    def _create_experiment(self) -> str:
        tags = {f"{TAG}kind": "sweep"}
        location = artifact_location(self.uri, self.title)
        return str(self._client.create_experiment(self.title, location, tags))

    def _create_parent(self) -> Run:
        tags = {f"{TAG}kind": "sweep", "mlflow.source.name": "climber"}
        return self._client.create_run(self.experiment_id, run_name=self.title, tags=tags)

    def _create_run(self, record: RunRecord, started: float) -> str:
        tags = {
            **record.tags,
            "mlflow.parentRunId": self.parent_id,
            "mlflow.source.name": "climber",
        }
        run = self._client.create_run(
            self.experiment_id, start_time=int(started * 1000), tags=tags, run_name=record.name
        )
        return str(run.info.run_id)

    def _log_numbers(
        self, run_id: str, record: RunRecord, curve: Sequence[CurvePoint], step: int
    ) -> None:
        now = _now()
        metrics = [Metric(name, value, now, step) for name, value in record.metrics.items()]
        metrics += [
            Metric(name, value, now, point.examples)
            for point in curve
            for name, value in point.metrics.items()
            if value - value == 0  # finite
        ]
        self._log_batch(run_id, metrics, record.params)

    def _log_batch(self, run_id: str, metrics: Sequence[Metric], params: Mapping[str, str]) -> None:
        """In as few calls as MLflow's limits allow: a call costs as much as 100 metrics."""
        first = [Param(name, value) for name, value in params.items()]
        for part in _chunks(metrics, _METRICS_PER_CALL - len(first)):
            self._client.log_batch(run_id, metrics=part, params=first)
            first = []

    def _tag(self, run_id: str, tags: Mapping[str, str]) -> None:
        for part in _chunks([RunTag(key, value) for key, value in tags.items()], _TAGS_PER_CALL):
            self._client.log_batch(run_id, tags=part)

    def _dataset_input(self, trial: TrialConfig, record: RunRecord) -> DatasetInput:
        """The data as MLflow's page shows them, with the fingerprint as their digest."""
        fingerprint = record.tags[f"{TAG}data_fingerprint"]
        if fingerprint not in self._inputs:
            config = canonical_json(trial.dataset.to_dict())
            data = Dataset(
                name=trial.dataset.name,
                digest=fingerprint[:36],  # MLflow's limit
                source_type="climber",
                source=config,
            )
            self._inputs[fingerprint] = DatasetInput(
                data, [InputTag("mlflow.data.context", "training")]
            )
        return self._inputs[fingerprint]

    def _discard(self, run_id: str) -> None:
        """Leave no half-written run, as far as the store still answers."""
        try:
            self._client.set_terminated(run_id, "KILLED")
            self._client.delete_run(run_id)
        except Exception:  # the first error is the one to tell about
            return


def parent_run(client: MlflowClient, experiment_id: str) -> Run | None:
    """The sweep's own run; the oldest one, should two launches at once have made two."""
    found = client.search_runs(
        [experiment_id],
        filter_string=f"tags.`{TAG}kind` = 'sweep'",
        order_by=["attributes.start_time ASC"],
        max_results=1,
    )
    return found[0] if found else None


def _now() -> int:
    return int(time.time() * 1000)


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    yield items[:size]
    for start in range(size, len(items), size):
        yield items[start : start + size]
