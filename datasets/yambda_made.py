"""Events drawn at random, in Yambda's official flat format: for tests and measurements."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pa_parquet

SCHEMA = pa.schema(
    [
        ("uid", pa.uint32()),
        ("timestamp", pa.uint32()),
        ("item_id", pa.uint32()),
        ("is_organic", pa.uint8()),
        ("played_ratio_pct", pa.uint16()),
        ("track_length_seconds", pa.uint32()),
        ("event_type", pa.dictionary(pa.int8(), pa.string())),
    ]
)
KINDS = ("listen", "like", "unlike", "dislike", "undislike")
SHARES = (0.972, 0.018, 0.007, 0.002, 0.001)
LAST_SECOND = 26_000_000
ROWS_AT_ONCE = 2**20


def write_events(path: Path, events: int, seed: int = 0) -> Path:
    """Writes so many events in the order of their time; about 5,000 of each user.

    Users and items follow long-tailed distributions; a thousandth of the events repeat the one
    before.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    users, items = max(events // 5_000, 2), max(events // 50, 10)
    kinds = pa.array(KINDS)
    with pa_parquet.ParquetWriter(path, SCHEMA, compression="snappy") as writer:
        for start in range(0, events, ROWS_AT_ONCE):
            rng = np.random.default_rng([seed, start])
            count = min(ROWS_AT_ONCE, events - start)
            place = start + np.arange(count)
            kind = rng.choice(len(KINDS), count, p=SHARES).astype(np.int8)
            ratio = np.minimum(rng.integers(0, 160, count), 100).astype(np.uint16)
            listen = kind == 0
            columns = {
                "uid": 10 * (1 + (users * rng.random(count) ** 2).astype(np.uint32)),
                "timestamp": (place * (LAST_SECOND / events) // 5 * 5).astype(np.uint32),
                "item_id": 1 + (items * rng.random(count) ** 3).astype(np.uint32),
                "is_organic": rng.integers(0, 2, count).astype(np.uint8),
                "played_ratio_pct": ratio,
                "track_length_seconds": rng.integers(60, 400, count).astype(np.uint32),
            }
            again = 1 + np.flatnonzero(rng.random(count - 1) < 0.001)
            for column in (*columns.values(), kind, listen):
                column[again] = column[again - 1]
            arrays = [
                pa.array(values, mask=~listen if name.startswith(("played", "track")) else None)
                for name, values in columns.items()
            ]
            arrays.append(pa.DictionaryArray.from_arrays(pa.array(kind), kinds))
            writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    return path
