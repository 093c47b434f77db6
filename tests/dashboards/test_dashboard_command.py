"""`climber dashboard` as it is run: an address that answers, who may ask, and an end."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from scaling.cli import main
from scaling.dashboards.explorer_server import loopback

COMMAND = [sys.executable, "-m", "scaling.cli", "dashboard"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "mine.csv"
    rows = ["who,N,C,loss"]
    rows += [f"a,{n},{c}e9,{0.3 + 1 / (c + n)}" for n in (10, 20) for c in (1, 2, 4)]
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def served(table: Path) -> Iterator[tuple[str, subprocess.Popen[str], Path]]:
    """The address, the process, and the folder that it keeps its temporary files in."""
    scratch = table.parent / "scratch"
    scratch.mkdir()
    columns = ["--column", "architecture=who", "--column", "params=N", "--column", "compute=C"]
    process = subprocess.Popen(
        [*COMMAND, "--runs", str(table), *columns, "--port", "0"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "TMPDIR": str(scratch), "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    line = process.stdout.readline()
    found = re.fullmatch(
        r"explore run table \S+mine\.csv at (http://127\.0\.0\.1:\d+/) \(Ctrl-C ends it\)\n", line
    )
    assert found, line + process.stdout.read()
    yield found[1], process, scratch
    process.kill()
    process.wait()


def ask(url: str, body: Any = None, **headers: str) -> tuple[int, str, Any]:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode(errors="replace"), answer.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), error.headers


def test_the_page_loads_nothing_from_elsewhere(served: Any) -> None:
    url = served[0]
    status, page, headers = ask(url)
    assert status == 200
    assert '<html lang="en">' in page
    named = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert named
    assert all(one.startswith("/") for one in named), named
    assert "assets/explorer.css" in page
    assert "assets/explorer.js" in page
    for one in named:
        assert ask(url.rstrip("/") + one)[0] == 200, one
    policy = headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'self'")
    assert "http:" not in policy
    assert "unsafe-eval" not in policy
    assert json.loads(ask(url + "_dash-layout")[1])["props"]["id"] == "page"


def test_other_pages_and_names_may_not_ask(served: Any) -> None:
    url = served[0]
    port = url.split(":")[-1].rstrip("/")
    assert ask(url, Host=f"localhost:{port}")[0] == 200
    assert ask(url, Host="evil.example")[0] == 403
    assert ask(url, Host=f"127.0.0.1.evil.example:{port}")[0] == 403
    asked = url + "_dash-update-component"
    assert ask(asked, {}, Origin="http://evil.example")[0] == 403
    assert ask(asked, {}, Origin="null")[0] == 403


def test_a_port_in_use_is_told_with_the_cure(served: Any, table: Path) -> None:
    port = served[0].split(":")[-1].rstrip("/")
    done = CliRunner().invoke(main, ["dashboard", "--runs", str(table), "--port", port])
    assert done.exit_code == 2
    assert f"can't listen at 127.0.0.1 port {port}" in done.output
    assert "choose another one by --port (0 takes a free one)" in done.output


def test_it_ends_on_a_signal_and_leaves_nothing(served: Any) -> None:
    url, process, scratch = served
    assert any(scratch.glob("climber-dashboard-*"))
    process.send_signal(signal.SIGTERM)
    rest = process.communicate(timeout=60)[0]
    assert (process.returncode, rest) == (0, "ended\n")
    assert not any(scratch.glob("climber-dashboard-*"))
    with (
        pytest.raises(OSError),
        socket.create_connection(("127.0.0.1", int(url.split(":")[-1][:-1]))),
    ):
        pass


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--runs", "none.csv"], "no run table at none.csv"),
        (["study", "--runs", "none.csv"], "say either SWEEP or --runs FILE"),
        (["--column", "a=b"], "--column goes with --runs FILE"),
        (["--mlflow-url", "javascript:alert(1)"], "takes an http or https address"),
        (["--tracking-uri", "sqlite:///none.db"], "does not exist. Cure: run a sweep first"),
    ],
)
def test_what_cannot_be_explored_is_told(
    arguments: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, ["dashboard", *arguments])
    assert done.exit_code == 2
    assert told in " ".join(done.output.split())


def test_an_unknown_sweep_is_told_with_the_known_ones(store: str) -> None:
    done = CliRunner().invoke(main, ["dashboard", "quickstart", "--tracking-uri", store])
    assert done.exit_code == 2
    assert "holds no sweep 'quickstart'; it holds: none" in " ".join(done.output.split())


def test_loopback_is_told_from_other_hosts() -> None:
    assert all(
        map(loopback, ("127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "a.localhost"))
    )
    assert not any(map(loopback, ("0.0.0.0", "10.0.0.1", "example.com", "", "localhost.example")))
