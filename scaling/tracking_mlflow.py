"""MLflow as this package uses it; imported from here, so that it is told first not to phone home."""

from __future__ import annotations

import logging
import os
import warnings
from pathlib import Path
from typing import Any

# Read when MLflow is imported. A user who set it otherwise is left alone.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.store.artifact.artifact_repo import ArtifactRepository
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.types import ColSpec, DataType
from mlflow.types import Schema as MlflowSchema
from mlflow.types.schema import Array

__all__ = [
    "Array",
    "ArtifactRepository",
    "ColSpec",
    "DataType",
    "Dataset",
    "DatasetInput",
    "InputTag",
    "Metric",
    "MlflowClient",
    "MlflowException",
    "MlflowSchema",
    "ModelSignature",
    "Param",
    "Run",
    "RunTag",
    "artifact_repository",
    "save_pyfunc",
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


def save_pyfunc(
    path: Path,
    *,
    loader_module: str,
    data_path: Path,
    signature: ModelSignature,
    example: Any,
    requirements: list[str],
) -> None:
    """Write a folder that `mlflow.pyfunc.load_model` reads."""
    import mlflow.pyfunc

    logging.getLogger("mlflow.pyfunc").setLevel(logging.WARNING)  # it tells of every model
    with warnings.catch_warnings():
        # What it asks of pandas works, and is to be asked otherwise from pandas 4 on.
        warnings.filterwarnings("ignore", message="Operation with range is deprecated")
        mlflow.pyfunc.save_model(
            str(path),
            loader_module=loader_module,
            data_path=str(data_path),
            signature=signature,
            input_example=example,
            pip_requirements=requirements,
        )
