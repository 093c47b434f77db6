"""MLflow as this package uses it; imported from here, so that it is told first not to phone home."""

from __future__ import annotations

import os

# Read when MLflow is imported. A user who set it otherwise is left alone.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

__all__ = [
    "ArtifactRepository",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "Param",
    "Run",
    "RunTag",
    "artifact_repository",
    "without_own_retries",
]


def artifact_repository(artifact_uri: str, tracking_uri: str) -> ArtifactRepository:
    """Where a run's files go; the client itself would ask for the whole run first (25 ms)."""
    return get_artifact_repository(artifact_uri, tracking_uri=tracking_uri)


def without_own_retries() -> None:
    """From now on MLflow's requests fail at once, or after 30 s without an answer, so that whoever
    waits can tell why; by itself MLflow tries silently for up to 16 minutes. Nor does it print the
    address of every run."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "30")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
