"""Writing a sweep to MLflow: one experiment, one parent run, one nested run per trial."""

from __future__ import annotations

import logging
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

from scaling.code import git_commit
from scaling.config import canonical_json, digest_of
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.store import is_stored, manifest_of
from scaling.lease import LeaseError
from scaling.results import CurvePoint, TrialResult
from scaling.tracking_mlflow import (
    ArtifactRepository,
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    Run,
    RunTag,
    artifact_repository,
    without_own_retries,
)
from scaling.tracking_models import MODEL_BYTES, LogModels, Shelf, put
from scaling.tracking_notes import of_sweep
from scaling.tracking_record import EVALUATION, TAG, RunRecord, record_of
from scaling.tracking_retry import Patience
from scaling.tracking_store import StoreError, resolve_uri, store_errors
from scaling.tracking_sweep import describe, open_sweep
from scaling.trial import TrialConfig
from scaling.units import write_text

logger = logging.getLogger(__name__)

_METRICS_PER_CALL = 1000
_TAGS_PER_CALL = 100
_ATTEMPT = f"{TAG}attempt"
_LAST_SECONDS = 10.0
"""How long a sweep that ends with an error tries to say so."""

T = TypeVar("T")

Ending = Literal["FINISHED", "FAILED", "KILLED"]


class SweepTracker:
    """The record of one sweep; used as a context, which opens and closes the parent run.

    A trial's run is marked as finished by its last write, so whatever interrupts the logging leaves
    a run that nobody takes for a finished one.
    """

    def __init__(
        self, title: str, *, tracking_uri: str | None = None, models: LogModels = "all"
    ) -> None:
        """Opens the store, making it where there is none.

        Args:
            models: which of the models that `log` is given are kept.

        Raises:
            StoreError: see `open_client` and `find_experiment`.
        """
        without_own_retries()
        self.title = title
        self.uri = resolve_uri(tracking_uri)
        self._client, self.experiment_id, self.parent_id = open_sweep(title, tracking_uri)
        self.patience = Patience(self.uri)
        self._shelf = Shelf(self._client, self.experiment_id, models)
        self._inputs: dict[str, DatasetInput] = {}
        self._repeated: list[str] = []
        self.ending: Ending = "FINISHED"
        """What the parent run is marked with at the end; a later launch opens it again."""

    def __enter__(self) -> Self:
        self.patience(lambda: self._client.update_run(self.parent_id, status="RUNNING"))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None and issubclass(kind, LeaseError):
            return  # the run is another driver's now
        if kind is not None:
            self.ending = "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
            self.patience.hurry(_LAST_SECONDS)
        try:
            self.patience(self._close)
        except StoreError as error:
            # An error on its way out of the context is the one to tell about.
            if kind is None:
                raise
            logger.warning("the sweep's run stays open: %s", error)

    def _close(self) -> None:
        for token in self._repeated:  # what a store that had stopped did when it went on
            self._tidy(token)
        self._client.set_terminated(self.parent_id, self.ending)

    def log_spec(self, spec: Mapping[str, Any]) -> None:
        """Keep the resolved sweep, so that it can be run again: `spec.json`, and all former ones."""
        commit = git_commit()
        note = of_sweep(self.title, spec)
        tags = {f"{TAG}spec": digest_of(spec)}
        if commit:
            tags |= {f"{TAG}git_commit": commit, "mlflow.source.git.commit": commit}
        with tempfile.TemporaryDirectory() as folder:
            name = f"{digest_of(spec)}.json"
            for path in (Path(folder, "spec.json"), Path(folder, "specs", name)):
                write_text(path, canonical_json(spec))
            self.patience(lambda: self._client.log_artifacts(self.parent_id, folder))
            self.patience(lambda: self._tag(self.parent_id, tags))
            self.patience(lambda: describe(self._client, self.experiment_id, self.parent_id, note))

    def attach(self, paths: Sequence[Path], folder: str | None = None) -> None:
        """Add files (a fit, a report) to the parent run."""
        with store_errors(self.uri):
            for path in paths:
                self._client.log_artifact(self.parent_id, str(path), folder)

    def log(
        self,
        trial: TrialConfig,
        result: TrialResult,
        *,
        started: float,
        ended: float | None = None,
        model: bytes | None = None,
    ) -> str:
        """Record a trial that ended, well or not; one that was stopped has MLflow's status
        `FAILED`, so that nobody takes it for a whole one, and says so in its tags.

        Args:
            trial: what was run.
            result: what came of it.
            started: when it began, in seconds since the epoch.
            ended: when it ended; None for now.
            model: its model (`scaling.logged_model.pack`), kept if `models` says so.

        Returns:
            The run's id.
        """
        record = record_of(trial, result)
        step = int(result.metrics.get("examples", 0))
        name, digest = trial.model.name, record.tags[f"{TAG}digest"]
        kept = None
        if model is not None and self.patience(lambda: self._shelf.takes(name, digest, result)):
            kept = model

        def fill(run_id: str, files: ArtifactRepository) -> None:
            self._log_numbers(run_id, record, result.curve, step)
            self._client.log_inputs(run_id, datasets=[self._dataset_input(trial, record)])
            if result.evaluation is not None:
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder, EVALUATION)
                    result.evaluation.to_parquet(path, index=False)
                    files.log_artifact(str(path))
            if kept is not None:
                self._tag(run_id, {MODEL_BYTES: str(put(files, kept))})

        ending: Ending = "FINISHED" if result.status == "finished" else "FAILED"
        run_id = self._record(record, fill, started, ended or time.time(), ending)
        if kept is not None:
            self.patience(lambda: self._shelf.settle(name, run_id))
        return run_id

    def reuse(self, run_id: str) -> str:
        """Copy a finished run of another sweep into this one, with the tag `climber.reused_from`."""
        source = self.patience(lambda: self._client.get_run(run_id))
        tags = {k: v for k, v in source.data.tags.items() if k.startswith(TAG)}
        tags.pop(MODEL_BYTES, None)  # the model stays where it is
        # A copy of a copy still names the run that was trained.
        tags.setdefault(f"{TAG}reused_from", run_id)
        record = RunRecord(source.info.run_name, source.data.params, {}, tags)

        def fill(copy: str, files: ArtifactRepository) -> None:
            metrics = [
                metric
                for name in source.data.metrics
                for metric in self._client.get_metric_history(run_id, name)
            ]
            self._log_batch(copy, metrics, record.params)
            self._client.log_inputs(copy, datasets=source.inputs.dataset_inputs)
            with tempfile.TemporaryDirectory() as folder:
                for file in self._client.list_artifacts(run_id):
                    if file.path == EVALUATION:
                        path = self._client.download_artifacts(run_id, file.path, folder)
                        files.log_artifact(path)

        begin, end = source.info.start_time / 1000, source.info.end_time / 1000
        return self._record(record, fill, begin, end, "FINISHED")

    def _record(
        self,
        record: RunRecord,
        fill: Callable[[str, ArtifactRepository], None],
        started: float,
        ended: float,
        ending: Ending,
    ) -> str:
        """Makes a run and fills it; however often that has to be tried, one run is left."""
        token = secrets.token_hex(8)
        attempts: list[str] = []

        def attempt() -> str:
            # A call whose answer got lost may have reached the store.
            whole = self._tidy(token) if attempts else None
            if whole is not None:
                return whole
            attempts.append(token)
            run = self._create_run(record, started, token)
            run_id = str(run.info.run_id)
            try:
                fill(run_id, artifact_repository(run.info.artifact_uri, self.uri))
                self._client.set_terminated(run_id, ending, int(ended * 1000))
            except BaseException:
                self._discard(run_id)
                raise
            return run_id

        run_id = self.patience(attempt)
        if len(attempts) > 1:
            self._repeated.append(token)
        return run_id

    def _tidy(self, token: str) -> str | None:
        """Deletes the half-written runs among a record's attempts; the whole one, if any."""
        same = f"tags.`{_ATTEMPT}` = '{token}'"
        whole = None
        for run in self._client.search_runs([self.experiment_id], same):
            if run.info.status in ("FINISHED", "FAILED") and whole is None:
                whole = str(run.info.run_id)
            else:
                self._client.delete_run(run.info.run_id)
        return whole

    def _create_run(self, record: RunRecord, started: float, token: str) -> Run:
        tags = {
            **record.tags,
            _ATTEMPT: token,
            "mlflow.parentRunId": self.parent_id,
            "mlflow.source.name": "climber",
        }
        return self._client.create_run(
            self.experiment_id, start_time=int(started * 1000), tags=tags, run_name=record.name
        )

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
                profile=_profile(trial),
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


def _profile(trial: TrialConfig) -> str | None:
    """Where prepared data come from (checksums, options, counts, licence); None for others."""
    if not isinstance(trial.dataset, LoggedConfig):
        return None
    path = trial.dataset.prepared_path()
    return canonical_json(manifest_of(path)) if is_stored(path) else None


def _now() -> int:
    return int(time.time() * 1000)


def _chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    yield items[:size]
    for start in range(size, len(items), size):
        yield items[start : start + size]
