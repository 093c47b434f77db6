"""Sweeps through real Ray and real MLflow: identity, failures, reuse, order, interruption."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scaling.config import canonical_json
from scaling.sweeps.base import Sweep
from scaling.sweeps.plan import make_plan
from scaling.sweeps.runner_session import check_address
from scaling.sweeps.sources import load_sweep
from scaling.sweeps.state import SweepState
from scaling.tracking_curves import read_curves
from scaling.tracking_read import read_evaluations, read_runs, read_spec, read_trial
from scaling.tracking_store import StoreError
from scaling.trial import TrialConfig

Launch = Callable[..., Any]


def test_trains_a_users_model_and_reads_it_back(
    tiny: Any, bags_once: tuple[Path, Any, list[SweepState]]
) -> None:
    path, outcome, _ = bags_once
    store, sweep = f"sqlite:///{path}", tiny.bags()
    assert (outcome.done, outcome.failed, outcome.missing) == (4, (), 0)
    assert not outcome.interrupted
    table = read_runs("bags", tracking_uri=store)
    assert sorted(table["digest"]) == sorted(trial.digest() for trial in sweep.trials)
    for trial in sweep.trials:
        row = table[table["digest"] == trial.digest()].iloc[0]
        assert row["width"] == trial.model.width
        assert row["compute"] >= trial.budget == row["budget"]
        assert row["configuration"] == trial.configuration()
        assert (row["architecture"], row["dataset"]) == ("bag", "synthetic")
        assert 0 < row["loss"] < 1
        assert TrialConfig.from_dict(read_trial(row["run_id"], tracking_uri=store)) == trial
    paired = read_evaluations(list(table["run_id"]), tracking_uri=store)
    for run_id, row in table.set_index("run_id").iterrows():
        behaviours = paired[str(run_id)].groupby("behaviour")[["sum_loss", "count"]].sum()
        assert (behaviours["sum_loss"] / behaviours["count"]).mean() == pytest.approx(row["loss"])
    assert Sweep.from_dict(read_spec("bags", tracking_uri=store)) == sweep


def test_curves_and_forecasts_are_read_back(bags_once: tuple[Path, Any, Any]) -> None:
    store = f"sqlite:///{bags_once[0]}"
    table = read_runs("bags", tracking_uri=store).set_index("run_id")
    curves = read_curves(list(table.index), tracking_uri=store)
    assert set(curves["run_id"]) == set(table.index)
    for run_id, curve in curves.groupby("run_id"):
        assert curve["examples"].is_monotonic_increasing
        assert curve["compute"].is_monotonic_increasing
        assert curve["compute"].iloc[-1] == pytest.approx(table.loc[str(run_id), "compute"])
        assert (curve["train_loss"] > 0).all()
    assert read_curves([], tracking_uri=store).empty
    assert (table["planned_seconds"] > 0).all()


def test_progress_reaches_the_whole(bags_once: tuple[Path, Any, list[SweepState]]) -> None:
    _, _, states = bags_once
    assert [trial.phase for trial in states[0].trials.values()] == ["waiting"] * 4
    assert {trial.phase for trial in states[-1].trials.values()} == {"finished"}
    shares = [state.share for state in states]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0, 1)
    assert set(states[-1].best()) == {"bag"}


def test_second_launch_runs_nothing_and_starts_no_ray(
    tiny: Any, bags_done: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from scaling.sweeps.runner import run_sweep

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("scaling.sweeps.runner.ray_session", refuse)
    before = read_runs("bags", tracking_uri=bags_done, everything=True)
    spec = tmp_path / "spec.json"
    spec.write_text(canonical_json(tiny.bags().to_dict()))
    for sweep in (tiny.bags(), load_sweep(str(spec))):
        begin = time.perf_counter()
        outcome = run_sweep(sweep, tracking_uri=bags_done)
        assert time.perf_counter() - begin < 5
        assert (outcome.done, outcome.skipped, outcome.other_code) == (0, 4, 0)
    after = read_runs("bags", tracking_uri=bags_done, everything=True)
    pd.testing.assert_frame_equal(before, after)


def test_more_axis_values_run_only_what_is_new(tiny: Any, launch: Launch, bags_done: str) -> None:
    outcome = launch(tiny.bags(widths=(4, 12)), bags_done)
    assert (outcome.done, outcome.skipped) == (2, 2)
    assert len(read_runs("bags", tracking_uri=bags_done)) == 6


def test_force_runs_again_and_the_latest_counts(tiny: Any, launch: Launch, bags_done: str) -> None:
    first = read_runs("bags", tracking_uri=bags_done)
    assert launch(tiny.bags(), bags_done, force=True).done == 4
    latest = read_runs("bags", tracking_uri=bags_done)
    assert set(latest["digest"]) == set(first["digest"])
    assert not set(latest["run_id"]) & set(first["run_id"])
    assert len(read_runs("bags", tracking_uri=bags_done, everything=True)) == 8


def test_failures_are_recorded_and_the_others_finish(tiny: Any, launch: Launch, store: str) -> None:
    sweep = tiny.bags(widths=(4,), seeds=(0, 1, 3), budgets=(3e5,))
    outcome = launch(sweep, store, make_run=tiny.FaultyRun)
    assert outcome.done == 2
    assert len(outcome.failed) == 1
    table = read_runs("bags", tracking_uri=store, everything=True).set_index("seed")
    assert list(table.loc[[0, 3], "status"]) == ["finished"] * 2
    raised = table.loc[1]
    assert raised["status"] == "failed"
    assert raised["reason"].startswith("ArithmeticError: the loss left the real line (")
    assert "tiny.py" in raised["reason"]
    assert "raise ArithmeticError" in raised["reason"]
    assert len(read_runs("bags", tracking_uri=store)) == 2
    states = [planned.state for planned in make_plan(sweep, tracking_uri=store).trials]
    assert states == ["done", "to do", "done"], "failed trials are not finished ones"


def test_another_sweeps_runs_are_copied_not_trained(
    tiny: Any, launch: Launch, bags_done: str
) -> None:
    more = tiny.bags(title="more bags", seeds=(0, 1))
    outcome = launch(more, bags_done)
    assert (outcome.done, outcome.reused) == (4, 4)
    source = read_runs("bags", tracking_uri=bags_done)
    copies = read_runs("more bags", tracking_uri=bags_done, digests=list(source["digest"]))
    per_run = ["sweep", "run_id"]
    pd.testing.assert_frame_equal(
        source.drop(columns=per_run).sort_values("digest", ignore_index=True),
        copies.drop(columns=per_run).sort_values("digest", ignore_index=True),
    )
    for digest in source["digest"]:
        ids = [str(t.set_index("digest").loc[digest, "run_id"]) for t in (source, copies)]
        pd.testing.assert_frame_equal(*read_evaluations(ids, tracking_uri=bags_done).values())
    assert launch(more, bags_done).skipped == 8


def test_the_longest_trials_start_first(tiny: Any, launch: Launch, store: str) -> None:
    sweep = tiny.bags(widths=(4,), budgets=(3e5, 3e9, 3e7, 3e8), seeds=(0, 1))
    launch(sweep, store, make_run=tiny.StartTimeRun)
    table = read_runs("bags", tracking_uri=store).sort_values("began")
    planned = make_plan(sweep, tracking_uri=store, force=True).order()
    assert list(table["digest"]) == [trial.digest for trial in planned]
    assert list(table["budget"]) == sorted(table["budget"], reverse=True)


def test_a_trial_no_machine_has_room_for(tiny: Any, launch: Launch, store: str) -> None:
    sweep = tiny.bags()
    greedy = tuple(
        dataclasses.replace(t, training=dataclasses.replace(t.training, threads=4096))
        for t in sweep.trials
    )
    with pytest.raises(ValueError, match=r"4096 CPU.*fewer threads"):
        launch(dataclasses.replace(sweep, trials=greedy), store)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"Ray at 127\.0\.0\.1:1 can't be used: .*refused.*Cure"),
        ("ray://head:10001", r"HOST:PORT.*got 'ray://head:10001'"),
        ("head", r"HOST:PORT.*got 'head'"),
    ],
)
def test_a_cluster_that_is_not_there(address: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_address(address)


def test_a_store_that_breaks_ends_the_sweep_and_keeps_what_is_finished(
    tiny: Any, launch: Launch, store: str, tmp_path: Path
) -> None:
    files = tmp_path / "mlartifacts" / "bags"

    def spoil(state: SweepState) -> None:
        if len(state.in_phase("finished")) == 2 and files.is_dir():
            files.rename(tmp_path / "moved")
            files.write_text("no folder any more")

    with pytest.raises(StoreError, match=r"mlflow\.db: .*Not a directory.*Cure"):
        launch(tiny.bags(), store, on_progress=spoil)
    table = read_runs("bags", tracking_uri=store, everything=True)
    assert list(table["status"]) == ["finished"] * 2
    states = [planned.state for planned in make_plan(tiny.bags(), tracking_uri=store).trials]
    assert sorted(states) == ["done", "done", "to do", "to do"]


INTERRUPTED = """
    import sys
    from pathlib import Path
    from scaling.sweeps.sources import load_file
    from scaling.sweeps.runner import run_sweep

    tiny = load_file(Path(sys.argv[1]))
    def tell(state):
        if state.in_phase("finished") and state.in_phase("running"):
            print("ready", flush=True)
    sweep = tiny.bags(widths=(4,), budgets=(3e5,), seeds=(0, 1, 2, 3))
    outcome = run_sweep(sweep, make_run=tiny.SlowRun, on_progress=tell, cpus=2)
    print("outcome", outcome.done, outcome.missing, outcome.interrupted, flush=True)
"""


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished(
    tiny: Any, store: str, tmp_path: Path, ray_running: None
) -> None:
    environment = {**os.environ, "MLFLOW_TRACKING_URI": store}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(INTERRUPTED), tiny.__file__],
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=tmp_path,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == "ready"
        # As a terminal does it: to every process of the group, Ray's included.
        os.killpg(process.pid, signal.SIGINT)
        begin = time.monotonic()
        rest, _ = process.communicate(timeout=60)
        assert time.monotonic() - begin < 30
        assert process.returncode == 0
        assert "outcome 1 3 True" in rest
    finally:
        if process.poll() is None:
            process.kill()
    table = read_runs("bags", tracking_uri=store, everything=True)
    assert list(table["status"]) == ["finished"]
    assert list(table["seed"]) == [0]
