"""Commands of the pages, run on a tiny sweep; those that can't be are named with their reason."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from scaling.cli import main

from .conftest import climber_in
from .page_runs import (
    OTHER_PAGES,
    PARSED_ONLY,
    PROGRAMS_ELSEWHERE,
    PYTHON_ELSEWHERE,
    REFUSED,
    SMALLER,
    SPECS,
    STUDY,
    TRAINING,
    is_named,
    tiny,
)
from .pages import ASSIGNMENT, ROOT, climber, commands

BUDGETS = "(1e8, 2.4e8, 6e8)", "(1e8, 1.6e8, 2.5e8, 4e8, 6.4e8)"

SHOWN = [
    (command, words)
    for command in commands()
    if (words := climber(command)) is not None
    and (command.inline or command.page not in OTHER_PAGES)
]
RUN = sorted(
    {
        tiny(words)
        for command, words in SHOWN
        if " ".join(words) not in PARSED_ONLY and not is_named(command)
    }
)

PROGRAMS = {
    command.text: next(word for word in command.words if not ASSIGNMENT.match(word))
    for command in commands()
    if climber(command) is None
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sweep `tiny`, trained, and its run table."""
    made = tmp_path_factory.mktemp("tiny")
    spec = (ROOT / "tests" / "cli" / "my_sweeps.py").read_text()
    assert BUDGETS[0] in spec
    (made / "my_sweeps.py").write_text(spec.replace(*BUDGETS))
    run = climber_in(made)
    run("sweep", "my_sweeps.py:tiny", "--log-model", "best")
    run("runs", "tiny", "-o", "runs.csv")
    behaviours = ("look", "buy", "buy")
    rows = [
        {"user": user, "request": at // 4, "item": at % 5, "label": at % 2}
        for user in range(3) for at in range(12)
    ]  # fmt: skip
    pd.DataFrame(rows).to_parquet(made / "impressions.parquet")
    run(
        "data",
        "compress",
        "impressions.parquet",
        "-o",
        "records.parquet",
        "--request",
        "user,request",
    )
    events = [
        {"user_id": row["user"], "item_id": row["item"], "timestamp": 86400 * at, "behavior": what}
        for at, row in enumerate(rows) for what in behaviours
    ]  # fmt: skip
    pd.DataFrame(events).to_parquet(made / "events.parquet")
    return made


@pytest.mark.slow
@pytest.mark.filterwarnings("default")  # as a user has it: a warning ends no command
@pytest.mark.parametrize("words", RUN, ids=" ".join)
def test_it_runs(words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if words[0] in (*TRAINING, "bench"):  # processes of their own start from a fresh interpreter
        climber_in(folder)(*words)
        return
    monkeypatch.chdir(folder)
    code = main.main(list(words), prog_name="climber", standalone_mode=False) or 0
    assert code == (" ".join(words) in REFUSED)


@pytest.mark.parametrize(
    "text",
    [one for one in PROGRAMS if PROGRAMS[one] == "python" and one not in PYTHON_ELSEWHERE],
)
def test_python_runs(text: str, tmp_path: Path) -> None:
    _, *words = shlex.split(text)
    done = subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_other_program_is_run_or_has_its_reason() -> None:
    assert set(PROGRAMS.values()) == {"python", *PROGRAMS_ELSEWHERE}
    assert set(PYTHON_ELSEWHERE) <= set(PROGRAMS)


def test_every_command_of_a_study_is_run() -> None:
    assert {words[0] for words in RUN} >= STUDY


def test_what_is_not_run_is_still_shown() -> None:
    texts = {" ".join(words) for _, words in SHOWN}
    listed = {*PARSED_ONLY, *SMALLER}
    assert not listed - texts, "no page shows these any more: take them off the list"
    texts |= {word for text in texts for word in text.split()}
    assert not set(SPECS) - texts
    assert set(REFUSED) <= {" ".join(words) for words in RUN}
