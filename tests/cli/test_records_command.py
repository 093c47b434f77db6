"""`climber data compress`, `climber data expand` and `climber bench turbo`, as they are typed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from click.testing import CliRunner

from scaling.cli import main


def said(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_log_is_compressed_and_expanded_by_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    table = pa.table({"who": [7, 8, 7, 7], "at": [1, 1, 1, 2], "item": [5, 6, 7, 8]})
    pa_parquet.write_table(table, "log.parquet")
    told = said("data", "compress", "log.parquet", "-o", "records.parquet", "--request", "who, at")
    assert re.search(r"records +│ +3 ", told)
    assert re.search(r"mean items per record +│ +1\.33 ", told)
    assert re.search(r"columns of the items +│ +item ", told)
    following = told.splitlines()[-1].removeprefix("next: climber ")
    assert "wrote single.parquet" in said(*shlex.split(following))
    assert pa_parquet.read_table("single.parquet").equals(table)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--request", "user"], "no column 'user'; it holds who, item"),
        (["--request", ","], "no column that names a request is given"),
        (["--request", "who", "--items", "like"], "no column 'like'; it holds who, item"),
        (["--request", "who", "--items", "who"], "column 'who' can't name the request and belong"),
        (["--request", "who", "--memory", "much"], "'much' is no number of bytes"),
    ],
)
def test_usage_errors_name_the_value_and_the_cure(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    log = tmp_path / "log.parquet"
    pa_parquet.write_table(pa.table({"who": [1], "item": [2]}), log)
    target = tmp_path / "records.parquet"
    result = CliRunner().invoke(main, ["data", "compress", str(log), "-o", str(target), *arguments])
    assert result.exit_code == 2
    assert message in " ".join(result.output.split())
    assert [path.name for path in tmp_path.iterdir()] == ["log.parquet"]


@pytest.mark.slow
def test_the_benchmark_of_records_writes_its_figures(tmp_path: Path) -> None:
    figures = tmp_path / "turbo.json"
    told = said(
        "bench", "turbo", "--architectures", "transformer", "--depths", "1", "--width", "16",
        "--length", "16", "--items", "1,4", "--seconds", "0.01", "--json", str(figures),
        "-o", str(tmp_path / "plots"),
    )  # fmt: skip
    assert "steps of equal tokens" in told
    assert "transformer at 16 events: extended by at most 15 new events" in " ".join(told.split())
    rows = json.loads(figures.read_text())["training"]
    assert [row["items"] for row in rows] == [1, 4]
    assert (tmp_path / "plots" / "training_records.png").is_file()
