"""One driver per sweep: two real processes, taken over, killed, released."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest

from scaling.lease import Lease, LeaseError, Seen
from scaling.tracking_lease import LeaseTag, read_lease, sweep_lease
from scaling.tracking_store import StoreError
from scaling.tracking_sweep import open_sweep

HOLD = """
import sys
from pathlib import Path
from scaling.lease import Lease
from scaling.lease_file import LeaseFile
place = LeaseFile.beside(Path(sys.argv[1].removeprefix("sqlite:///")), "study")
with Lease(place, "study"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts processes that hold the lease until their standard input is closed."""
    with ExitStack() as stack:

        def start(store: str) -> subprocess.Popen[str]:
            process = subprocess.Popen(
                [sys.executable, "-c", HOLD, store],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=tmp_path,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            return process

        yield start


def test_the_second_driver_is_refused_until_the_first_ends(
    hold: Callable[[str], subprocess.Popen[str]], store: str
) -> None:
    first = hold(store)
    with pytest.raises(LeaseError) as refused, sweep_lease("study", tracking_uri=store):
        pass
    for part in (f"process {first.pid} on {os.uname().nodename}", "s ago", "--takeover"):
        assert part in str(refused.value)
    with sweep_lease("another study", tracking_uri=store):
        pass
    first.communicate()
    assert read_lease("study", tracking_uri=store) is None, "released at the end"
    with sweep_lease("study", tracking_uri=store):
        pass


def test_a_killed_driver_holds_nothing(
    hold: Callable[[str], subprocess.Popen[str]], store: str, caplog: pytest.LogCaptureFixture
) -> None:
    first = hold(store)
    first.kill()
    first.wait()
    seen = read_lease("study", tracking_uri=store)
    assert seen is not None
    assert seen.stale
    with sweep_lease("study", tracking_uri=store):
        assert f"took the lease over from process {first.pid}" in caplog.text


def test_a_suspended_driver_is_not_dead(
    hold: Callable[[str], subprocess.Popen[str]], store: str
) -> None:
    first = hold(store)
    first.send_signal(signal.SIGSTOP)
    with pytest.raises(LeaseError), sweep_lease("study", tracking_uri=store):
        pass


class Memory:
    """A place that two leases of a process share, and a clock that the test sets."""

    def __init__(self, settle: float = 0.0) -> None:
        self.settle, self.lock = settle, threading.RLock()
        self.holder: Any = None
        self.age = 0.0
        self.written = threading.Condition()

    def guarded(self) -> Any:
        return nullcontext() if self.settle else self.lock

    def read(self) -> Seen | None:
        return None if self.holder is None else Seen(self.holder, self.age)

    def write(self, holder: Any) -> None:
        with self.written:
            self.holder = holder
            self.written.notify_all()

    def remove(self) -> None:
        self.holder = None


def lost(lease: Lease, place: Memory) -> str:
    """What the lease says once its heartbeat has found that it is another's."""
    with place.written:
        while True:
            try:
                lease.check()
            except LeaseError as error:
                return str(error)
            place.written.wait(0.01)


def test_taken_over_the_first_finds_out_and_leaves_the_second_alone() -> None:
    place = Memory()
    with Lease(place, "study", beat_seconds=0.01) as first:
        first.check()
        with Lease(place, "study", beat_seconds=0.01, takeover=True) as second:
            assert "was taken over by process" in lost(first, place)
            with pytest.raises(LeaseError):
                first.confirm()
            second.check()
        assert place.holder is None
    assert place.holder is None


def test_a_lease_that_was_removed_is_lost() -> None:
    place = Memory()
    with Lease(place, "study", beat_seconds=0.01) as lease:
        place.remove()
        assert "was removed" in lost(lease, place)


def test_missed_heartbeats_make_it_stale(caplog: pytest.LogCaptureFixture) -> None:
    place = Memory()
    with Lease(place, "study", beat_seconds=1e6):
        place.age = 59.0
        with pytest.raises(LeaseError), Lease(place, "study"):
            pass
        place.age = 61.0
        with Lease(place, "study") as second:
            assert "took the lease over" in caplog.text
            second.check()


def test_where_clocks_differ_a_heartbeat_shows_life() -> None:
    place = Memory(settle=0.01)
    with Lease(place, "study", beat_seconds=0.01):
        place.age = 1e6
        with pytest.raises(LeaseError), Lease(place, "study", beat_seconds=0.1):
            pass


def test_of_two_that_write_at_once_the_last_one_wins() -> None:
    place = Memory(settle=0.01)
    other = Memory()
    with Lease(other, "study"):

        class Overtaken(Memory):
            def write(self, holder: Any) -> None:
                self.holder = other.holder

        with pytest.raises(LeaseError), Lease(Overtaken(settle=0.01), "study"):
            pass
    assert place.holder is None


def test_it_is_released_after_errors(store: str) -> None:
    for error in (RuntimeError, KeyboardInterrupt):
        with pytest.raises(error), sweep_lease("study", tracking_uri=store):
            raise error
        assert read_lease("study", tracking_uri=store) is None


def test_a_tag_of_the_parent_run_holds_it(store: str) -> None:
    client, _, parent = open_sweep("study", store)
    place = LeaseTag(client, parent)
    with Lease(place, "study") as lease:
        seen = place.read()
        assert seen is not None
        assert seen.holder.process.pid == os.getpid()
        assert not seen.stale
        lease.check()
        with pytest.raises(LeaseError, match=r"the tag climber\.lease of run"):
            Lease(place, "study").__enter__()
    assert place.read() is None


def test_what_is_no_lease_is_not_overwritten(store: str, tmp_path: Path) -> None:
    with sweep_lease("study", tracking_uri=store):
        (path,) = tmp_path.glob("*.lease")
    path.write_text("my notes")
    with pytest.raises(ValueError, match=r"study-.*\.lease is no lease.*Cure: delete it"):
        sweep_lease("study", tracking_uri=store).__enter__()
    assert path.read_text() == "my notes"


def test_a_place_where_nobody_may_write() -> None:
    with pytest.raises(StoreError, match=r"/proc/mlflow\.db.*Cure: .*--tracking-uri"):
        sweep_lease("study", tracking_uri="sqlite:////proc/mlflow.db").__enter__()
