"""The log of units since the last checkpoint: what an exact restart replays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from core.batch import Batch
from storage.binary import Column
from storage.errors import BrokenError
from storage.ledger import Tally

# A bit of the logged quality that no batch has: the row was there already.
_WAS_THERE = np.uint8(0x80)
_COLUMNS = (("<i4", np.int32), ("<i8", np.int64), ("<f8", np.float64), ("u1", np.uint8))
_PAGE = 16

# The row is written only by the pipeline whose epoch it is.  FOR SHARE makes a pipeline that takes over wait
# for us, and us see that it has.
_APPEND = """
INSERT INTO batch_log
    (seq, nows, connected, n_samples, samples, gateway, received, stored, duplicate, rejected)
SELECT %s, %s, %s, %s, %b, %s, %s, %s, %s, %s FROM fence WHERE epoch = %s FOR SHARE
"""
_READ = """
SELECT seq, nows, connected, n_samples, samples FROM batch_log WHERE seq > %s ORDER BY seq LIMIT %s
"""
_FIND = """
SELECT seq, nows, connected, n_samples, samples, gateway, received, stored, duplicate, rejected
FROM batch_log WHERE seq = %s
"""


@dataclass(frozen=True, slots=True, eq=False)
class Logged:
    """One unit of the log.

    nows : ns, `now` of the silent ticks before it (connected, nothing came or was decided), then its own
    connected : of the unit itself
    was_there : bool[N]   rows that the database had already
    """

    seq: int
    nows: tuple[int, ...]
    connected: bool
    batch: Batch
    was_there: NDArray[np.bool_]


def append(
    connection: psycopg.Connection[Any], unit: Logged, tally: Tally, *, epoch: int
) -> psycopg.Cursor[Any]:
    """Write a unit in the connection's transaction; the cursor's rowcount is 0 when our epoch is over."""
    return connection.execute(
        _APPEND,
        [
            unit.seq, list(unit.nows), unit.connected, len(unit.batch), _encode(unit.batch, unit.was_there),
            *(Column(getattr(tally, name)) for name in Tally.__slots__), epoch,
        ],
        prepare=True,
    )  # fmt: skip


def read(connection: psycopg.Connection[Any], after: int) -> Iterator[Logged]:
    """Yield the units behind seq `after`, in order, a few at a time.

    Raises BrokenError when one is missing, in between or at the end: an exact restart would be a lie.
    """
    while page := connection.execute(_READ, [after, _PAGE], binary=True).fetchall():
        for row in page:
            if row[0] != after + 1:
                raise _hole(after, row[0])
            yield _logged(row)
            after = row[0]
    if after < newest_mark(connection):
        raise _hole(after, newest_mark(connection))


def newest_mark(connection: psycopg.Connection[Any]) -> int:
    """Return a seq that was certainly committed: something derived from it is in its table."""
    row = connection.execute("SELECT max(seq) FROM mark").fetchone()
    assert row is not None
    return int(row[0])


def is_empty(connection: psycopg.Connection[Any]) -> bool:
    """Return whether the log has no unit at all."""
    return connection.execute("SELECT 1 FROM batch_log LIMIT 1").fetchone() is None


def _hole(after: int, seq: int) -> BrokenError:
    return BrokenError(
        f"batch_log has no seq {after + 1}, though {seq} was committed: it was deleted by hand. Restore the database"
        " from its backup, or empty checkpoint, checkpoint_chunk and batch_log to start the detectors afresh."
    )


def find(connection: psycopg.Connection[Any], seq: int) -> tuple[Logged, Tally] | None:
    """Return a committed unit and its ledger, None when it was not committed (or its log is gone)."""
    row = connection.execute(_FIND, [seq], binary=True).fetchone()
    if row is None:
        return None
    return _logged(row[:5]), Tally(*(np.array(column, np.int32) for column in row[5:]))


def _logged(row: Sequence[Any]) -> Logged:
    seq, nows, connected, n_samples, samples = row
    return Logged(seq, tuple(nows), connected, *_decode(bytes(samples), n_samples))


def _encode(batch: Batch, was_there: NDArray[np.bool_]) -> bytes:
    quality = np.where(was_there, batch.quality | _WAS_THERE, batch.quality)
    columns: Sequence[NDArray[Any]] = (batch.series, batch.t, batch.value, quality)
    return b"".join(
        column.astype(kind, copy=False).tobytes()
        for column, (kind, _native) in zip(columns, _COLUMNS, strict=True)
    )


def _decode(samples: bytes, n: int) -> tuple[Batch, NDArray[np.bool_]]:
    columns: list[NDArray[Any]] = []
    offset = 0
    for kind, native in _COLUMNS:
        column = np.frombuffer(samples, kind, n, offset)
        columns.append(column.astype(native))
        offset += column.nbytes
    series, t, value, quality = columns
    return Batch(series, t, value, quality & ~_WAS_THERE), (quality & _WAS_THERE) != 0
