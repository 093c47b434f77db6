"""What MLflow's pages say of sweeps and trials."""

from __future__ import annotations

import pytest

from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.results import TrialResult
from scaling.sweeps.base import Sweep
from scaling.tracking import SweepTracker
from scaling.tracking_mlflow import MlflowClient
from scaling.tracking_notes import NOTE, code, of_sweep, of_trial
from scaling.trial import TrainingConfig, TrialConfig


def trial_of(seed: int = 0) -> TrialConfig:
    return TrialConfig(
        model=TransformerConfig(depth=1, width=16, seq_len=8),
        dataset=SyntheticConfig.tiny(),
        training=TrainingConfig(batch_size=8, lr=1e-3, embedding_lr=0.05, lr_rule="given"),
        budget=1e10 * (1 + seed),
        seed=seed,
    )


def test_runs_and_experiment_are_described(store: str) -> None:
    sweep = Sweep(title="study", trials=(trial_of(0), trial_of(1)))
    result = TrialResult(status="finished", reason="", metrics={"loss": 0.3}, texts={}, curve=[])
    with SweepTracker("study", tracking_uri=store) as tracker:
        tracker.log_spec(sweep.to_dict())
        run_id = tracker.log(sweep.trials[1], result, started=0.0, ended=1.0)
        client = MlflowClient(store)
        parent = client.get_run(tracker.parent_id).data.tags[NOTE]
        assert client.get_experiment(tracker.experiment_id).tags[NOTE] == parent
    assert parent == of_sweep("study", sweep.to_dict())
    assert "2 trials on `synthetic`" in parent
    assert "* `transformer`: 2 trials" in parent
    assert "2 budgets, 10 GFLOP to 20 GFLOP; 2 seeds" in parent
    told = client.get_run(run_id).data.tags[NOTE]
    assert told == of_trial(sweep.trials[1])
    assert told.startswith("`transformer`: depth 1, width 16, 8 events; 20 GFLOP on `synthetic`")


def test_what_somebody_wrote_stays(store: str) -> None:
    sweep = Sweep(title="study", trials=(trial_of(0),))
    larger = Sweep(title="study", trials=(trial_of(0), trial_of(1)))
    client = MlflowClient(store)
    with SweepTracker("study", tracking_uri=store) as tracker:
        tracker.log_spec(sweep.to_dict())
        client.set_tag(tracker.parent_id, NOTE, "My own words.")
        tracker.log_spec(larger.to_dict())
        experiment = client.get_experiment(tracker.experiment_id).tags[NOTE]
        assert client.get_run(tracker.parent_id).data.tags[NOTE] == "My own words."
    assert experiment == of_sweep("study", larger.to_dict())


@pytest.mark.parametrize(
    "name", ["a`b", "x\n# big", "<script>alert(1)</script>", "a\u202eb\x1b[31m", "y" * 1_000_000]
)
def test_a_name_is_no_markup(name: str) -> None:
    shown = code(name)
    assert len(shown) <= 82
    assert shown.count("`") == 2
    assert "\n" not in shown
    assert "\u202e" not in shown
    assert "\x1b" not in shown
    assert shown in of_sweep(name, {"trials": [{"dataset": {"name": name}}]})
