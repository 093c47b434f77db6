"""What is logged to MLflow comes back as it was, and says enough to be run again."""

from __future__ import annotations

import dataclasses
import json
import math
import time
from pathlib import Path

import pandas as pd
import pytest

from scaling.code import code_digest
from scaling.config import canonical_json
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.results import CurvePoint, TrialResult
from scaling.runs import COLUMNS, NUMERIC_COLUMNS, TEXT_COLUMNS, write_runs
from scaling.runs import read_runs as read_file
from scaling.tracking import SweepTracker
from scaling.tracking_mlflow import MlflowClient
from scaling.tracking_read import (
    known,
    read_evaluations,
    read_runs,
    read_spec,
    read_trial,
    sweep_titles,
)
from scaling.tracking_store import StoreError
from scaling.trial import TrainingConfig, TrialConfig

MEASURED = {
    "params": 6821.0,
    "params_embedding": 70448.0,
    "compute": 1.0000000000000002e10,
    "examples": 12345.0,
    "steps": 33.0,
    "loss": 0.1 + 0.2,  # not a round double
    "ne": 0.987654321012345678,
    "validation_loss": 1 / 3,
    "loss.like": 5e-324,  # the smallest there is
    "auc.like": 0.75,
    "validation_loss.like": 0.2,
    "loss_floor": 0.25,
    "auc_ceiling": 0.8,
    "train_seconds": 12.5,
    "peak_memory_bytes": float(2**40 + 1),
}


def trial_of(seed: int = 0) -> TrialConfig:
    return TrialConfig(
        model=TransformerConfig(depth=1, width=16, seq_len=8),
        dataset=SyntheticConfig.tiny(),
        training=TrainingConfig(batch_size=8, lr=1e-3, embedding_lr=0.05, lr_rule="given"),
        budget=1e10,
        seed=seed,
    )


def result_of(**changes: object) -> TrialResult:
    result = TrialResult(
        status="finished",
        reason="",
        metrics=dict(MEASURED),
        texts={"split": "own users"},
        curve=[
            CurvePoint(100 * k, {"train_loss": 1.0 / k, "compute_spent": 1e6 * k})
            for k in (1, 2, 3)
        ],
        evaluation=pd.DataFrame(
            {"request": [1, 2], "user": [1, 1], "behaviour": "like", "sum_loss": [0.5, 0.25]}
        ),
    )
    return dataclasses.replace(result, **changes)  # type: ignore[arg-type]


def failed(reason: str) -> TrialResult:
    return result_of(status="failed", reason=reason, metrics={}, curve=[], evaluation=None)


def logged(store: str, trial: TrialConfig, result: TrialResult, title: str = "study") -> str:
    with SweepTracker(title, tracking_uri=store) as tracker:
        return tracker.log(trial, result, started=time.time())


def test_read_back_equals_what_was_logged(store: str, tmp_path: Path) -> None:
    trial, result = trial_of(), result_of()
    run_id = logged(store, trial, result)
    (row,) = read_runs("study", tracking_uri=store).to_dict("records")
    for name, value in MEASURED.items():
        assert row[name] == value, name
    expected = {
        "architecture": "transformer", "depth": 1, "width": 16, "seq_len": 8, "blocks": 1,
        "budget": 1e10, "seed": 0, "dataset": "synthetic", "split": "own users",
        "data_fingerprint": trial.dataset.fingerprint(), "lr": 1e-3, "batch_size": 8,
        "precision": "fp32", "device": "cpu", "threads": 1, "workers": 1, "sweep": "study",
            "reason": "",
        "role": "trained", "variant": "transformer",
        "digest": trial.digest(), "configuration": trial.configuration(), "run_id": run_id,
        "code_version": code_digest(trial), "status": "finished",
    }  # fmt: skip
    assert {name: row[name] for name in expected} == expected
    absent = set(COLUMNS) - set(MEASURED) - set(expected)
    assert "latency_ms" in absent
    assert all(pd.isna(row[name]) for name in absent), "what was not measured stays missing"
    table = read_runs("study", tracking_uri=store)
    write_runs(table, tmp_path / "runs.csv")
    again = read_file(tmp_path / "runs.csv")
    numbers = [*NUMERIC_COLUMNS, "loss.like"]
    pd.testing.assert_frame_equal(table[numbers], again[numbers], check_dtype=False)


def test_numbers_are_metrics_and_texts_are_not_lost(store: str) -> None:
    run_id = logged(store, trial_of(), result_of())
    run = MlflowClient(store).get_run(run_id)
    declared = {"depth", "width", "seq_len", "blocks", "budget", "seed", "lr", "batch_size"}
    assert declared | set(MEASURED) <= set(run.data.metrics)
    assert not set(TEXT_COLUMNS) & set(run.data.metrics)
    assert run.data.params["model.width"] == "16"
    assert run.data.params["training.lr_rule"] == "given"
    assert run.data.params["dataset.name"] == "synthetic"
    tags = run.data.tags
    for tag in ("digest", "architecture", "code", "schema", "status"):
        assert tags[f"climber.{tag}"]
    assert json.loads(tags["climber.trial"]) == trial_of().to_dict()
    assert read_trial(run_id, tracking_uri=store) == trial_of().to_dict()
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == (
        "synthetic",
        trial_of().dataset.fingerprint(),
    )


def test_learning_curve_has_the_examples_as_steps(store: str) -> None:
    run_id = logged(store, trial_of(), result_of())
    history = MlflowClient(store).get_metric_history(run_id, "train_loss")
    assert [(m.step, m.value) for m in history] == [(100, 1.0), (200, 0.5), (300, 1 / 3)]
    assert "train_loss" not in read_runs("study", tracking_uri=store), "no column of the run table"


def test_a_long_curve_needs_more_than_one_call(store: str) -> None:
    curve = [CurvePoint(k, {"train_loss": float(k), "lr_now": 1.0 / k}) for k in range(1, 1501)]
    run_id = logged(store, trial_of(), result_of(curve=curve))
    history = MlflowClient(store).get_metric_history(run_id, "train_loss")
    assert [m.step for m in history] == list(range(1, 1501))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_noted_not_logged(store: str, value: float) -> None:
    metrics = {**MEASURED, "auc": value}
    notes = {"gauc": "every user has one class only"}
    run_id = logged(store, trial_of(), result_of(metrics=metrics, notes=notes))
    run = MlflowClient(store).get_run(run_id)
    assert "auc" not in run.data.metrics
    assert run.data.tags["climber.note.auc"] == f"the value was {value}"
    assert run.data.tags["climber.note.gauc"] == "every user has one class only"
    assert read_runs("study", tracking_uri=store)["auc"].isna().all()


def test_failed_trials_are_kept_apart_with_their_reason(store: str) -> None:
    logged(store, trial_of(0), result_of())
    logged(store, trial_of(1), failed("diverged: training loss 9 by step 3"))
    assert list(read_runs("study", tracking_uri=store)["seed"]) == [0]
    table = read_runs("study", tracking_uri=store, everything=True).set_index("seed")
    assert list(table.loc[1, ["status", "reason"]]) == [
        "failed",
        "diverged: training loss 9 by step 3",
    ]
    assert pd.isna(table.loc[1, "loss"])
    assert set(known("study", [trial_of(1).digest()], tracking_uri=store).finished) == set()


def test_one_parent_run_for_all_launches(store: str) -> None:
    for seed in range(3):
        with SweepTracker("study", tracking_uri=store) as tracker:
            tracker.log_spec({"title": "study", "trials": [], "launch": seed})
            tracker.log(trial_of(seed), result_of(), started=time.time())
            running = MlflowClient(store).get_run(tracker.parent_id)
            assert running.info.status == "RUNNING"
    client = MlflowClient(store)
    runs = client.search_runs([tracker.experiment_id])
    (parent,) = [run for run in runs if run.data.tags["climber.kind"] == "sweep"]
    children = [run for run in runs if run.data.tags["climber.kind"] == "trial"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["climber.git_commit"]
    assert read_spec("study", tracking_uri=store)["launch"] == 2
    assert len(client.list_artifacts(parent.info.run_id, "specs")) == 3, "former specs are kept"


def test_files_lie_beside_the_store(store: str, tmp_path: Path) -> None:
    run_id = logged(store, trial_of(), result_of())
    paths = list((tmp_path / "mlartifacts").rglob("evaluation.parquet"))
    assert len(paths) == 1
    assert run_id in str(paths[0])
    table = read_evaluations([run_id], tracking_uri=store)[run_id]
    expected = result_of().evaluation
    assert expected is not None
    pd.testing.assert_frame_equal(table, expected, check_dtype=False)
    assert not Path("mlruns").exists()


def test_fits_and_reports_join_the_parent_run(store: str, tmp_path: Path) -> None:
    fit = tmp_path / "fit.json"
    fit.write_text("{}")
    with SweepTracker("study", tracking_uri=store) as tracker:
        tracker.attach([fit])
    names = [f.path for f in MlflowClient(store).list_artifacts(tracker.parent_id)]
    assert "fit.json" in names


def test_an_interrupted_log_leaves_nothing_that_counts(
    store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with SweepTracker("study", tracking_uri=store) as tracker:

        def full(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(pd.DataFrame, "to_parquet", full)
            with pytest.raises(StoreError, match=r"No space left.*Cure: make room"):
                tracker.log(trial_of(), result_of(), started=time.time())
        tracker.log(trial_of(1), result_of(), started=time.time())
    table = read_runs("study", tracking_uri=store, everything=True)
    assert list(table["seed"]) == [1]


def test_known_prefers_this_sweeps_own_run(store: str) -> None:
    elsewhere = logged(store, trial_of(), result_of(), title="other")
    digest = trial_of().digest()
    found = known("study", [digest, "0" * 16], tracking_uri=store)
    assert {d: (f.run_id, f.elsewhere) for d, f in found.finished.items()} == {
        digest: (elsewhere, True)
    }
    own = logged(store, trial_of(), result_of())
    found = known("study", [digest], tracking_uri=store)
    assert (found.finished[digest].run_id, found.finished[digest].elsewhere) == (own, False)
    assert [row["loss"] for row in found.rows] == [MEASURED["loss"]]
    assert sweep_titles(tracking_uri=store) == ["other", "study"]


@pytest.mark.parametrize("others", [0, 60, 200])
def test_many_digests_are_looked_up_in_other_sweeps(store: str, others: int) -> None:
    logged(store, trial_of(), result_of(), title="other")
    latest = logged(store, trial_of(), result_of(), title="other")
    logged(store, trial_of(1), result_of(), title="third")
    digests = [trial_of().digest(), *(f"{number:016x}" for number in range(others))]
    found = known("study", digests, tracking_uri=store).finished
    assert {d: (f.run_id, f.elsewhere) for d, f in found.items()} == {digests[0]: (latest, True)}


def test_a_copy_names_the_run_that_was_trained(store: str) -> None:
    source = logged(store, trial_of(), result_of(), title="first")
    with SweepTracker("second", tracking_uri=store) as tracker:
        copy = tracker.reuse(source)
    with SweepTracker("third", tracking_uri=store) as tracker:
        again = tracker.reuse(copy)
    client = MlflowClient(store)
    old, new = client.get_run(source), client.get_run(again)
    assert new.data.tags["climber.reused_from"] == source
    assert new.data.metrics == old.data.metrics
    assert new.data.params == old.data.params
    assert new.info.start_time == old.info.start_time
    history = client.get_metric_history(again, "train_loss")
    assert [(m.step, m.value) for m in history] == [(100, 1.0), (200, 0.5), (300, 1 / 3)]
    assert read_evaluations([again], tracking_uri=store)[again].shape == (2, 4)


def test_digests_choose_rows(store: str) -> None:
    for seed in range(3):
        logged(store, trial_of(seed), result_of())
    wanted = [trial_of(2).digest(), trial_of(0).digest()]
    table = read_runs("study", tracking_uri=store, digests=wanted)
    assert sorted(table["seed"]) == [0, 2]


def test_params_of_any_length_and_notes_in_any_number(store: str) -> None:
    notes = {f"auc.behaviour_{number}": "one class only" for number in range(150)}
    run_id = logged(store, trial_of(), result_of(notes=notes))
    tags = MlflowClient(store).get_run(run_id).data.tags
    assert sum(name.startswith("climber.note.") for name in tags) == 150


def test_spec_is_json_as_it_was(store: str) -> None:
    spec = {"title": "study", "trials": [trial_of().to_dict()]}
    with SweepTracker("study", tracking_uri=store) as tracker:
        tracker.log_spec(spec)
    assert canonical_json(read_spec("study", tracking_uri=store)) == canonical_json(spec)
