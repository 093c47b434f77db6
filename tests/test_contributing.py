"""The examples of CONTRIBUTING.md do what it says."""

from __future__ import annotations

import re
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from scaling.analysis.law import LAWS
from scaling.batch import SPLITS
from scaling.datasets.base import DATASETS
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.base import MODELS
from scaling.sweeps.base import SWEEPS

TEXT = (Path(__file__).parents[1] / "CONTRIBUTING.md").read_text()
Load = Callable[[str], None]


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Load:
    """Runs the example that registers something by a name, for this test only."""
    for registry in (MODELS, DATASETS, LAWS, SWEEPS):
        registry.load()
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    def run(name: str) -> None:
        examples = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
        (source,) = (text for text in examples if re.search(rf'register\(.*"{name}"\)', text))
        module = types.ModuleType(f"example_{name}")
        monkeypatch.setitem(sys.modules, module.__name__, module)
        exec(compile(source, f"CONTRIBUTING.md: {name}", "exec"), module.__dict__)

    return run


def test_model(load: Load) -> None:
    load("deepset")
    dataset = SyntheticConfig.tiny().open()
    config = MODELS.get("deepset")(depth=2, width=16, seq_len=8)
    ranker = config.build(dataset.schema)
    assert sum(config.num_params(dataset.schema)) == sum(p.numel() for p in ranker.parameters())
    batch = next(dataset.requests("validation", config.views(), batch_size=4))
    flops = config.flops(dataset.schema, batch.lengths(), batch.num_candidates())
    assert flops.total.shape == (4,)
    assert ranker(batch).shape == batch.labels.shape
    assert torch.isfinite(ranker(batch)).all()


def test_dataset(load: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load("plays")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLIMBER_CACHE", str(tmp_path / "cache"))
    rows = [f"{i % 7},{i * i % 11},{i % 2},{600 * i}" for i in range(200)]
    Path("plays.csv").write_text("\n".join(["user,track,finished,time", *rows]) + "\n")
    dataset = DATASETS.get("plays")().open()
    assert dataset.schema.num_items == 1 + max(i * i % 11 for i in range(200))
    sizes = [dataset.size(split) for split in SPLITS]
    assert sum(size.examples for size in sizes if size) == 200


def test_law(load: Load) -> None:
    load("reach")
    law = LAWS.get("reach")()
    assert law.parameters == ("E", "G", "gamma")
    value = law({"seq_len": np.array([16.0, 256.0])}, {"E": 0.5, "G": 0.4, "gamma": 0.5})
    np.testing.assert_allclose(value, [0.6, 0.525])


def test_sweep(load: Load) -> None:
    load("shape")
    sweep = SWEEPS.get("shape")(widths=(32,))
    assert {trial.model.depth for trial in sweep.trials} == {1, 2, 4}
    assert {trial.seed for trial in sweep.trials} == {0, 1}
    assert len(sweep.trials) == 6
