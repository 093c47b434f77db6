"""A model that was saved scores as it did; what is damaged, newer or unknown is refused by name."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from scaling import logged_model
from scaling.batch import Schema
from scaling.datasets.synthetic import SyntheticConfig
from scaling.models.base import MODELS, ModelConfig, Ranker
from scaling.models.reference import Reference
from scaling.pyfunc import Scorer, _load_pyfunc, columns_of, example_of

DATA = SyntheticConfig.tiny().open()


def trained(name: str, schema: Schema = DATA.schema) -> tuple[ModelConfig, Ranker]:
    """A model that is no longer as it was built."""
    torch.manual_seed(1)
    config = MODELS.get(name).example(schema)
    ranker = config.build(schema)
    if isinstance(ranker, Reference):
        ranker.count(next(DATA.requests("train", config.views(), batch_size=32, seed=0)))
        ranker.close()
    with torch.no_grad():
        for weight in ranker.parameters():
            weight += 0.1 * torch.randn_like(weight)
    return config, ranker.eval()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    config, ranker = trained("transformer")
    logged_model.save(tmp_path / "model", ranker, config, DATA.schema, {"seed": 3})
    return tmp_path / "model"


@pytest.mark.parametrize("name", MODELS.names())
def test_every_model_comes_back(name: str, tmp_path: Path) -> None:
    config, ranker = trained(name)
    logged_model.save(tmp_path / "saved", ranker, config, DATA.schema, {"digest": "d", "seed": 3})
    logged_model.unpack(logged_model.pack(tmp_path / "saved"), tmp_path / "sent")
    before = torch.get_rng_state()
    found = logged_model.load(tmp_path / "sent")
    assert torch.equal(torch.get_rng_state(), before)
    assert (found.config, dict(found.about)) == (config, {"digest": "d", "seed": 3})
    assert not found.ranker.training
    batch = next(DATA.requests("test", config.views(), batch_size=8))
    with torch.inference_mode():
        assert torch.equal(found.ranker(batch), ranker(batch))
    for mine, theirs in ((found.schema, DATA.schema),):
        assert replace(mine, item_attributes={}) == replace(theirs, item_attributes={})
        for attribute, value in theirs.item_attributes.items():
            np.testing.assert_array_equal(mine.item_attributes[attribute].of_item, value.of_item)


def test_no_file_needs_pickle_of_objects(folder: Path) -> None:
    assert {path.suffix for path in folder.iterdir()} == {".json", ".npy", ".pt"}
    state = torch.load(folder / "weights.pt", weights_only=True)
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())


@pytest.mark.parametrize("name", ["weights.pt", "config.json", "item_attribute.0.npy"])
def test_a_damaged_or_missing_file_is_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=rf"{name} is damaged or truncated"):
        logged_model.load(folder)
    (folder / name).write_bytes(content[:-1])
    with pytest.raises(ValueError, match=rf"{name} is damaged or truncated"):
        logged_model.check(folder)
    (folder / name).unlink()
    with pytest.raises(ValueError, match=rf"{name} is missing"):
        logged_model.load(folder)


def test_a_manifest_that_is_newer_damaged_or_not_there_is_refused(folder: Path) -> None:
    manifest = folder / logged_model.MANIFEST
    whole = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(whole | {"format": 99}))
    with pytest.raises(ValueError, match=r"manifest.json is of format 99, this release reads 1"):
        logged_model.load(folder)
    outside = {**whole["files"], "../x": {"bytes": 0, "sha256": ""}}
    for text, told in (
        ("{", "manifest.json is damaged"),
        ("[]", "manifest.json is damaged"),
        (json.dumps({"format": 1, "files": {}}), "lists no config.json"),
        (json.dumps({"format": 1, "files": outside}), "x is missing"),
    ):
        manifest.write_text(text)
        with pytest.raises(ValueError, match=told):
            logged_model.load(folder)
    manifest.unlink()
    with pytest.raises(ValueError, match="holds no model"):
        logged_model.load(folder)


def test_weights_of_another_model_are_refused(tmp_path: Path) -> None:
    config, _ = trained("transformer")
    _, other = trained("din")
    logged_model.save(tmp_path / "m", other, config, DATA.schema, {})
    with pytest.raises(ValueError, match=r"weights.pt does not hold the weights of transformer"):
        logged_model.load(tmp_path / "m")


def test_a_model_is_replaced_whole_or_not_at_all(folder: Path) -> None:
    config, ranker = trained("din")
    with pytest.raises(ValueError, match="Out of range float"):
        logged_model.save(folder, ranker, config, DATA.schema, _Unwritable())
    assert logged_model.load(folder).config.name == "transformer"
    logged_model.save(folder, ranker, config, DATA.schema, {})
    assert logged_model.load(folder).config.name == "din"
    assert [path.name for path in folder.parent.iterdir()] == ["model"]


class _Unwritable(dict[str, object]):
    """Fails where it is written."""

    def items(self) -> object:  # type: ignore[override]
        raise ValueError("Out of range float values are not JSON compliant")


def test_requests_as_a_table(folder: Path) -> None:
    scorer = _load_pyfunc(str(folder))
    requests = example_of(DATA.schema)
    found = scorer.predict(requests)
    assert list(found.columns) == list(DATA.schema.behaviours)
    assert [[len(cell) for cell in row] for row in found.to_numpy()] == [[3] * 3] * 2
    assert all(0 < value < 1 for cell in found["finish"] for value in cell)
    assert found["finish"][0] != found["finish"][1]
    many = pd.concat([requests] * 40, ignore_index=True)
    again = scorer.predict(many)
    np.testing.assert_allclose(
        np.stack(again["like"].to_list()[::2]), [found["like"][0]] * 40, rtol=1e-5
    )


def test_a_table_with_a_fault_is_refused_by_name(folder: Path) -> None:
    scorer: Scorer = _load_pyfunc(str(folder))
    requests = example_of(DATA.schema)
    for column in columns_of(DATA.schema):
        with pytest.raises(ValueError, match=f"no column '{column}'"):
            scorer.predict(requests.drop(columns=column))
    wrong = requests.copy()
    wrong["candidates"] = [[1], [10**6]]
    with pytest.raises(ValueError, match=r"request 1: candidates\[0\] is 1000000"):
        scorer.predict(wrong)
    wrong = requests.astype({"time": object})
    wrong.loc[1, "time"] = "noon"
    with pytest.raises(ValueError, match=r"row 1 of the requests can't be read: .*noon"):
        scorer.predict(wrong)
