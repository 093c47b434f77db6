"""Names of diagnostics: told apart, read back, and taken by MLflow."""

from __future__ import annotations

import pytest

from scaling.datasets.synthetic import SyntheticConfig
from scaling.diagnostics import Temperature, metric_name, parse_temperature, temperature_name
from scaling.models.transformer import TransformerConfig
from scaling.training import TrialRun
from scaling.trial import TrainingConfig, TrialConfig


@pytest.mark.parametrize(
    ("arguments", "name", "read"),
    [
        (("0-recent", "home"), "temperature.0-recent.home", ("0-recent", "home", None)),
        (("1-like", "tab 2", 3), "temperature.1-like.layer3.tab_2", ("1-like", "tab_2", 3)),
        (("0-a+b:c.d", "x/y"), "temperature.0-a_b_c_d.x_y", ("0-a_b_c_d", "x_y", None)),
        (("b", "layer1"), "temperature.b.layer1", ("b", "layer1", None)),
        (("b", "layer1", 0), "temperature.b.layer0.layer1", ("b", "layer1", 0)),
    ],
)
def test_names_are_read_back(
    arguments: tuple[str, str], name: str, read: tuple[str, str, int | None]
) -> None:
    assert temperature_name(*arguments) == metric_name(name) == name
    assert parse_temperature(name) == Temperature(*read)


@pytest.mark.parametrize("name", ["loss.like", "temperature", "temperature.a", "temperature.a.b.c"])
def test_other_names_are_no_temperatures(name: str) -> None:
    assert parse_temperature(name) is None


def test_what_a_ranker_tells_is_logged_but_never_instead_of_a_column(store: str) -> None:
    import time

    from scaling.tracking import SweepTracker
    from scaling.tracking_read import read_runs

    trial = TrialConfig(
        model=TransformerConfig(depth=1, width=16, seq_len=8),
        dataset=SyntheticConfig.tiny(),
        training=TrainingConfig(batch_size=8, lr=3e-3, embedding_lr=0.1, lr_rule="given"),
        budget=1e7,
        seed=0,
    )
    run = TrialRun(trial)
    told = {temperature_name("0-like+share", "home"): 1.25, "odd:name": 2.0, "examples": -1.0}
    run._ranker.diagnostics = lambda: told  # type: ignore[method-assign]
    while not run.done:
        run.advance(60)
    with SweepTracker("told", tracking_uri=store) as tracker:
        tracker.log(trial, run.finish(), started=time.time())
    (row,) = read_runs("told", tracking_uri=store).to_dict("records")
    assert row["temperature.0-like_share.home"] == 1.25
    assert row["odd_name"] == 2.0
    assert row["examples"] > 0
    assert row["role"] == "trained"
