"""`climber bench data`: how fast data are made up, and official files become a prepared log."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROWS_AT_ONCE = 2**20

_KINDS = ("listen", "like", "dislike", "unlike", "undislike")
"""In the order of Yambda's behaviours, `listen_plus` left out."""


def generation() -> dict[str, Any]:
    """How many candidates the embedded data set makes up in a second."""
    from scaling.cli.output import print_table
    from scaling.datasets.synthetic import SyntheticConfig, generation_rows_per_second

    rate = generation_rows_per_second(SyntheticConfig())
    print_table("generation", ("what", "measured"), [("candidate rows/s and core", f"{rate:,.0f}")])
    return {"rows_per_second": rate}


def conversion(events: int, memory: str, folder: Path | None) -> dict[str, Any]:
    """Prepares generated events in a process of its own, and verifies what it wrote.

    Args:
        folder: where the events and the log are written, and deleted again; about 40 bytes of each
            event, and twice that on the way.

    Raises:
        ValueError: the log is not the events sorted; or `prepare` failed.
    """
    from scaling.cli.output import print_table
    from scaling.datasets.yambda_made import write_events
    from scaling.units import format_si, parse_bytes

    parse_bytes(memory)
    with tempfile.TemporaryDirectory(dir=folder, prefix="climber-bench-") as name:
        place = Path(name)
        source = write_events(place / "flat" / "50m" / "multi_event.parquet", events)
        began = time.perf_counter()
        usage, peak = _prepare(place, memory)
        seconds = time.perf_counter() - began
        (log,) = (place / "cache" / "yambda").iterdir()
        verify(source, log)
        written = sum(path.stat().st_size for path in log.rglob("*") if path.is_file())
        read = source.stat().st_size
    found = {
        "events": events,
        "memory": memory,
        "cores": len(os.sched_getaffinity(0)),
        "seconds": seconds,
        "events_per_second": events / seconds,
        "processor_seconds": usage.ru_utime + usage.ru_stime,
        "peak_bytes": peak,
        "source_bytes": read,
        "log_bytes": written,
    }
    rows = [
        ("start, checksums, conversion", f"{seconds:.1f} s"),
        ("of processors", f"{found['processor_seconds']:.1f} s"),
        ("events/s", format_si(found["events_per_second"], "", 3)),
        ("peak memory of the process", format_si(found["peak_bytes"], "B", 3)),
        ("official file", format_si(read, "B", 3)),
        ("prepared log, Parquet included", format_si(written, "B", 3)),
        ("sorted and complete", "yes"),
    ]
    print_table(
        f"{events:,} events, --memory {memory}, {found['cores']} cores", ("what", "measured"), rows
    )
    return found


_CHILD = "import sys; from scaling.cli.bench_data import telling; telling(*sys.argv[1:])"


def telling(file: str, *arguments: str) -> None:
    """Run `climber ARGUMENTS` and write this process's peak memory in bytes to a file."""
    from scaling.cli import main
    from scaling.process import peak_bytes

    try:
        main(list(arguments))
    finally:
        Path(file).write_text(str(peak_bytes()))


def _prepare(place: Path, memory: str) -> tuple[Any, int]:
    """What the command used of the processors, as the kernel counted it, and its peak memory."""
    command = [sys.executable, "-c", _CHILD, str(place / "peak"), "data", "prepare", "yambda"]
    process = subprocess.Popen(
        [*command, "--from", str(place), "--memory", memory],
        env={**os.environ, "CLIMBER_CACHE": str(place / "cache")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    with process.stderr as stream:
        said = stream.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise ValueError(f"climber data prepare failed: {said.strip().splitlines()[-1:]}")
    return usage, int((place / "peak").read_text())


def verify(source: Path, path: Path) -> None:
    """Compares a prepared log with the flat file that it was made of, without DuckDB.

    Raises:
        ValueError: it is not sorted by user and time, or does not hold the same events.
    """
    import numpy as np
    import pyarrow.parquet as pa_parquet

    from scaling.datasets.store import load_log
    from scaling.datasets.yambda import BEHAVIOURS

    log, _ = load_log(path)
    users, items = (
        pa_parquet.read_table(path / f"{name}.parquet", columns=["id"])["id"].to_numpy()
        for name in ("users", "items")
    )
    if not ((np.diff(users) > 0).all() and (np.diff(items) > 0).all()):
        raise ValueError(f"the dictionaries of {path} do not ascend")
    total = 0
    labels = np.array(log.schema.action_labels)
    for start in range(0, log.num_events, ROWS_AT_ONCE):
        rows = slice(start, min(start + ROWS_AT_ONCE, log.num_events))
        # With the event before, so that no pair of neighbours is left out.
        times = log.times[max(rows.start - 1, 0) : rows.stop]
        of = np.searchsorted(
            log.user_offsets, np.arange(rows.stop - len(times), rows.stop), "right"
        )
        if (np.diff(times)[np.diff(of) == 0] < 0).any():
            raise ValueError(f"{path} is not sorted by user and time")
        user = of[len(of) - (rows.stop - rows.start) :] - 1
        code = labels[log.actions[rows]] @ (1 << np.arange(len(BEHAVIOURS)))
        total = _added(
            total, users[user], items[log.items[rows]], log.times[rows], code, log.scenarios[rows]
        )
    expected, count = _of_source(source)
    if (count, expected) != (log.num_events, total):
        raise ValueError(f"{path} does not hold the {count} events of {source}")


def _of_source(source: Path) -> tuple[int, int]:
    """A sum over the events of the file that does not depend on their order, and their number."""
    import numpy as np
    import pyarrow.parquet as pa_parquet

    total = count = 0
    file = pa_parquet.ParquetFile(source)
    for batch in file.iter_batches(ROWS_AT_ONCE):
        words = batch["event_type"]
        known = np.array([_KINDS.index(word) for word in words.dictionary.to_pylist()])
        kind = known[words.indices.to_numpy()]
        played = batch["played_ratio_pct"].fill_null(0).to_numpy() >= 50
        code = np.array([1, 4, 8, 16, 32])[kind] + 2 * ((kind == 0) & played)
        columns = (batch[name].to_numpy() for name in ("uid", "item_id", "timestamp"))
        total = _added(total, *columns, code, batch["is_organic"].to_numpy())
        count += len(batch)
    return total, count


def _added(total: int, *columns: Any) -> int:
    """The sum so far and a hash of every row, modulo 2^64."""
    import numpy as np

    mixed = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        mixed = (mixed ^ column.astype(np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return (total + int(mixed.sum(dtype=np.uint64))) % 2**64
