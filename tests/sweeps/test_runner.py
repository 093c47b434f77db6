"""Sweeps through real Ray and real MLflow: identity, failures, reuse, order, interruption."""

from __future__ import annotations

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
from scaling.sweeps.sources import load_sweep
from scaling.sweeps.state import SweepState
from scaling.tracking_read import read_evaluations, read_runs, read_spec, read_trial
from scaling.tracking_store import StoreError
from scaling.trial import TrialConfig

Launch = Callable[..., Any]


def test_trains_a_users_model_and_reads_it_back(tiny: Any, launch: Launch, store: str) -> None:
    sweep = tiny.bags()
    seen = []
    outcome = launch(sweep, on_progress=lambda state: seen.append(len(state.in_phase("finished"))))
    assert (outcome.done, outcome.failed, outcome.missing) == (4, (), 0)
    assert not outcome.interrupted
    assert seen[-1] == 4
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


def test_second_launch_runs_nothing_and_starts_no_ray(
    tiny: Any, launch: Launch, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert launch(tiny.bags(), make_run=tiny.InstantRun).done == 4
    before = read_runs("bags", tracking_uri=store, everything=True)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr("scaling.sweeps.runner.ray_session", refuse)
    begin = time.perf_counter()
    outcome = launch(tiny.bags(), make_run=tiny.InstantRun)
    assert time.perf_counter() - begin < 5
    assert (outcome.done, outcome.skipped, outcome.other_code) == (0, 4, 0)
    after = read_runs("bags", tracking_uri=store, everything=True)
    pd.testing.assert_frame_equal(before, after)


def test_more_axis_values_run_only_what_is_new(tiny: Any, launch: Launch, store: str) -> None:
    launch(tiny.bags(widths=(4,)), make_run=tiny.InstantRun)
    outcome = launch(tiny.bags(), make_run=tiny.InstantRun)
    assert (outcome.done, outcome.skipped) == (2, 2)
    assert len(read_runs("bags", tracking_uri=store)) == 4


def test_force_runs_again_and_the_latest_counts(tiny: Any, launch: Launch, store: str) -> None:
    launch(tiny.bags(), make_run=tiny.InstantRun)
    first = read_runs("bags", tracking_uri=store)
    outcome = launch(tiny.bags(), make_run=tiny.InstantRun, force=True)
    assert outcome.done == 4
    latest = read_runs("bags", tracking_uri=store)
    assert set(latest["digest"]) == set(first["digest"])
    assert not set(latest["run_id"]) & set(first["run_id"])
    assert len(read_runs("bags", tracking_uri=store, everything=True)) == 8


def test_failures_are_recorded_and_the_others_finish(tiny: Any, launch: Launch, store: str) -> None:
    sweep = tiny.bags(widths=(4,), seeds=(0, 1, 2, 3), budgets=(3e5,))
    outcome = launch(sweep, make_run=tiny.FaultyRun)
    assert outcome.done == 2
    assert len(outcome.failed) == 2
    table = read_runs("bags", tracking_uri=store, everything=True).set_index("seed")
    assert list(table.loc[[0, 3], "status"]) == ["finished"] * 2
    raised, lost = table.loc[1], table.loc[2]
    assert raised["status"] == lost["status"] == "failed"
    assert raised["reason"].startswith("ArithmeticError: the loss left the real line (")
    assert "tiny.py" in raised["reason"]
    assert "raise ArithmeticError" in raised["reason"]
    assert "died" in lost["reason"]
    assert len(read_runs("bags", tracking_uri=store)) == 2
    again = launch(sweep, make_run=tiny.InstantRun)
    assert (again.done, again.skipped) == (2, 2), "failed trials are not finished ones"


def test_another_sweeps_runs_are_copied_not_trained(tiny: Any, launch: Launch, store: str) -> None:
    launch(tiny.bags(), make_run=tiny.InstantRun)
    outcome = launch(tiny.bags(title="more bags", seeds=(0, 1)), make_run=tiny.InstantRun)
    assert (outcome.done, outcome.reused) == (4, 4)
    source = read_runs("bags", tracking_uri=store)
    copies = read_runs("more bags", tracking_uri=store, digests=list(source["digest"]))
    per_run = ["sweep", "run_id"]
    pd.testing.assert_frame_equal(
        source.drop(columns=per_run).sort_values("digest", ignore_index=True),
        copies.drop(columns=per_run).sort_values("digest", ignore_index=True),
    )
    for kind in (source, copies):
        paired = read_evaluations([kind["run_id"].iloc[0]], tracking_uri=store)
        assert len(paired[kind["run_id"].iloc[0]]) == 4000
    assert launch(tiny.bags(title="more bags", seeds=(0, 1))).skipped == 8


def test_the_longest_trials_start_first(tiny: Any, launch: Launch, store: str) -> None:
    sweep = tiny.bags(widths=(4,), budgets=(3e5, 3e9, 3e7, 3e8), seeds=(0, 1))
    launch(sweep, make_run=tiny.StartTimeRun)
    table = read_runs("bags", tracking_uri=store).sort_values("began")
    planned = make_plan(sweep, tracking_uri=store, force=True).order()
    assert list(table["digest"]) == [trial.digest for trial in planned]
    assert list(table["budget"]) == sorted(table["budget"], reverse=True)


def test_progress_reaches_the_whole(tiny: Any, launch: Launch) -> None:
    states: list[tuple[float, int]] = []

    def keep(state: SweepState) -> None:
        states.append((state.share, len(state.in_phase("waiting", "running"))))

    launch(tiny.bags(), make_run=tiny.InstantRun, on_progress=keep)
    shares = [share for share, _ in states]
    assert shares == sorted(shares)
    assert states[0] == (0.0, 4)
    assert states[-1] == (1.0, 0)


def test_a_trial_no_machine_has_room_for(tiny: Any, launch: Launch) -> None:
    import dataclasses

    sweep = tiny.bags()
    greedy = [
        dataclasses.replace(t, training=dataclasses.replace(t.training, threads=4096))
        for t in sweep.trials
    ]
    with pytest.raises(ValueError, match=r"4096 CPU.*fewer threads"):
        launch(dataclasses.replace(sweep, trials=tuple(greedy)))


def test_a_store_that_breaks_ends_the_sweep_and_keeps_what_is_finished(
    tiny: Any, launch: Launch, store: str, tmp_path: Path
) -> None:
    files = tmp_path / "mlartifacts" / "bags"

    def spoil(state: SweepState) -> None:
        if len(state.in_phase("finished")) == 2 and files.is_dir():
            files.rename(tmp_path / "moved")
            files.write_text("no folder any more")

    with pytest.raises(StoreError, match=r"mlflow\.db: .*Not a directory.*Cure"):
        launch(tiny.bags(), make_run=tiny.InstantRun, on_progress=spoil)
    table = read_runs("bags", tracking_uri=store, everything=True)
    assert list(table["status"]) == ["finished"] * 2
    files.unlink()
    (tmp_path / "moved").rename(files)
    assert launch(tiny.bags(), make_run=tiny.InstantRun).done == 2


def test_a_spec_file_runs_as_it_is(tiny: Any, launch: Launch, tmp_path: Path) -> None:
    sweep = tiny.bags()
    path = tmp_path / "spec.json"
    path.write_text(canonical_json(sweep.to_dict()))
    loaded = load_sweep(str(path))
    assert loaded == sweep
    launch(sweep, make_run=tiny.InstantRun)
    assert launch(loaded).skipped == 4


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
