"""Checkpoint files: whole or not there, checked, two kept; places by path and by URI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from scaling.checkpoint import KEPT, TrialCheckpoints, discard, full_place


def state_at(step: int) -> dict[str, Any]:
    return {"steps": step, "weights": torch.full((50,), float(step)), "curve": [(1, {"loss": 0.1})]}


@pytest.fixture(params=["path", "URI"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    folder = tmp_path / "kept here"
    return full_place(str(folder) if request.param == "path" else folder.as_uri())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "kept here" / "digest" / "code"


def found(files: TrialCheckpoints) -> tuple[list[int], list[str]]:
    problems: list[str] = []
    states = list(files.newest_first(problems))
    for state in states:
        assert torch.equal(state["weights"], state_at(state["steps"])["weights"])
        assert state["curve"] == [(1, {"loss": 0.1})]
    return [state["steps"] for state in states], problems


@pytest.fixture
def files(place: str) -> TrialCheckpoints:
    """Saved at steps 8, 9, 10 and 11."""
    made = TrialCheckpoints(place, "digest", "code")
    assert found(made) == ([], [])
    for step in (8, 9, 10, 11):
        made.save(step, state_at(step))
    return made


def test_the_last_two_are_kept(files: TrialCheckpoints, folder: Path) -> None:
    assert found(files) == ([11, 10], [])
    assert len(list(folder.iterdir())) == KEPT == 2


@pytest.mark.parametrize("damage", ["truncated", "a bit", "empty", "headless"])
def test_a_damaged_one_is_named_and_the_one_before_it_used(
    files: TrialCheckpoints, folder: Path, damage: str
) -> None:
    last = folder / f"{11:012d}.checkpoint"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 1
    spoiled = {"truncated": content[:-9], "a bit": content, "empty": b"", "headless": content[40:]}
    last.write_bytes(bytes(spoiled[damage]))
    steps, (problem,) = found(files)
    assert steps == [10]
    assert problem.startswith(str(last))
    assert "damaged or truncated" in problem
    assert found(files) == ([10], []), "a damaged file is deleted"


def test_a_half_written_one_is_not_there(files: TrialCheckpoints, folder: Path) -> None:
    (folder / "0.partial").write_bytes(b"half")
    assert found(files) == ([11, 10], [])


def test_those_of_other_code_are_refused_and_kept(files: TrialCheckpoints, folder: Path) -> None:
    other = TrialCheckpoints(files.place, "digest", "other code")
    steps, (problem,) = found(other)
    assert steps == []
    assert str(folder) in problem
    assert "made by other code" in problem
    assert found(files) == ([11, 10], [])


def test_only_tensors_and_plain_data_are_loaded(files: TrialCheckpoints) -> None:
    """A file from elsewhere runs no code here."""
    files.save(12, {"steps": 12, "path": Path("a class of its own")})
    steps, (problem,) = found(files)
    assert steps == [11]
    assert "can't be loaded" in problem


@pytest.mark.parametrize("field", ["digest", "code"])
def test_a_file_in_a_wrong_place_is_refused(
    files: TrialCheckpoints, folder: Path, field: str
) -> None:
    wrong = {"digest": "digest", "code": "code"} | {field: "another"}
    moved = folder.parents[1] / wrong["digest"] / wrong["code"]
    moved.parent.mkdir(exist_ok=True)
    folder.rename(moved)
    steps, problems = found(TrialCheckpoints(files.place, **wrong))
    assert steps == []
    assert all(f"is of another {field} ({field}; needed: another)" in text for text in problems)
    assert len(problems) == 2


def test_discarding_takes_all_of_a_trial_and_nothing_else(files: TrialCheckpoints) -> None:
    other = TrialCheckpoints(files.place, "other", "code")
    other.save(3, state_at(3))
    discard(files.place, ["digest", "never saved"])
    assert found(files) == ([], [])
    assert found(other) == ([3], [])


def test_a_folder_that_never_was_holds_nothing(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "nowhere")
    discard(nowhere, ["digest"])
    assert found(TrialCheckpoints(nowhere, "digest", "code")) == ([], [])
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("wrong", ["ftp://host/folder", "{file}/below a file"])
def test_a_place_that_can_not_be(wrong: str, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ValueError, match=r"checkpoints can't be kept at .*Valid: a folder"):
        full_place(wrong.format(file=file))


def test_relative_places_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert full_place("kept") == str(tmp_path / "kept")
