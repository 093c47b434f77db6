"""Which process this is, whether another one still runs, and what memory it holds."""

from __future__ import annotations

import os
import socket
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

_DEAD = ("Z", "X")


@dataclass(frozen=True)
class Process:
    """A process that no other one, on this machine or elsewhere, is taken for."""

    host: str
    place: str
    """Start of the machine and name space of process ids: containers share names of hosts."""
    pid: int
    started: str
    """When it began, as the machine tells it: process ids are used again."""

    @classmethod
    def mine(cls) -> Self:
        pid = os.getpid()
        return cls(socket.gethostname(), _place(), pid, _started(pid) or "")

    def surely_ended(self) -> bool:
        """True only if it ran here and does so no more; False where that can't be known."""
        if (self.host, self.place) != (socket.gethostname(), _place()):
            return False
        return _started(self.pid) != self.started

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def runs(pid: int) -> bool:
    """Whether a process of that number runs on this machine."""
    return _started(pid) is not None


def resident_bytes(pid: int | None = None) -> int:
    """Bytes of memory that a process holds now; this one by default.

    Raises:
        OSError: there is no such process, or the system doesn't say (no Linux).
    """
    pages = Path(f"/proc/{'self' if pid is None else pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def peak_bytes() -> int:
    """The most memory in bytes that this process held since its program began, or since a reset.

    Not `getrusage`: its maximum begins with what the process held that started this one.

    Raises:
        OSError: the system doesn't say (no Linux).
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    raise OSError("no VmHWM in /proc/self/status")


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:  # no Linux
        return ""


def _started(pid: int) -> str | None:
    """The start time of a process; None if there is none of that number."""
    if Path("/proc/self/stat").exists():
        try:
            # The name, in brackets, may hold spaces and brackets.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in _DEAD else fields[19]
    told = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True)
    return told.stdout.strip() or None
