"""Jobs end whatever the server's other threads are doing when they begin."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

import pytest

from scaling.dashboards.explorer_jobs import Jobs

WORK = """
def work(tell, number):
    tell(["0.5", "half"])
    return 2 * number
"""


def test_a_job_that_begins_while_the_store_is_written_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In a module that the job can import, as the explorer is: the files of tests can't be imported.
    module = tmp_path / "work_of_a_job.py"
    module.write_text(WORK)
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module(module.stem).work
    jobs = Jobs(tmp_path / "jobs")

    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with jobs.handle.transact():  # as a thread does that ends another job
            inside.set()
            leave.wait()

    other = threading.Thread(target=hold)
    other.start()
    inside.wait()
    pid = jobs.call_job_fn("key", jobs.make_job_fn(work, True), [21], {})
    leave.set()
    other.join()
    running = True
    while not jobs.result_ready("key"):
        assert running, "the job has ended without a result"
        running = jobs.job_running(pid)  # asked first: it may leave the result and end in between
    assert jobs.get_progress("key") == ["0.5", "half"]
    assert jobs.get_result("key", pid) == 42
    jobs.terminate_job(pid)  # once more
