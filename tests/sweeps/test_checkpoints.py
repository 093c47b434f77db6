"""When a trial's checkpoints are due, and what happens where they can't be written or used."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, cast

import pytest

from scaling.checkpoint import TrialCheckpoints
from scaling.running import Run
from scaling.sweeps.runner_checkpoints import TrialKeeper, checkpoint_place


class Counter:
    """A run whose state is a number of steps."""

    def __init__(self) -> None:
        self.steps = 0

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def restore(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]

    def close(self) -> None:
        """Nothing to give back."""


def keeper(tmp_path: Path, every: float = 30.0) -> TrialKeeper:
    return TrialKeeper(TrialCheckpoints(str(tmp_path / "kept"), "digest", "code"), every)


def saved(tmp_path: Path) -> list[int]:
    return sorted(int(path.stem) for path in tmp_path.rglob("*.checkpoint"))


def train(kept: TrialKeeper, counter: Counter, slices: int, seconds: float) -> None:
    for _ in range(slices):
        counter.steps += 1
        kept.trained(cast(Run, counter), seconds)


def test_saves_after_so_many_seconds_of_training(tmp_path: Path) -> None:
    kept, counter = keeper(tmp_path), Counter()
    train(kept, counter, 2, 14.0)
    assert (saved(tmp_path), kept.any) == ([], False)
    train(kept, counter, 3, 14.0)
    assert (saved(tmp_path), kept.any) == ([3], True)


def test_never_more_often_than_a_hundred_times_the_cost(tmp_path: Path) -> None:
    kept, counter = keeper(tmp_path, every=0.0), Counter()
    train(kept, counter, 3, 1e-9)
    assert saved(tmp_path) == [1], "the first tells what one costs"
    train(kept, counter, 1, 1e8)
    assert saved(tmp_path) == [1, 4]


def test_goes_on_from_the_newest_that_can_be_used(tmp_path: Path) -> None:
    kept, counter = keeper(tmp_path), Counter()
    train(kept, counter, 5, 1e8)
    again = keeper(tmp_path)
    assert cast(Counter, again.begin(lambda: cast(Run, Counter()))).steps == 5
    assert (again.news(), again.any) == ([], True)
    files = TrialCheckpoints(str(tmp_path / "kept"), "digest", "code")
    files.save(6, {"no steps": 0})
    again = keeper(tmp_path)
    assert cast(Counter, again.begin(lambda: cast(Run, Counter()))).steps == 5
    assert "KeyError" in again.news()[0]
    assert again.news() == []


def test_begins_anew_where_none_can_be_used(tmp_path: Path) -> None:
    kept, counter = keeper(tmp_path), Counter()
    train(kept, counter, 5, 1e8)
    for path in tmp_path.rglob("*.checkpoint"):
        path.write_bytes(path.read_bytes()[:-1])
    again = keeper(tmp_path)
    assert cast(Counter, again.begin(lambda: cast(Run, Counter()))).steps == 0
    assert len(again.news()) == 3
    train(again, Counter(), 1, 1e8)
    assert saved(tmp_path) == [1]


FULL = """
    import resource, sys
    from pathlib import Path
    import torch
    from scaling.checkpoint import TrialCheckpoints
    from scaling.sweeps.runner_checkpoints import TrialKeeper

    class Large:
        def state(self):
            return {"steps": 1, "weights": torch.zeros(100_000)}

    keeper = TrialKeeper(TrialCheckpoints(sys.argv[1], "digest", "code"), 0.0)
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limit[1]))
    news = []
    for _ in range(3):
        keeper.trained(Large(), 1e8)
        news += keeper.news()
    (text,) = news
    assert "goes on without a checkpoint" in text and "File too large" in text, text
    assert not [p for p in Path(sys.argv[1]).rglob("*") if p.is_file()]
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    keeper.trained(Large(), 1e8)
    assert keeper.any and not keeper.news()
    print("ended")
"""


def test_a_full_disk_is_said_once_and_the_trial_goes_on(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", textwrap.dedent(FULL), str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, env=dict(os.environ))
    assert done.stdout == "ended\n", done.stderr
    assert len(saved(tmp_path)) == 1


def test_the_default_place_is_beside_the_prepared_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))
    assert checkpoint_place(None) == str(tmp_path / "cache" / "checkpoints")
    assert checkpoint_place(str(tmp_path)) == str(tmp_path)
