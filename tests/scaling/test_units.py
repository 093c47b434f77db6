"""Numbers in few characters, and JSON without NaN."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from scaling.units import format_si, plain, write_json


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.3e6, "", "1.3e6"),
        (2.1e9, "FLOP", "2.1 GFLOP"),
        (999.6e9, "FLOP", "1 TFLOP"),
        (3.16e11, "FLOP", "320 GFLOP"),
        (512, "B", "510 B"),
        (1, "", "1"),
        (0.0312, "", "0.031"),
        (350, "", "350"),
        (-4200, "", "-4.2e3"),
        (1.2e-7, "", "1.2e-7"),
        (0, "FLOP", "0 FLOP"),
        (None, "", "–"),
        (float("nan"), "s", "–"),
        (float("inf"), "FLOP", "∞ FLOP"),
    ],
)
def test_format_si(value: float | None, unit: str, text: str) -> None:
    assert format_si(value, unit) == text


def test_more_digits() -> None:
    assert format_si(3.162e11, "FLOP", digits=3) == "316 GFLOP"


def test_plain_has_no_nan_and_no_numpy() -> None:
    value = {
        "a": np.float64("nan"),
        "b": (np.int64(3), np.bool_(True)),
        "c": np.array([1.0, np.inf]),
    }
    found = plain(value)
    assert found == {"a": None, "b": [3, True], "c": [1.0, None]}
    assert type(found["b"][0]) is int
    json.dumps(found, allow_nan=False)


def test_json_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "new" / "fit.json"
    write_json(path, {"loss": float("nan"), "name": "é"})
    assert json.loads(path.read_text(encoding="utf-8")) == {"loss": None, "name": "é"}

    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {})
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
