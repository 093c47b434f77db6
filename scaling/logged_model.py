"""A trained model as a folder: what it is, what it reads, its weights; checked when it is read.

Plain formats alone: JSON, npy without objects, and a state dict that torch reads with
`weights_only=True`. Nothing in the folder is run when it is loaded.
"""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from scaling.batch import Schema
from scaling.datasets.schema import check_schema, schema_facts, schema_from_facts
from scaling.datasets.store import written_aside
from scaling.models.base import ModelConfig, Ranker
from scaling.units import plain

FORMAT = 1
"""Raised when the same files begin to mean something else."""

MANIFEST = "manifest.json"
CONFIG, SCHEMA, ABOUT, WEIGHTS = "config.json", "schema.json", "about.json", "weights.pt"
_RATES = "label_rates"


@dataclass(frozen=True)
class LoggedModel:
    """A model that was loaded."""

    ranker: Ranker
    """In evaluation mode, on the CPU."""
    config: ModelConfig
    schema: Schema
    about: Mapping[str, Any]
    """Plain data: where it comes from (`digest`, `dataset`, `data_fingerprint`, ...)."""


def save(
    folder: Path,
    ranker: Ranker,
    config: ModelConfig,
    schema: Schema,
    about: Mapping[str, Any],
) -> None:
    """Write a model as a folder, whole or not at all; a model that stands there is replaced.

    Args:
        about: plain data about where the model comes from.

    Raises:
        ValueError: it can't be written; nothing is left of it.
    """
    arrays = {
        _array_name(number): np.ascontiguousarray(attribute.of_item)
        for number, attribute in enumerate(schema.item_attributes.values())
    }
    described = schema_facts(schema) | {_RATES: list(schema.label_rates)}
    weights = {name: tensor.detach().cpu() for name, tensor in ranker.state_dict().items()}
    with written_aside(folder) as aside:
        aside.mkdir()
        for name, value in ((CONFIG, config.to_dict()), (SCHEMA, described), (ABOUT, about)):
            (aside / name).write_text(json.dumps(plain(value), indent=1, allow_nan=False))
        for name, array in arrays.items():
            np.save(aside / name, array, allow_pickle=False)
        torch.save(weights, aside / WEIGHTS)
        files = {path.name: _sum(path) for path in sorted(aside.iterdir())}
        (aside / MANIFEST).write_text(json.dumps({"format": FORMAT, "files": files}, indent=1))


def load(folder: Path) -> LoggedModel:
    """The model that `save` wrote there.

    Raises:
        ValueError: no model, one of a later release, a file that is missing or damaged, or a model
            that this installation doesn't know; names the file.
    """
    schema = schema_of(folder)
    config = ModelConfig.from_dict(_facts(folder / CONFIG))
    with torch.random.fork_rng():
        ranker = config.build(schema)
    try:
        ranker.load_state_dict(torch.load(folder / WEIGHTS, weights_only=True, map_location="cpu"))
    except (RuntimeError, pickle.UnpicklingError) as error:
        raise ValueError(
            f"{folder / WEIGHTS} does not hold the weights of {config.name}: {error}"
        ) from error
    return LoggedModel(ranker.eval(), config, schema, _facts(folder / ABOUT))


def schema_of(folder: Path) -> Schema:
    """What the model in a folder reads and predicts, all its files checked.

    Raises:
        ValueError: as `load`.
    """
    check(folder)
    facts = _facts(folder / SCHEMA)
    rates = facts.pop(_RATES)
    of_item = {
        name: np.load(folder / _array_name(number), allow_pickle=False)
        for number, name in enumerate(facts["item_attributes"])
    }
    schema = replace(schema_from_facts(facts, of_item), label_rates=tuple(rates))
    check_schema(schema)
    return schema


def check(folder: Path) -> None:
    """Compare every file with its checksum.

    Raises:
        ValueError: as `load`.
    """
    manifest = folder / MANIFEST
    try:
        found = json.loads(manifest.read_text())
        form, files = found["format"], dict(found["files"])
    except FileNotFoundError:
        raise ValueError(f"{folder} holds no model: {MANIFEST} is missing") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{manifest} is damaged ({error}); log the model again") from error
    if form != FORMAT:
        raise ValueError(
            f"{manifest} is of format {form!r}, this release reads {FORMAT}; load it with the "
            "release that wrote it"
        )
    for name in (CONFIG, SCHEMA, ABOUT, WEIGHTS):
        if name not in files:
            raise ValueError(f"{manifest} is damaged (it lists no {name}); log the model again")
    for name, facts in files.items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise ValueError(f"{path} is missing; log the model again")
        if _sum(path) != facts:
            raise ValueError(
                f"{path} is damaged or truncated (its checksum does not match); log the model again"
            )


def pack(folder: Path) -> bytes:
    """A model's folder as one archive that travels between machines."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    return content.getvalue()


def unpack(packed: bytes, folder: Path) -> None:
    """Write the folder that `pack` was given; `load` and `check` say whether it is whole."""
    folder.mkdir(parents=True)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def size(folder: Path) -> int:
    """Bytes of all files."""
    return sum(path.stat().st_size for path in folder.iterdir())


def _array_name(number: int) -> str:
    # An attribute may be called anything; a file may not.
    return f"item_attribute.{number}.npy"


def _facts(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def _sum(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}
