"""Bad input on the command line: what is wrong, where, what is valid, exit code 2."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from scaling.cli import COMMANDS, main


def refused(*arguments: str) -> str:
    """The message of a command that must exit with 2."""
    result = CliRunner().invoke(main, list(arguments))
    assert result.exit_code == 2, result.output
    return " ".join(result.output.split())


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["plan", "slowstart"], "unknown sweep 'slowstart'; valid: .*quickstart"),
        (["plan", "quickstart", "--set", "height=3"], "no axis 'height'; valid: .*widths"),
        (["plan", "quickstart", "--set", "widths=wide"], "'wide' is not a number"),
        (["plan", "quickstart", "--set", "widths"], "--set takes NAME=VALUE, got 'widths'"),
        (["plan", "quickstart", "--set", "seq_lens=0"], "seq_len.* 0"),
        (["plan", "axes", "--set", "blocks=3", "--set", "seq_lens=32"], "32 .*3 blocks"),
        (
            ["plan", "quickstart", "--set", "architectures=bert"],
            "unknown model 'bert'; valid: .*astro",
        ),
        (["plan", "quickstart", "--set", "budgets=10"], "too small"),
        (["plan", "nowhere.py:big"], "no file at nowhere.py"),
        (["plan", "quickstart", "--max-hours", "0"], "--max-hours.*0.*not in the range"),
        (["plan", "quickstart", "--slots", "0"], "--slots.*0.*not in the range"),
        (["plan", "quickstart", "--price", "-1"], "--price.*-1.*not in the range"),
        (["data", "describe", "netflix"], "unknown data set 'netflix'; valid: .*synthetic"),
        (["data", "describe", "synthetic", "--set", "tracks=3"], "32 tracks"),
        (["data", "describe", "synthetic", "--set", "trax=3"], "no field 'trax'; valid: .*tracks"),
        (["data", "prepare", "kuairand"], "CLIMBER_KUAIRAND"),
        (["fit"], "say either SWEEP or --runs FILE"),
        (["fit", "--runs", "none.csv"], "no run table at none.csv"),
        (["fit", "quickstart"], "mlflow.db"),
        (["list", "cats"], "models"),
        (["bench", "training", "--architectures", "bert"], "unknown model 'bert'; valid: .*astro"),
        (["bench", "training", "--widths", "wide"], "'wide' is not a positive whole number"),
        (["bench", "training", "--precision", "fp8"], "unknown precision 'fp8'; valid: fp32, bf16"),
        (["bench", "training", "--batch-size", "0"], "neither a positive whole number nor 'auto'"),
        (["bench", "training", "--memory", "--catalogue"], "choose one of --memory"),
        (["runs", "quickstart", "-o", "runs.xlsx"], "mlflow.db|.csv"),
    ],
)
def test_usage_errors_name_the_value_and_the_cure(arguments: list[str], message: str) -> None:
    import re

    found = refused(*arguments)
    assert re.search(message, found), found


def test_nothing_is_left_behind_by_a_refused_command(tmp_path: Path) -> None:
    refused("fit", "quickstart")
    refused("plan", "quickstart", "--set", "widths=0")
    assert list(tmp_path.iterdir()) == []


def test_an_unreadable_column_is_named(tmp_path: Path) -> None:
    Path("runs.csv").write_text("architecture,C,final\nastro,1e9,0.5\n")
    message = refused("fit", "--runs", "runs.csv", "--column", "compute=flops")
    assert "no column 'flops' (wanted as 'compute')" in message
    assert "architecture, C, final" in message


def test_a_failed_fit_exits_with_one() -> None:
    Path("runs.csv").write_text("architecture,compute,loss\nastro,1e9,0.5\nastro,1e10,0.4\n")
    result = CliRunner().invoke(main, ["fit", "--runs", "runs.csv"])
    assert result.exit_code == 1, result.output


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)])
def test_every_command_explains_itself(command: list[str]) -> None:
    result = CliRunner().invoke(main, [*command, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


@pytest.mark.parametrize("kind", ["models", "datasets", "laws", "sweeps"])
def test_list_names_everything_with_a_line(kind: str) -> None:
    result = CliRunner().invoke(main, ["list", kind])
    assert result.exit_code == 0
    expected = {"models": "astro", "datasets": "synthetic", "laws": "offset", "sweeps": "axes"}
    assert expected[kind] in result.output


def test_describing_the_embedded_data_tells_its_truth() -> None:
    result = CliRunner().invoke(
        main,
        ["data", "describe", "synthetic", "--set", "test_users=16", "--set", "test_requests=50"],
    )
    assert result.exit_code == 0
    for fact in ("loss_floor", "auc_ceiling", "fingerprint", "licence"):
        assert fact in result.output


@pytest.mark.parametrize("group", [[], ["data"], ["bench"]])
def test_help_says_whole_sentences(group: list[str]) -> None:
    help_text = CliRunner().invoke(main, [*group, "--help"]).output
    assert "..." not in help_text.partition("Commands:")[2]
    assert "Commands:" in help_text


def test_lists_say_whole_sentences() -> None:
    laws = " ".join(CliRunner().invoke(main, ["list", "laws"]).output.split())
    assert "the part above the floor by the factor" in laws
