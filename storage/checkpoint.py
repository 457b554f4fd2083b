"""Checkpoints: all arrays of the pipeline's state at one seq, in chunks, each with its crc.

The newest two are kept, and the log behind the older of them: should the newest be damaged, the older one and
a longer log give the same state.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

log = structlog.get_logger("storage")

State = Mapping[str, NDArray[np.generic]]
KEPT = 2
CHUNK_BYTES = 16 * 2**20


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """The state at `seq`.

    tick_nows : ns, `now` of silent ticks after `seq` that the state has seen already
    now : ns, the newest that it has seen
    """

    seq: int
    tick_nows: tuple[int, ...]
    state: State
    meta: Mapping[str, Any]
    now: int

    @property
    def size(self) -> int:
        """Bytes of all arrays."""
        return sum(array.nbytes for array in self.state.values())


def write(connection: psycopg.Connection[Any], checkpoint: Checkpoint) -> None:
    """Write in the connection's transaction, and forget all but the newest two; replaces one of the same
    seq.

    Raises ValueError for an array that is not plain data.
    """
    arrays, chunks = _lay_out(checkpoint.state)
    connection.execute("DELETE FROM checkpoint WHERE seq >= %s", [checkpoint.seq])
    connection.execute(
        "INSERT INTO checkpoint (seq, tick_nows, meta, arrays, size, crcs) VALUES (%s, %s, %s, %s, %s, %s)",
        [
            checkpoint.seq, list(checkpoint.tick_nows),
            Jsonb({"meta": dict(checkpoint.meta), "now": checkpoint.now}), Jsonb(arrays),
            sum(len(chunk) for chunk in chunks), [zlib.crc32(chunk) for chunk in chunks],
        ],
    )  # fmt: skip
    for n, chunk in enumerate(chunks):
        connection.execute(
            "INSERT INTO checkpoint_chunk (seq, n, data) VALUES (%s, %s, %b)", [checkpoint.seq, n, chunk]
        )
    connection.execute(
        "DELETE FROM checkpoint WHERE seq NOT IN (SELECT seq FROM checkpoint ORDER BY seq DESC LIMIT %s)",
        [KEPT],
    )


def trim_log(connection: psycopg.Connection[Any]) -> int:
    """Delete the log that no kept checkpoint needs, and return how many rows that was."""
    return connection.execute(
        "DELETE FROM batch_log WHERE seq <= (SELECT min(seq) FROM checkpoint HAVING count(*) >= %s)"
        " AND seq <= (SELECT min(seq) FROM mark)",
        [KEPT],
    ).rowcount


def newest(connection: psycopg.Connection[Any]) -> Checkpoint | None:
    """Return the newest checkpoint that can be read whole, None when there is none at all."""
    rows = connection.execute(
        "SELECT seq, tick_nows, meta, arrays, size, crcs FROM checkpoint ORDER BY seq DESC"
    ).fetchall()
    for seq, tick_nows, meta, arrays, size, crcs in rows:
        data = _data(connection, seq, crcs)
        if data is not None and len(data) == size:
            return Checkpoint(seq, tuple(tick_nows), dict(_arrays(arrays, data)), meta["meta"], meta["now"])
        log.error("checkpoint is damaged, the one before it is used", seq=seq)
    return None


def _lay_out(state: State) -> tuple[list[dict[str, Any]], list[memoryview]]:
    arrays: list[dict[str, Any]] = []
    parts: list[bytes] = []
    offset = 0
    for name, array in state.items():
        if array.dtype.hasobject:
            raise ValueError(
                f"state {name!r} is of dtype {array.dtype}: objects cannot be kept, plain numbers can"
            )
        part = array.tobytes()
        arrays.append(
            {
                "name": name, "descr": np.lib.format.dtype_to_descr(array.dtype), "shape": list(array.shape),
                "offset": offset, "size": len(part),
            }
        )  # fmt: skip
        parts.append(part)
        offset += len(part)
    data = memoryview(b"".join(parts))
    return arrays, [data[start : start + CHUNK_BYTES] for start in range(0, len(data), CHUNK_BYTES)]


def _data(connection: psycopg.Connection[Any], seq: int, crcs: Sequence[int]) -> bytes | None:
    """Return the bytes of a checkpoint, None when a chunk is missing or not what was written."""
    chunks = []
    for n, crc in enumerate(crcs):
        try:
            row = connection.execute(
                "SELECT data FROM checkpoint_chunk WHERE seq = %s AND n = %s", [seq, n], binary=True
            ).fetchone()
        except (psycopg.errors.DataCorrupted, psycopg.errors.InternalError_) as error:
            log.warning("a chunk of a checkpoint cannot be read", seq=seq, chunk=n, error=str(error).strip())
            return None
        if row is None or zlib.crc32(row[0]) != crc:
            return None
        chunks.append(row[0])
    return b"".join(chunks)


def _arrays(arrays: Sequence[Mapping[str, Any]], data: bytes) -> Iterator[tuple[str, NDArray[np.generic]]]:
    for entry in arrays:
        dtype = np.lib.format.descr_to_dtype(_descr(entry["descr"]))
        n_items = entry["size"] // dtype.itemsize if dtype.itemsize else 0
        array = np.frombuffer(data, dtype, n_items, entry["offset"])
        yield entry["name"], array.reshape(entry["shape"]).copy()


def _descr(value: Any) -> Any:
    """Return a dtype's description as numpy wrote it: JSON made lists of its tuples."""
    if isinstance(value, list):
        return [tuple(_descr(item) if isinstance(item, list) else item for item in field) for field in value]
    return value
