"""What is made of a sweep whose model is in a file that wasn't named."""

from __future__ import annotations

import copy

from scaling.cli.report_data import sweep_data
from scaling.cli.truth import facts_of
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.base import Sweep
from scaling.tracking import SweepTracker
from scaling.trial import TrainingConfig, TrialConfig


def test_the_data_are_shown_and_the_rest_says_what_is_missing(store: str) -> None:
    trial = TrialConfig(
        model=TransformerConfig(depth=1, width=16, seq_len=8),
        dataset=SyntheticConfig.tiny(),
        training=TrainingConfig(batch_size=8, lr=1e-3, embedding_lr=0.05, lr_rule="given"),
        budget=1e9,
        seed=0,
    )
    spec = copy.deepcopy(Sweep(title="study", trials=(trial,)).to_dict())
    assert spec["trials"][0]["model"]["name"] == "transformer"
    spec["trials"][0]["model"]["name"] = "deepset"
    with SweepTracker("study", tracking_uri=store) as tracker:
        tracker.log_spec(spec)
    (told,) = facts_of("study", store).values()
    assert "deepset" in str(told)
    assert "name the sweep as path.py:function" in str(told)
    (shown,) = sweep_data("study", store)
    assert shown.name == "synthetic"
    assert shown.portrait is not None
