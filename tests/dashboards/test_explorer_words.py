"""Runs in words: nothing that tells them apart is cut, and no name turns a sentence around."""

from __future__ import annotations

from typing import Any

import pandas as pd

from scaling.dashboards.explorer_words import MOST_NAME, hover_of, run_list, tamed
from scaling.dashboards.plain_text import LONGEST, lines_of

WIDE = {
    "architecture": "transformer", "variant": "transformer(heads=8)", "depth": 12, "width": 1024,
    "seq_len": 2048, "blocks": 12, "params": 123_456_789, "examples": 987_654_321, "budget": 1e19,
    "compute": 1.23456e19, "lr": 1.23456e-4, "batch_size": 1024,
}  # fmt: skip


def wide(**columns: list[Any]) -> pd.DataFrame:
    """Two runs of a configuration that takes many characters."""
    return pd.DataFrame({**{name: [value] * 2 for name, value in WIDE.items()}, **columns})


def test_hovering_shows_the_whole_configuration() -> None:
    runs = wide(run_id=["a", "b"], seed=[0, 1], loss=[0.123456, 0.2], configuration=["c", "c"])
    found = hover_of(runs, "loss")
    lines = found["a"].splitlines()
    assert lines[0] == "transformer"
    assert lines[1] == "depth 12, width 1024, seq len 2048, blocks 12, params 1.23e8"
    assert lines[-1] == "seed 0, loss 0.12346"
    assert all(len(line) <= LONGEST for line in lines), "a figure cuts what is longer"
    assert "…" not in lines_of(found["a"])
    assert found["c"].splitlines() == lines[:-1], "of a mean over seeds, what they share"


def test_the_list_of_runs_says_what_tells_them_apart() -> None:
    runs = wide(run_id=["a", "b"], seed=[0, 1], loss=[0.3, 0.2])
    assert run_list(runs, "loss", rising=False) == (
        [("b", "0.2: transformer, seed 1"), ("a", "0.3: transformer, seed 0")],
        "",
    )


def test_no_name_turns_a_sentence_around_and_names_stay_different() -> None:
    turning = ["safe\u202etxet", "safe\u202dtxet", "plain", "\u05d0\u05d1", "x" * MOST_NAME + "1"]
    names = tamed(pd.DataFrame({"architecture": turning}))["architecture"].tolist()
    assert all(name.isprintable() for name in names)
    assert names[2:4] == turning[2:4], "letters that run right to left are letters"
    assert len(set(names)) == len(names)
    assert max(map(len, names)) < MOST_NAME + 12
