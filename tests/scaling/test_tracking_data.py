"""A run's record says where its data come from."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scaling.datasets.log import EventLog, build_log
from scaling.datasets.logged import LoggedConfig
from scaling.datasets.store import MANIFEST, manifest_of, save_log
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.results import TrialResult
from scaling.tracking import SweepTracker
from scaling.tracking_mlflow import MlflowClient
from scaling.trial import TrainingConfig, TrialConfig

FACTS = {"source": "events.csv", "licence": "CC BY"}


@dataclass(frozen=True, kw_only=True)
class PreparedConfig(LoggedConfig):
    """Logged data that somebody has prepared."""

    name = "prepared"

    def content(self) -> str:
        return "abc"

    def read(self) -> tuple[EventLog, dict[str, Any]]:
        raise AssertionError("it is prepared")

    def fetch(self) -> list[Path]:
        return []


def test_the_manifest_of_prepared_data_is_logged(
    store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))
    columns = {"users": [0, 0], "items": [1, 2], "actions": [0, 0], "scenarios": [0, 0]}
    log = build_log(SyntheticConfig.tiny().open().schema, times=[1, 2], **columns)
    save_log(log, PreparedConfig().prepared_path(), FACTS)
    trial = TrialConfig(
        model=TransformerConfig(depth=1, width=16, seq_len=8),
        dataset=PreparedConfig(),
        training=TrainingConfig(batch_size=8, lr=1e-3, embedding_lr=0.05, lr_rule="given"),
        budget=1e10,
        seed=0,
    )
    result = TrialResult("failed", "for the test", {}, {}, [])
    with SweepTracker("study", tracking_uri=store) as tracker:
        run_id = tracker.log(trial, result, started=time.time())
    (data,) = MlflowClient(store).get_run(run_id).inputs.dataset_inputs
    told = json.loads(data.dataset.profile)
    assert told["facts"] == FACTS
    assert told["fingerprint"] == log.fingerprint()
    assert not {"arrays", "schema"} & set(told)


def test_a_damaged_manifest_is_named(tmp_path: Path) -> None:
    for content in ("", "[]", "{"):
        (tmp_path / MANIFEST).write_text(content)
        with pytest.raises(ValueError, match=r"manifest.json can't be read"):
            manifest_of(tmp_path)
