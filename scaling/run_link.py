"""Where MLflow's own page shows a run, if one answers."""

from __future__ import annotations

import base64
import json
import re
import urllib.error
import urllib.request
from urllib.parse import quote, urlsplit, urlunsplit

from scaling.tracking_store import ui_command

USUAL = "http://127.0.0.1:5000"
"""Where `mlflow ui` listens unless told otherwise."""
PATIENCE_SECONDS = 1.5
_ID = re.compile(r"[0-9A-Za-z_-]{1,64}")


def run_link(run_id: str, *, url: str | None, tracking_uri: str | None) -> tuple[str, str]:
    """The address of a run's page, or nothing and what to do instead, in words.

    Args:
        run_id: of MLflow.
        url: of MLflow's page; None asks the usual address on this machine, and believes it only if
            it has this very run.
        tracking_uri: of the store that the run is in; None where it came from a file.
    """
    if not run_id:
        return "", "This table has no run_id, so MLflow can't be asked for the run."
    if not _ID.fullmatch(run_id):
        return "", "The run_id is none of MLflow's, so there is no page to open."
    base = without_login(url or USUAL).rstrip("/")
    number = _experiment(url or USUAL, run_id)
    if number:
        return f"{base}/#/experiments/{quote(number)}/runs/{run_id}", ""
    if url is not None:
        return "", f"MLflow at {base} doesn't show run {run_id}; is it of this store?"
    if tracking_uri is None:
        return (
            "",
            f"Run {run_id}: with `--mlflow-url URL`, the address of MLflow's page, a link stands here.",
        )
    return (
        "",
        f"Run {run_id}: `{ui_command(tracking_uri)}` shows it; start that and choose the run again.",
    )


def without_login(uri: str) -> str:
    """The address without a user's name and password."""
    parts = urlsplit(uri)
    if "@" not in parts.netloc:
        return uri
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _experiment(url: str, run_id: str) -> str:
    """The number of the run's experiment, as the server says; empty if it doesn't."""
    ask = f"{without_login(url).rstrip('/')}/api/2.0/mlflow/runs/get?run_id={run_id}"
    request = urllib.request.Request(ask)
    login = urlsplit(url)
    if login.username:
        words = f"{login.username}:{login.password or ''}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(words).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_SECONDS) as answer:
            found = json.loads(answer.read(1 << 22))
        return str(found["run"]["info"]["experiment_id"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
