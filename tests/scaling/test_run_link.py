"""Where a run can be looked at: only a page that has this very run is linked to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from scaling import run_link as links
from scaling.run_link import run_link, without_login

RUN = "0123456789abcdef0123456789abcdef"


class _Page(BaseHTTPRequestHandler):
    """MLflow's answer about the one run there is."""

    def do_GET(self) -> None:
        known = self.path == f"/api/2.0/mlflow/runs/get?run_id={RUN}"
        body = json.dumps({"run": {"info": {"experiment_id": "7"}}} if known else {}).encode()
        self.send_response(200 if known else 404)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr(links, "USUAL", address)
    yield address
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_that_has_the_run_is_linked_to(page: str) -> None:
    link = f"{page}/#/experiments/7/runs/{RUN}"
    assert run_link(RUN, url=page + "/", tracking_uri=None) == (link, "")
    assert run_link(RUN, url=None, tracking_uri="sqlite:////a/mlflow.db") == (link, "")


def test_a_page_of_another_store_is_not(page: str) -> None:
    address, words = run_link("f" * 32, url=None, tracking_uri="sqlite:////a/mlflow.db")
    assert address == ""
    assert "`mlflow ui --backend-store-uri sqlite:////a/mlflow.db` shows it" in words
    assert "doesn't show run" in run_link("f" * 32, url=page, tracking_uri=None)[1]


@pytest.mark.parametrize("run_id", ["", "../x", "<script>", "a" * 65, "a b"])
def test_what_is_no_run_of_mlflow_is_never_asked_for(page: str, run_id: str) -> None:
    address, words = run_link(run_id, url=page, tracking_uri=None)
    assert address == ""
    assert words
    assert "<" not in words


def test_no_link_shows_a_password() -> None:
    assert without_login("https://me:secret@host:5000/x") == "https://host:5000/x"
    assert without_login("https://host/x") == "https://host/x"
