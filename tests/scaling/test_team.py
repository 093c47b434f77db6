"""A trial trained by several processes is the trial that one process trains."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.astro import AstroConfig
from scaling.models.base import ModelConfig
from scaling.models.transformer import TransformerConfig
from scaling.results import TrialResult
from scaling.training import TrialRun
from scaling.trial import TrainingConfig, TrialConfig

WORKER = Path(__file__).with_name("team_worker.py")
TRANSFORMER = TransformerConfig(depth=2, width=16, seq_len=8)
ASTRO = AstroConfig(depth=2, width=16, seq_len=8, strategies=("recent", "like"))
STEPS = 100
EQUAL = ("compute", "examples", "steps", "requests", "params")
ALIKE = ("loss", "auc", "validation_loss", "validation_auc")


def trained(config: TrialConfig) -> TrialResult:
    run = TrialRun(config)
    run.advance(math.inf)
    return run.finish()


def trial(model: ModelConfig, tracks: int = 0, **training: Any) -> TrialConfig:
    """A trial of about 100 steps of 9 requests: an odd number, so that parts differ in size."""
    dataset = SyntheticConfig.tiny()
    if tracks:
        dataset = dataclasses.replace(dataset, tracks=tracks)
    settings = TrainingConfig(batch_size=9, lr=3e-3, embedding_lr=0.1, lr_rule="given")
    settings = dataclasses.replace(settings, **training)
    short = TrialConfig(model=model, dataset=dataset, training=settings, budget=1e7, seed=0)
    first = trained(short).metrics
    return dataclasses.replace(short, budget=1.02 * STEPS * first["compute"] / first["steps"])


def by_team(config: TrialConfig, size: int, folder: Path) -> list[dict[str, Any]]:
    """What each process of a team ends with."""
    folder.mkdir(exist_ok=True)
    (folder / "trial.json").write_text(json.dumps(config.to_dict()))
    members = [
        subprocess.Popen(
            [
                sys.executable, str(WORKER), str(folder / "trial.json"), str(folder / "meeting"),
                str(rank), str(size), str(folder / f"{rank}.json"),
            ],
            env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]  # fmt: skip
    try:
        for member in members:
            _, told = member.communicate(timeout=300)
            assert member.returncode == 0, told
    finally:
        for member in members:
            member.kill()
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in range(size)]


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"model": ASTRO, "rank_loss": 0.5}, id="astro with a rank loss"),
        pytest.param(
            {"model": TRANSFORMER, "tracks": 9000},
            id="transformer, rows gathered",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_two_processes_train_what_one_does(config: dict[str, Any], tmp_path: Path) -> None:
    made = trial(**config)
    alone = trained(made)
    assert alone.metrics["steps"] >= STEPS
    for one in by_team(made, 2, tmp_path):
        for name in EQUAL:
            assert one["metrics"][name] == alone.metrics[name], name
        for name in ALIKE:
            assert one["metrics"][name] == pytest.approx(alone.metrics[name], abs=1e-5), name
        curve = [point.metrics["train_loss"] for point in alone.curve]
        assert one["curve"] == pytest.approx(curve, abs=1e-5)


@pytest.mark.slow
def test_a_batch_of_fewer_requests_than_processes(tmp_path: Path) -> None:
    made = trial(TRANSFORMER, batch_size=2)
    alone = trained(made)
    for one in by_team(made, 3, tmp_path):
        assert one["metrics"]["loss"] == pytest.approx(alone.metrics["loss"], abs=1e-5)


@pytest.mark.slow
def test_a_loss_over_the_whole_batch_is_refused(tmp_path: Path) -> None:
    experts = dataclasses.replace(TRANSFORMER, experts=2)
    with pytest.raises(AssertionError, match="one process must see the whole batch"):
        by_team(trial(experts), 1, tmp_path)
