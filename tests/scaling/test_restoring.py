"""Trials that go on from a state end as if nothing had happened, to the last bit."""

from __future__ import annotations

import dataclasses
import io
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from scaling.checkpoint import TrialCheckpoints
from scaling.config import canonical_json
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.base import MODELS, ModelConfig
from scaling.results import TrialResult
from scaling.running import Run
from scaling.start import start_run
from scaling.trial import TrainingConfig, TrialConfig

STEPS = 60
STOP = 40
"""Inside the second chunk of the tiny world, and between two points of the curve."""

TRAINING = TrainingConfig(batch_size=9, lr=3e-3, embedding_lr=0.1, lr_rule="given", rank_loss=0.5)


def small_trial(name: str) -> TrialConfig:
    """A trial of about `STEPS` steps."""
    kind: type[ModelConfig] = MODELS.get(name)
    dataset = SyntheticConfig.tiny()
    schema = dataset.open().schema
    model = kind.example(schema)
    if model.role == "reference":
        model = dataclasses.replace(model, requests=STEPS * TRAINING.batch_size)  # type: ignore[call-arg]
        budget = 0.0
    else:
        model = model.scaled(width=16, seq_len=8)
        sample = dataset.open().sample("train", model.views(), 64)
        per_step = 3 * float(model.flops(schema, *sample).total.mean()) * TRAINING.batch_size
        budget = per_step * STEPS
    return TrialConfig(model=model, dataset=dataset, training=TRAINING, budget=budget, seed=3)


def advance(run: Run, steps: int | None = None) -> Run:
    """So many steps; to the end without a number."""
    for _ in itertools.count() if steps is None else range(steps):
        if run.done:
            break
        run.advance(0.0)
    return run


def outcome(result: TrialResult) -> dict[str, Any]:
    """All but seconds, what is derived from them, and memory."""
    timed = ("seconds", "per_second", "mfu", "memory")
    return {
        "status": result.status,
        "metrics": {k: v for k, v in result.metrics.items() if not any(t in k for t in timed)},
        "curve": [
            (p.examples, {k: v for k, v in p.metrics.items() if "per_second" not in k})
            for p in result.curve
        ],
        "notes": result.notes,
    }


def assert_same(found: TrialResult, expected: TrialResult) -> None:
    assert outcome(found) == outcome(expected)
    assert found.evaluation is not None
    assert expected.evaluation is not None
    pd.testing.assert_frame_equal(found.evaluation, expected.evaluation, check_exact=True)


@pytest.mark.parametrize("name", MODELS.names())
def test_a_restored_trial_ends_as_an_undisturbed_one(name: str) -> None:
    trial = small_trial(name)
    stopped = advance(start_run(trial), STOP)
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    undisturbed = advance(stopped).finish()
    assert undisturbed.status == "finished"
    assert undisturbed.metrics["steps"] > STOP
    # Whatever the process did in between leaves no trace.
    torch.manual_seed(99)
    restored = start_run(trial)
    restored.restore(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    result = advance(restored).finish()
    assert_same(result, undisturbed)


def test_asking_for_the_state_changes_nothing_and_every_part_of_it_counts() -> None:
    trial = small_trial("transformer")
    expected = advance(start_run(trial)).finish()
    asked = advance(start_run(trial), STOP)
    asked.state()
    assert_same(advance(asked).finish(), expected)
    for spoil in ("generator", "steps", "optimizers"):
        state = advance(start_run(trial), STOP).state()
        restored = start_run(trial)
        fresh = start_run(trial).state()
        restored.restore(state | {spoil: fresh[spoil]})
        same = outcome(advance(restored).finish()) == outcome(expected)
        assert same == (spoil == "generator"), "no model of ours draws while it is trained"


def test_seconds_and_peak_memory_go_on() -> None:
    trial = small_trial("dlrm")
    state = advance(start_run(trial), STOP).state()
    earlier = {"train_seconds": 1000.0, "wall_seconds": 2000.0, "peak_memory": 2**60}
    restored = start_run(trial)
    restored.restore(state | earlier)
    metrics = advance(restored).finish().metrics
    assert metrics["train_seconds"] > 1000
    assert metrics["wall_seconds"] > 2000
    assert metrics["peak_memory_bytes"] == 2**60


ELSEWHERE = """
    import json, pickle, sys
    from scaling.checkpoint import TrialCheckpoints
    from scaling.start import start_run
    from scaling.trial import TrialConfig

    trial = TrialConfig.from_dict(json.loads(sys.argv[1]))
    run = start_run(trial)
    problems = []
    run.restore(next(TrialCheckpoints(sys.argv[2], "d", "c").newest_first(problems)))
    while not run.done:
        run.advance(1.0)
    with open(sys.argv[3], "wb") as file:
        pickle.dump((run.finish(), problems), file)
"""


def test_another_process_goes_on(tmp_path: Path) -> None:
    trial = small_trial("astro")
    stopped = advance(start_run(trial), STOP)
    TrialCheckpoints(str(tmp_path / "kept"), "d", "c").save(STOP, stopped.state())
    script = tmp_path / "elsewhere.py"
    script.write_text("\n".join(line[4:] for line in ELSEWHERE.splitlines()))
    target = tmp_path / "result"
    arguments = [canonical_json(trial.to_dict()), str(tmp_path / "kept"), str(target)]
    subprocess.run([sys.executable, str(script), *arguments], check=True)
    result, problems = pd.read_pickle(target)
    assert problems == []
    assert_same(result, advance(stopped).finish())


def test_a_generator_that_a_model_draws_from_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's model may have dropout."""
    trial = small_trial("dlrm")
    kind = type(trial.model)
    build = kind.build

    def with_dropout(self: ModelConfig, schema: Any) -> Any:
        ranker = build(self, schema)
        ranker.register_forward_hook(
            lambda module, _, logits: torch.nn.functional.dropout(logits, 0.2, module.training)
        )
        return ranker

    monkeypatch.setattr(kind, "build", with_dropout)
    stopped = advance(start_run(trial), STOP)
    file = io.BytesIO()
    torch.save(stopped.state(), file)
    undisturbed = advance(stopped).finish()
    restored = start_run(trial)
    restored.restore(torch.load(io.BytesIO(file.getvalue()), weights_only=True))
    assert_same(advance(restored).finish(), undisturbed)


@pytest.mark.parametrize("batch_size", [8, 33, 320, 500])
def test_batches_from_any_place(batch_size: int) -> None:
    dataset = SyntheticConfig.tiny().open()
    (view,) = small_trial("dlrm").model.views()
    whole = dataset.requests("train", (view,), batch_size=batch_size, seed=5)
    for start, expected in enumerate(itertools.islice(whole, 12)):
        found = next(dataset.requests_from(start, (view,), batch_size=batch_size, seed=5))
        np.testing.assert_array_equal(found.requests, expected.requests)
        np.testing.assert_array_equal(found.users, expected.users)
        np.testing.assert_array_equal(found.history[0].items, expected.history[0].items)
