"""Processes are killed, and sweeps go on: real Ray, real signals, the same numbers."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from scaling.running import Run
from scaling.sweeps.base import Sweep
from scaling.tracking_read import read_runs
from scaling.training import TrialRun
from scaling.trial import TrialConfig

pytestmark = pytest.mark.slow

Launch = Callable[..., Any]


def long_bags(tiny: Any, seeds: tuple[int, ...]) -> Sweep:
    """Trials of about 70 steps."""
    sweep: Sweep = tiny.bags(widths=(4,), budgets=(1e6,), seeds=seeds)
    return sweep


def undisturbed(trial: TrialConfig) -> dict[str, float]:
    run: Run = TrialRun(trial)
    while not run.done:
        run.advance(60.0)
    return run.finish().metrics


def assert_as_undisturbed(sweep: Sweep, store: str) -> None:
    """Every trial is in the run table once, and its numbers are those of a run of its own."""
    table = read_runs(sweep.title, tracking_uri=store, everything=True)
    assert sorted(table["digest"]) == sorted(trial.digest() for trial in sweep.trials)
    assert set(table["status"]) == {"finished"}
    for trial in sweep.trials:
        row = table.set_index("digest").loc[trial.digest()]
        expected = undisturbed(trial)
        for name in ("loss", "validation_loss", "auc", "compute", "examples", "steps"):
            assert row[name] == expected[name], (trial.seed, name)


def steps_of(folder: Path) -> pd.DataFrame:
    """What `HeldRun` has written down."""
    columns = ["seed", "step", "process", "threads", "limit"]
    return pd.read_csv(folder / "steps", sep=" ", names=columns)


def assert_goes_on(steps: pd.DataFrame, seed: int, held: int) -> int:
    """Two processes have trained the trial, the second from a checkpoint of the first on; returns
    how many steps before the one at which it was held were done twice."""
    mine = steps[steps["seed"] == seed]
    first, second = (group["step"].tolist() for _, group in mine.groupby("process", sort=False))
    assert first == list(range(1, len(first) + 1))
    assert len(first) >= held
    assert second == list(range(second[0], second[-1] + 1))
    assert 1 < second[0] <= len(first) + 1
    assert second[-1] > held
    return max(held + 1 - second[0], 0)


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 300) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen in {seconds} s"
        time.sleep(0.05)


def start(script: str, folder: Path, store: str, **environment: str) -> subprocess.Popen[str]:
    """A driver in a process of its own; its output goes to `folder/output`."""
    tiny = Path(__file__).with_name("tiny.py")
    with (folder / "output").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), str(tiny), str(folder)],
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "MLFLOW_TRACKING_URI": store, **environment},
            cwd=folder,
            start_new_session=True,
        )


HEAD = """
    import json, logging, sys
    from functools import partial
    from pathlib import Path
    from scaling.sweeps.runner import run_sweep
    from scaling.sweeps.sources import load_file

    tiny, folder = load_file(Path(sys.argv[1])), Path(sys.argv[2])
    options = dict(
        make_run=partial(tiny.HeldRun, folder=str(folder)),
        checkpoints=str(folder / "kept"),
        checkpoint_seconds=0.0,
    )
    def bags(*seeds):
        return tiny.bags(widths=(4,), budgets=(1e6,), seeds=seeds)
"""


def test_a_killed_worker(
    tiny: Any, launch: Launch, store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = long_bags(tiny, (1,))
    with caplog.at_level(logging.WARNING):
        outcome = launch(
            sweep,
            store,
            make_run=partial(tiny.MortalRun, folder=str(tmp_path)),
            checkpoints=f"file://{tmp_path}/kept",
            checkpoint_seconds=0.0,
        )
    assert (outcome.done, outcome.failed) == (1, ())
    assert "lost its process and goes on from its last checkpoint" in caplog.text
    assert_as_undisturbed(sweep, store)
    repeated = assert_goes_on(steps_of(tmp_path), 1, tiny.HELD)
    # The trial waited at that step until its last checkpoint was written.
    assert repeated == 0
    assert list((tmp_path / "kept").iterdir()) == [], "deleted once the result is recorded"


def test_a_killed_driver_and_a_damaged_checkpoint(
    tiny: Any, launch: Launch, store: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    sweep = long_bags(tiny, (0, 1, 2))
    script = HEAD + "    run_sweep(bags(0, 1, 2), cpus=2, **options)\n"
    driver = start(script, tmp_path, store)
    digests = [trial.digest() for trial in sweep.trials]

    def saved(digest: str) -> list[Path]:
        return sorted((tmp_path / "kept" / digest).rglob("*.checkpoint"))

    def ready() -> bool:
        assert driver.poll() is None, (tmp_path / "output").read_text()
        kept = [saved(digest) for digest in digests[1:]]
        held = [len(k) == 2 and int(k[-1].stem) == tiny.HELD for k in kept]
        return all(held) and not saved(digests[0]) and len(finished()) == 1

    def finished() -> pd.DataFrame:
        table = read_runs(sweep.title, tracking_uri=store, everything=True)
        return table[table["status"] == "finished"]

    try:
        wait_for(ready, "one finished and two waiting")
    finally:
        driver.kill()
        driver.wait()
    before = steps_of(tmp_path)
    wait_for(lambda: not any(alive(p) for p in before["process"].unique()), "the workers' end")
    damaged = saved(digests[2])[-1]
    damaged.write_bytes(damaged.read_bytes()[:-100])
    (tmp_path / "go").touch()
    with caplog.at_level(logging.WARNING):
        outcome = launch(
            sweep,
            store,
            make_run=partial(tiny.HeldRun, folder=str(tmp_path)),
            checkpoints=str(tmp_path / "kept"),
        )
    assert (outcome.done, outcome.skipped, outcome.failed) == (2, 1, ())
    assert f"{damaged} is damaged or truncated" in caplog.text
    assert_as_undisturbed(sweep, store)
    steps = steps_of(tmp_path)
    assert steps[steps["seed"] == 0]["process"].nunique() == 1
    for seed in (1, 2):
        assert_goes_on(steps, seed, tiny.HELD)
    first, second = (g["step"] for _, g in steps[steps["seed"] == 1].groupby("process", sort=False))
    assert second.min() == first.max() + 1, "nothing was done twice"
    assert list((tmp_path / "kept").iterdir()) == []


def alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


TWO_NODES = (
    HEAD
    + """
    import time
    from dataclasses import replace
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2})
    doomed = [cluster.add_node(num_cpus=2)]
    def alive(process):
        try:
            return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
        except OSError:
            return False
    def training():
        words = [line.split() for line in (folder / "steps").read_text().splitlines()]
        return [process for process in {w[2] for w in words} if alive(process)]
    def tell(state):
        kept = folder / "kept"
        held = [d for d in state.trials if list(kept.glob(f"{d}/*/*{tiny.HELD}.checkpoint"))]
        if doomed and len(held) == 2:
            cluster.remove_node(doomed.pop(), allow_graceful=False)
            # On loopback a worker outlives its node by up to a second: here, long enough to finish.
            while len(training()) == 2:
                time.sleep(0.01)
            (folder / "go").touch()
    sweep = bags(1, 2, 3, 4)
    trials = [replace(t, training=replace(t.training, threads=2)) for t in sweep.trials]
    sweep = replace(sweep, trials=tuple(trials))
    outcome = run_sweep(sweep, address=cluster.address, on_progress=tell, **options)
    print("outcome", outcome.done, len(outcome.failed), len(doomed), flush=True)
    cluster.shutdown()
"""
)


def test_a_killed_node(tiny: Any, store: str, tmp_path: Path) -> None:
    driver = start(TWO_NODES, tmp_path, store)
    try:
        driver.wait(timeout=500)
    finally:
        driver.kill()
    output = (tmp_path / "output").read_text()
    assert "outcome 4 0 0" in output, output
    table = read_runs("bags", tracking_uri=store, everything=True)
    assert sorted(table["seed"]) == [1, 2, 3, 4]
    assert set(table["status"]) == {"finished"}
    for _, row in table.iterrows():
        (trial,) = long_bags(tiny, (int(row["seed"]),)).trials
        assert row["steps"] == undisturbed(trial)["steps"]
    steps = steps_of(tmp_path)
    twice = [seed for seed, group in steps.groupby("seed") if group["process"].nunique() == 2]
    assert len(twice) == 1, "the one on the killed node"
    # It waited until a checkpoint was written.
    assert assert_goes_on(steps, int(twice[0]), tiny.HELD) == 0
    assert set(steps["threads"]) == set(steps["limit"]) == {2}, "what Ray granted"


def test_trials_that_can_not_end_well(
    tiny: Any, launch: Launch, store: str, tmp_path: Path
) -> None:
    sweep = tiny.bags(widths=(4,), seeds=(0, 2), budgets=(3e5,))
    outcome = launch(sweep, store, make_run=tiny.FaultyRun)
    assert (outcome.done, len(outcome.failed)) == (1, 1)
    row = read_runs("bags", tracking_uri=store, everything=True).set_index("seed").loc[2]
    assert row["status"] == "failed"
    assert row["reason"].startswith("its process was lost 4 times: ")
    assert "high memory usage" in row["reason"], "what Ray names as a possible cause"
    sweep = tiny.bags(title="nan", widths=(4,), seeds=(1,), budgets=(3e5,))
    outcome = launch(sweep, store, make_run=partial(tiny.NanRun, folder=str(tmp_path)))
    assert len(outcome.failed) == 1
    (row,) = read_runs("nan", tracking_uri=store, everything=True).to_dict("records")
    assert "training loss is nan" in row["reason"]
    assert steps_of(tmp_path)["step"].is_unique, "never tried again"


NO_MEMORY = (
    HEAD
    + """
    outcome = run_sweep(bags(1), cpus=1, **options)
    print(json.dumps([reason for _, reason in outcome.failed]))
"""
)


def test_a_trial_that_memory_does_not_suffice_for(store: str, tmp_path: Path) -> None:
    """Ray's own monitor ends it, told that a hundredth of the machine's memory is the limit."""
    threshold = {"RAY_memory_usage_threshold": "0.01", "RAY_memory_monitor_refresh_ms": "50"}
    driver = start(NO_MEMORY, tmp_path, store, **threshold)
    try:
        driver.wait(timeout=500)
    finally:
        driver.kill()
    output = (tmp_path / "output").read_text().strip().splitlines()
    (reason,) = json.loads(output[-1])
    assert reason.startswith("its process was lost 2 times: out of memory: ")
    assert "running low on memory" in reason
