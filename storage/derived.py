"""What follows from committed units and may be a second late: latest values, rollups, ledger, checkpoints.

All of it is written by one thread with a connection of its own, beside the commits: it costs them nothing but
a few numpy operations, and a crash nothing either, for it is made again from the log.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import structlog
from numpy.typing import NDArray

from core.batch import Batch
from core.time import clock_ns
from storage import checkpoint as checkpoints
from storage import connection as connections
from storage import ledger, rollup
from storage.checkpoint import Checkpoint
from storage.connection import Connection
from storage.latest import Latest, put
from storage.partitions import Partitions
from storage.rollup import Cascade

log = structlog.get_logger("storage")

# Our own arrays in a checkpoint, beside the pipeline's.
_OURS = "storage/"


@dataclass(frozen=True, slots=True)
class Pace:
    """How often derived tables are written.

    flush_s   seconds between two writes of latest values, rollups and ledger
    share     part of the time that writing may take: with very many series the writes become rarer
    """

    flush_s: float = 1.0
    share: float = 0.1


class Derived:
    """Notes what was committed, and writes what follows from it.

    `note` and `kick` belong to the pipeline's thread; the writing thread takes what they left under one lock.
    """

    def __init__(self, dsn: str, *, epoch: int, native: bool, pace: Pace = Pace()) -> None:
        self._dsn, self._epoch, self._pace = dsn, epoch, pace
        self._latest = Latest()
        self._native = native  # with TimescaleDB the cascade stays empty: continuous aggregates do its work
        self._cascade = Cascade()
        self._partitions = Partitions()
        self._seq = 0
        self._lock = threading.Lock()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="storage")
        self._connection: Connection | None = None
        self._due = 0.0
        self.checkpointed = 0
        self._closed = False
        self._flushing: Future[None] | None = None
        self._checkpointing: Future[None] | None = None

    # ── the pipeline's thread ─────────────────────────────────────────────────
    def begin(self, checkpoint: Checkpoint) -> None:
        """Start at a checkpoint, or at an empty one."""
        self._seq = checkpoint.seq
        ours = {k.removeprefix(_OURS): v for k, v in checkpoint.state.items() if k.startswith(_OURS)}
        if ours and self._native:
            self._cascade.restore(ours)

    def note(self, seq: int, batch: Batch, was_there: NDArray[np.bool_], now: int) -> None:
        """Take a committed (or replayed) unit."""
        with self._lock:
            self._latest.note(batch, now)
            if self._native:
                self._cascade.step(seq, batch, was_there, now)
            self._seq = seq

    def due(self, now: int) -> bool:
        """Return whether a tick at `now` lets go of a rollup, so that it must be logged."""
        return self._native and self._cascade.due(now)

    def kick(self) -> None:
        """Have things written if it is time and the last writing is done."""
        if time.monotonic() >= self._due and (self._flushing is None or self._flushing.done()):
            self._due = time.monotonic() + self._pace.flush_s
            self._flushing = self._thread.submit(self._quietly, self._flush)

    def checkpoint(self, theirs: Checkpoint, *, wait: bool) -> None:
        """Write a checkpoint behind everything noted so far, with our own arrays added.

        Without `wait` a failure is only logged, and nothing is done while the one before is still being
        written.  With it, raises psycopg.OperationalError.
        """
        if not wait and self._checkpointing is not None and not self._checkpointing.done():
            log.warning("checkpoint skipped: the one before is still being written", seq=theirs.seq)
            return
        whole = replace(theirs, state={**theirs.state, **self._snapshot()})
        write = partial(self._checkpoint, whole)
        self._checkpointing = self._thread.submit(*((write,) if wait else (self._quietly, write)))
        if wait:
            self._checkpointing.result()

    def flush(self) -> None:
        """Write everything noted so far.  Raises psycopg.OperationalError."""
        self._thread.submit(self._flush).result()

    def close(self) -> None:
        """Write what can be written and end the thread; a second time does nothing."""
        if not self._closed:
            self._closed = True
            self._thread.submit(self._quietly, self._flush)
            self._thread.shutdown()
            connections.close(self._connection)

    def _snapshot(self) -> dict[str, NDArray[np.generic]]:
        return {f"{_OURS}{k}": v for k, v in self._cascade.snapshot().items()} if self._native else {}

    # ── the writing thread ────────────────────────────────────────────────────
    def _quietly(self, write: Callable[[], None]) -> None:
        """Do what will be done again later anyway; a fenced pipeline is told so by its next commit."""
        try:
            write()
        except Exception as error:  # noqa: BLE001 - a thread has nobody to raise to
            log.warning("derived tables not written, trying again", error=str(error).strip())

    def _flush(self) -> None:
        started = time.perf_counter()
        with self._lock:
            upto, newest, waiting = self._seq, self._latest.take(), self._cascade.take()
        try:
            with self._transaction() as connection:
                put(connection, newest)
                rollup.add_waiting(connection, waiting, upto, self._partitions)
                ledger.catch_up(connection)
        except BaseException:
            self._partitions.forget()
            with self._lock:
                self._latest.put_back(newest)
                self._cascade.put_back(waiting)
            raise
        self._due = max(self._due, time.monotonic() + (time.perf_counter() - started) / self._pace.share)

    def _checkpoint(self, whole: Checkpoint) -> None:
        """1. What the log before it is still needed for.  2. The checkpoint.  3. Only then the log goes."""
        self._flush()
        with self._transaction() as connection:
            checkpoints.write(connection, whole)
        with self._transaction() as connection:
            n_trimmed = checkpoints.trim_log(connection)
        self.checkpointed = clock_ns()
        log.info("checkpoint", seq=whole.seq, n_bytes=whole.size, n_trimmed=n_trimmed)
        if n_trimmed and self._connection is not None:
            # Dead log is reused at once, not when autovacuum comes by.
            self._connection.autocommit = True
            self._connection.execute("VACUUM (TRUNCATE false, PARALLEL 0) batch_log")
            self._connection.autocommit = False

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        """Give a transaction of our epoch; a connection that failed in any way is not used again."""
        if self._connection is None:
            self._connection = connections.connect(self._dsn, name="storage")
        try:
            connections.check_epoch(self._connection, self._epoch)
            yield self._connection
            self._connection.commit()
        except BaseException:
            connections.close(self._connection)
            self._connection = None
            raise
