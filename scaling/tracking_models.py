"""Trained models in MLflow: a folder `model` among a run's files, in MLflow's own format.

`mlflow.pyfunc.load_model("runs:/RUN_ID/model")` and `mlflow models serve` read it; so does `fetch`.
"""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final, Literal

from scaling import logged_model
from scaling.batch import Schema
from scaling.logged_model import LoggedModel, load
from scaling.pyfunc import SCENARIO, TIME, columns_of, example_of
from scaling.results import TrialResult
from scaling.tracking_mlflow import (
    Array,
    ArtifactRepository,
    ColSpec,
    DataType,
    MlflowClient,
    MlflowException,
    MlflowSchema,
    ModelSignature,
    Run,
    artifact_repository,
    save_pyfunc,
)
from scaling.tracking_record import TAG
from scaling.tracking_store import find_experiment, open_client, resolve_uri, store_errors

logger = logging.getLogger(__name__)

LogModels = Literal["best", "all"]
"""Which trials keep their model: of each architecture of the sweep the one with the smallest
validation loss, or every finished one."""

FOLDER: Final = "model"
"""Of a run's files."""
MODEL_BYTES: Final = f"{TAG}model_bytes"
"""Tag of a run that has a model: how large its files are."""

_PACKED, _INSIDE = "climber", "data"
"""The folder that the loader module is given, and where MLflow keeps it."""
_REQUIRED = ("torch", "numpy", "pandas", "pyarrow", "duckdb")


@dataclass(frozen=True)
class _Kept:
    """A run that has its model."""

    run_id: str
    digest: str
    loss: float
    """On the validation part."""
    size: int
    artifacts: str


class Shelf:
    """The models of one sweep: which are kept, and which go."""

    def __init__(self, client: MlflowClient, experiment_id: str, keep: LogModels) -> None:
        self._client, self._experiment_id, self._keep = client, experiment_id, keep
        self._best: dict[str, _Kept] | None = None
        """By architecture."""

    def takes(self, architecture: str, digest: str, result: TrialResult) -> bool:
        """Whether the model of a trial that ended is to be kept."""
        loss = result.metrics.get("validation_loss")
        if result.status != "finished" or loss is None:
            return False
        if self._keep == "all":
            return True
        best = self._known().get(architecture)
        # Of a trial that was run again the latest run counts.
        return best is None or best.digest == digest or loss < best.loss

    def settle(self, architecture: str, run_id: str) -> None:
        """After a run with a model is whole: the former best of its architecture goes."""
        if self._keep == "all":
            return
        kept = _kept(self._client.get_run(run_id))
        former = self._known().get(architecture)
        if former is not None and former.run_id != run_id:
            uri = self._client.tracking_uri
            if remove(artifact_repository(former.artifacts, uri)):
                self._client.delete_tag(former.run_id, MODEL_BYTES)
        self._known()[architecture] = kept

    def _known(self) -> dict[str, _Kept]:
        if self._best is None:
            self._best = {}
            for run in runs_with_models(self._client, self._experiment_id):
                name, kept = run.data.tags[f"{TAG}architecture"], _kept(run)
                if name not in self._best or kept.loss < self._best[name].loss:
                    self._best[name] = kept
        return self._best


def _kept(run: Run) -> _Kept:
    tags, metrics = run.data.tags, run.data.metrics
    return _Kept(
        run_id=str(run.info.run_id),
        digest=tags[f"{TAG}digest"],
        loss=metrics["validation_loss"],
        size=int(tags[MODEL_BYTES]),
        artifacts=str(run.info.artifact_uri),
    )


def runs_with_models(client: MlflowClient, experiment_id: str) -> list[Run]:
    """The finished runs of a sweep whose model is kept."""
    wanted = f"attributes.status = 'FINISHED' AND tags.`{MODEL_BYTES}` != ''"
    found: list[Run] = []
    token = None
    while True:
        page = client.search_runs([experiment_id], wanted, max_results=1000, page_token=token)
        found += page
        token = page.token
        if not token:
            return found


def models_of(title: str, *, tracking_uri: str | None = None) -> tuple[int, int]:
    """How many runs of a sweep have their model, and the bytes of all of them."""
    client = open_client(tracking_uri)
    with store_errors(resolve_uri(tracking_uri)):
        experiment = find_experiment(client, title)
        if experiment is None:
            return 0, 0
        runs = runs_with_models(client, experiment.experiment_id)
    return len(runs), sum(int(run.data.tags[MODEL_BYTES]) for run in runs)


def put(files: ArtifactRepository, packed: bytes) -> int:
    """Write a packed model among a run's files; returns the bytes of the model itself.

    Raises:
        ValueError: the archive is damaged.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, _PACKED)
        logged_model.unpack(packed, folder)
        schema = logged_model.schema_of(folder)
        whole = Path(place, FOLDER)
        save_pyfunc(
            whole,
            loader_module="scaling.pyfunc",
            data_path=folder,
            signature=signature_of(schema),
            example=example_of(schema),
            # Not this package: an index may hold another of its name. It must be installed already.
            requirements=[f"{name}=={version(name).partition('+')[0]}" for name in _REQUIRED],
        )
        files.log_artifacts(str(whole), FOLDER)
        return logged_model.size(folder)


def remove(files: ArtifactRepository) -> bool:
    """Delete the model among a run's files; False where the store doesn't let us."""
    try:
        files.delete_artifacts(FOLDER)
    except (NotImplementedError, MlflowException, OSError) as error:
        logger.warning("a model that is no longer the best can't be deleted: %s", error)
        return False
    return True


def fetch(run_id: str, *, tracking_uri: str | None = None) -> LoggedModel:
    """The model of a run.

    Raises:
        ValueError: no such run, one without a model, or a damaged model.
    """
    with tempfile.TemporaryDirectory() as place:
        return load(download(run_id, Path(place), tracking_uri=tracking_uri))


def download(run_id: str, place: Path, *, tracking_uri: str | None = None) -> Path:
    """The folder of a run's model, below `place` (made if missing); see `scaling.logged_model`.

    Raises:
        ValueError: no such run, one without a model, or one without its manifest.
    """
    client = open_client(tracking_uri)
    uri = resolve_uri(tracking_uri)
    with store_errors(uri):
        try:
            run = client.get_run(run_id)
        except MlflowException as error:
            raise ValueError(f"no run {run_id!r} in {uri}: {error}") from None
        if MODEL_BYTES not in run.data.tags:
            trained = run.data.tags.get(f"{TAG}reused_from")
            more = f"; it was trained as run {trained}, which may have one" if trained else ""
            raise ValueError(
                f"run {run_id} has no model{more}. Cure: run its sweep with --log-model all (and "
                "--force, if its trials are finished)"
            )
        files = artifact_repository(run.info.artifact_uri, uri)
        place.mkdir(parents=True, exist_ok=True)
        found = Path(files.download_artifacts(f"{FOLDER}/{_INSIDE}", str(place)))
        # Without one `load` says what is missing.
        return next((path.parent for path in found.rglob(logged_model.MANIFEST)), found)


def signature_of(schema: Schema) -> ModelSignature:
    """Requests as rows in, lists of probabilities out."""
    numbers = (TIME, SCENARIO)
    inputs = [
        ColSpec(DataType.long if name in numbers else Array(DataType.long), name)
        for name in columns_of(schema)
    ]
    outputs = [ColSpec(Array(DataType.double), name) for name in schema.behaviours]
    return ModelSignature(inputs=MlflowSchema(inputs), outputs=MlflowSchema(outputs))
