"""The latency of a model: measured for every architecture, and a limit of a design."""

from __future__ import annotations

import pytest
import torch

from scaling.batch_check import first_checked
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.base import MODELS
from scaling.models.transformer import TransformerConfig
from scaling.sweeps.constraints import Limits
from scaling.sweeps.design import grid, variants
from scaling.sweeps.families import family
from scaling.sweeps.latency import full_request, latency_ms

DATA = SyntheticConfig.tiny()
TRAINED = [name for name in MODELS.names() if MODELS.get(name).role == "trained"]


@pytest.mark.parametrize("architecture", TRAINED)
def test_every_architecture_scores_a_full_request(architecture: str) -> None:
    (model,) = family(
        architecture,
        strategies=("recent", "like"),
        depths=(1,),
        widths=(16,),
        seq_lens=(8,),
        blocks=(2,),
    )
    schema = DATA.open().schema
    batch = full_request(model.views(), schema)
    assert next(first_checked(iter([batch]), schema, model.views())) is batch
    assert batch.lengths().tolist() == [[view.length for view in model.views()]]
    assert batch.num_candidates().tolist() == [schema.max_candidates]
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    assert 0 < latency_ms(model, schema, threads=1) < 60_000
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == threads


def test_a_model_that_takes_too_long_is_left_out() -> None:
    models = variants(TransformerConfig(depth=1, width=16, seq_len=16), width=(16, 32))
    common = {"models": models, "dataset": DATA, "budgets": (1e9,), "seeds": (0,)}
    assert len(grid("g", limits=Limits(latency_ms=1e9), **common).trials) == 2
    with pytest.raises(ValueError, match=r"no model of transformer: .* ms a request, more than"):
        grid("g", limits=Limits(latency_ms=1e-9), **common)
