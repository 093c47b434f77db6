"""Sweeps that keep their models: which runs have one, what they score, and the latency columns."""

from __future__ import annotations

import dataclasses
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scaling import logged_model
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.base import MODELS
from scaling.models.popularity import PopularityConfig
from scaling.models.transformer import TransformerConfig
from scaling.pyfunc import example_of
from scaling.results import TrialResult
from scaling.start import start_run
from scaling.sweeps.base import Sweep
from scaling.sweeps.design import grid, variants
from scaling.sweeps.latency import measured
from scaling.sweeps.recipe import Recipe
from scaling.sweeps.runner_extras import Extras, with_extras
from scaling.tracking import SweepTracker
from scaling.tracking_models import LogModels, fetch, models_of
from scaling.tracking_read import read_runs
from scaling.trial import TrialConfig

DATA = SyntheticConfig.tiny()


def logged(title: str = "logged") -> Sweep:
    """Two sizes, trained for a moment, and a reference."""
    small = variants(TransformerConfig(depth=1, width=16, seq_len=4), width=(16, 32))
    return grid(
        title,
        models=(*small, PopularityConfig()),
        dataset=DATA,
        budgets=(2e8,),
        seeds=(0,),
        recipe=Recipe(batch_size=8),
    )


@pytest.fixture(scope="module")
def kept(
    ray_running: None, migrated: Path, copy_store: Any, tmp_path_factory: pytest.TempPathFactory
) -> str:
    """The store of a sweep that kept all its models and measured their latency."""
    from scaling.sweeps.runner import run_sweep

    path = tmp_path_factory.mktemp("kept") / "mlflow.db"
    copy_store(migrated, path)
    outcome = run_sweep(logged(), tracking_uri=f"sqlite:///{path}", log_models="all", latency=True)
    assert (outcome.done, outcome.failed) == (3, ())
    return f"sqlite:///{path}"


def test_every_trial_leaves_the_model_that_was_evaluated(kept: str) -> None:
    table = read_runs("logged", tracking_uri=kept)
    count, size = models_of("logged", tracking_uri=kept)
    assert count == len(table) == 3
    assert size > 10_000
    data = DATA.open()
    for _, row in table.iterrows():
        found = fetch(row["run_id"], tracking_uri=kept)
        assert found.config.name == row["architecture"]
        assert found.about["digest"] == row["digest"]
        # The run's own losses, once more from its model.
        total = np.zeros(data.schema.num_behaviours)
        examples = 0
        for batch in data.requests("test", found.config.views(), batch_size=64):
            with torch.inference_mode():
                losses = torch.nn.functional.binary_cross_entropy_with_logits(
                    found.ranker(batch), batch.labels, reduction="none"
                )
            total += losses[batch.candidates.mask].sum(0).double().numpy()
            examples += int(batch.candidates.mask.sum())
        assert (total / examples).mean() == pytest.approx(row["loss"], rel=1e-5)


def test_mlflow_loads_the_model_by_its_run(kept: str) -> None:
    import mlflow

    run_id = read_runs("logged", tracking_uri=kept)["run_id"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(kept)
        try:
            model = mlflow.pyfunc.load_model(f"runs:/{run_id}/model")
        finally:
            mlflow.set_tracking_uri(before)
        found = model.predict(example_of(DATA.open().schema))
    assert list(found.columns) == list(DATA.open().schema.behaviours)
    assert model.metadata.signature is not None
    assert model.metadata.saved_input_example_info is not None


def test_latency_columns_are_there_for_every_model(kept: str) -> None:
    table = read_runs("logged", tracking_uri=kept)
    for column in ("latency_ms", "latency_cached_ms", "latency_p50_ms", "latency_busy"):
        assert (table[column] > 0).all()
    assert (table["latency_p50_ms"] <= table["latency_ms"]).all()
    assert {trial.digest() for trial in logged().trials} == set(table["digest"])


def test_a_finished_trial_is_not_trained_again_for_its_model(
    kept: str, launch: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    from scaling.cli.models import tell_of_models

    outcome = launch(logged(), kept, log_models="best")
    assert (outcome.done, outcome.skipped) == (0, 3)
    tell_of_models(outcome)
    told = capsys.readouterr()
    assert "3 runs have their model in MLflow" in told.out
    assert "3 trials were finished before" in told.err
    copied = launch(logged("copy"), kept)
    assert copied.reused == 3
    assert models_of("copy", tracking_uri=kept) == (0, 0)
    run_id = read_runs("copy", tracking_uri=kept)["run_id"][0]
    with pytest.raises(ValueError, match=r"has no model; it was trained as run \w+, .*--force"):
        fetch(run_id, tracking_uri=kept)
    with pytest.raises(ValueError, match="no run 'nowhere'"):
        fetch("nowhere", tracking_uri=kept)


def packed(folder: Path, trial: TrialConfig) -> bytes:
    schema = DATA.open().schema
    logged_model.save(folder, trial.model.build(schema), trial.model, schema, {"seed": trial.seed})
    return logged_model.pack(folder)


def log(store: str, keep: LogModels, losses: list[float | None], tmp_path: Path) -> list[str]:
    """Trials with these validation losses, one after the other; None: it failed."""
    first = logged().trials[0]
    runs = []
    with SweepTracker("best", tracking_uri=store, models=keep) as tracker:
        for seed, loss in enumerate(losses):
            trial = first.with_seed(seed)
            metrics = {} if loss is None else {"validation_loss": loss, "loss": loss}
            result = TrialResult("finished" if loss else "failed", "", metrics, {}, [])
            model = packed(tmp_path / f"m{seed}", trial)
            runs.append(tracker.log(trial, result, started=time.time(), model=model))
    return runs


def test_the_best_of_an_architecture_stays_also_across_launches(store: str, tmp_path: Path) -> None:
    a, b, c, d = log(store, "best", [0.5, 0.4, 0.45, None], tmp_path)
    assert models_of("best", tracking_uri=store)[0] == 1
    assert fetch(b, tracking_uri=store).about["seed"] == 1
    for run_id in (a, c, d):
        with pytest.raises(ValueError, match=r"has no model\. Cure"):
            fetch(run_id, tracking_uri=store)
    assert len(list(tmp_path.rglob("artifacts/model/MLmodel"))) == 1
    # A worse one later changes nothing, a better one does, and so does the same trial run again.
    assert log(store, "best", [0.41], tmp_path)
    assert fetch(b, tracking_uri=store).about["seed"] == 1
    (best,) = log(store, "best", [0.3], tmp_path)
    (again,) = log(store, "best", [0.35], tmp_path)
    assert models_of("best", tracking_uri=store)[0] == 1
    assert fetch(again, tracking_uri=store).about["seed"] == 0
    with pytest.raises(ValueError, match="has no model"):
        fetch(best, tracking_uri=store)


def test_a_damaged_model_in_the_store_is_named(store: str, tmp_path: Path) -> None:
    (run_id,) = log(store, "all", [0.5], tmp_path)
    (weights,) = (path for path in tmp_path.rglob("weights.pt") if "artifacts" in path.parts)
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ValueError, match=r"weights.pt is damaged or truncated"):
        fetch(run_id, tracking_uri=store)


def test_trouble_with_extras_spoils_no_result(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start_run(logged().trials[0])
    result = TrialResult("finished", "", {"loss": 0.5}, {}, [])
    assert with_extras(run, result, Extras()).result is None
    failed = dataclasses.replace(result, status="failed")
    assert with_extras(run, failed, Extras(model=True, latency=True)).model is None

    def full(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(run, "trained", full)
    added = with_extras(run, result, Extras(model=True, latency=True))
    assert (added.model, added.result) == (None, None)
    assert added.news == (
        "its model can't be kept: no space left",
        "its latency can't be measured: no space left",
    )


def test_measuring_changes_nothing() -> None:
    schema = DATA.open().schema
    config = MODELS.get("astro").example(schema)
    ranker = config.build(schema).train()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    weights = {name: tensor.clone() for name, tensor in ranker.state_dict().items()}
    found = measured(ranker, config.views(), schema)
    assert found["latency_ms"] >= found["latency_p50_ms"] > 0
    assert found["latency_cached_ms"] >= found["latency_cached_p50_ms"] > 0
    assert ranker.training
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads
    assert all(torch.equal(weights[name], t) for name, t in ranker.state_dict().items())


@pytest.mark.slow
def test_the_command_line_and_mlflows_own_server(store: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "from tests.sweeps.test_log_model import logged\n\ndef mine():\n    return logged('mine')\n"
    )
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [
            sys.executable, "-c", f"import sys; sys.path.insert(0, {root!r})\n"
            "from scaling.cli import main; main()", "sweep", f"{file}:mine",
            "--log-model", "best", "--latency", "--tracking-uri", store,
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 runs have their model in MLflow" in done.stdout
    (run_id,) = (
        row["run_id"]
        for _, row in read_runs("mine", tracking_uri=store).iterrows()
        if row["architecture"] == "popularity"
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [
            sys.executable, "-m", "mlflow", "models", "serve", "-m", f"runs:/{run_id}/model",
            "--env-manager", "local", "--port", str(port), "--workers", "1",
        ],
        cwd=tmp_path, env={**os.environ, "MLFLOW_TRACKING_URI": store},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        schema = DATA.open().schema
        asked = example_of(schema)
        answer = _ask(port, json.dumps({"dataframe_split": asked.to_dict("split")}))
        wanted = torch.sigmoid(
            fetch(run_id, tracking_uri=store).ranker.rates[asked["candidates"][0]].logit()  # type: ignore[index,union-attr,operator]
        )
        for column, behaviour in enumerate(schema.behaviours):
            found = answer["predictions"][0][behaviour]
            np.testing.assert_allclose(found, wanted[:, column].numpy(), atol=1e-6)
    finally:
        server.terminate()
        server.wait(30)


def _ask(port: int, body: str) -> Any:
    """The server's answer; it takes a while to start."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/invocations",
        body.encode(),
        {"Content-Type": "application/json"},
    )
    for _ in range(240):
        try:
            with urllib.request.urlopen(request, timeout=30) as found:
                return json.loads(found.read())
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        except OSError:
            time.sleep(0.5)
    raise AssertionError("the server did not answer")
