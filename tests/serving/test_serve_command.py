"""What `climber serve` is given: a run or a folder, an address, a token."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner

from scaling.cli import main
from scaling.cli.serve import folder_of
from scaling.logged_model import LoggedModel, load, pack
from scaling.serving_limits import Limits
from scaling.serving_server import listen
from scaling.tracking_mlflow import artifact_repository
from scaling.tracking_models import MODEL_BYTES, put
from scaling.tracking_store import open_client

TEXT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text()

# Ray Serve itself uses what pydantic deprecates.
QUIET = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.mark.filterwarnings("ignore:.*Any type hint:UserWarning")  # MLflow's, of its own types
def test_a_runs_model_becomes_a_folder(
    store: str, saved: Path, model: LoggedModel, tmp_path: Path
) -> None:
    client = open_client(store)
    place = (tmp_path / "artifacts").as_uri()
    run = client.create_run(client.create_experiment("served", artifact_location=place))
    size = put(artifact_repository(run.info.artifact_uri, store), pack(saved))
    client.set_tag(run.info.run_id, MODEL_BYTES, str(size))
    folder = folder_of(run.info.run_id, store, tmp_path / "scratch")
    found = load(folder)
    assert found.config == model.config
    weights = model.ranker.state_dict()
    for name, tensor in found.ranker.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_a_folder_is_taken_as_it_is(saved: Path, tmp_path: Path) -> None:
    assert folder_of(str(saved), None, tmp_path) == saved


@QUIET
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["0123456789abcdef"], "no run '0123456789abcdef'"),
        (["x", "--cache-bytes", "much"], "'much' is no number of bytes"),
        (["x", "--max-body", "0"], "the limit of body must be at least 1"),
        (["x", "--token", "  "], "--token must be printable ASCII"),
    ],
)
def test_refuses(store: str, arguments: list[str], reason: str) -> None:
    done = CliRunner().invoke(main, ["serve", *arguments, "--tracking-uri", store])
    assert done.exit_code == 2
    assert reason in " ".join(done.output.split())


def test_a_taken_port_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(
            ValueError, match=rf"can't listen at 127.0.0.1:{port}: .* --port \(0 takes"
        ):
            listen("127.0.0.1", port)


def test_limits_are_positive() -> None:
    with pytest.raises(ValueError, match="the limit of candidates must be at least 1, got 0"):
        Limits(candidates=0)


def test_the_documented_request_is_answered(port: int, ask: Callable[..., Any]) -> None:
    (body,) = re.findall(r"-d '(\{.*?\})'\n", TEXT, flags=re.DOTALL)
    answer = ask(port, "POST", "/score", json.loads(body))
    assert answer.status == 200
    (found,) = answer.content["answers"]
    assert found["user"] == "ann"
    assert {len(values) for values in found["probabilities"].values()} == {3}


def test_the_documented_client_is_answered(port: int) -> None:
    (source,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    assert "http://127.0.0.1:8000" in source
    (body,) = re.findall(r"-d '(\{.*?\})'\n", TEXT, flags=re.DOTALL)
    requests = [{**one, "version": "new"} for one in json.loads(body)["requests"]]
    names = {
        "requests": [{key: one[key] for key in one if key != "history"} for one in requests],
        "histories": {one["user"]: one["history"] for one in requests},
    }
    exec(compile(source.replace("8000", str(port)), "docs/serving.md", "exec"), names)
    (found,) = names["answers"]
    assert {len(values) for values in found["probabilities"].values()} == {3}


def test_every_refusal_is_documented(port: int, ask: Callable[..., Any]) -> None:
    description = ask(port, "GET", "/openapi.json").content
    statuses = set(description["paths"]["/score"]["post"]["responses"]) - {"200"}
    (listed,) = re.findall(r"Codes: (.*?)\.\n", TEXT, flags=re.DOTALL)
    assert statuses <= set(re.findall(r"\d{3}", listed))
