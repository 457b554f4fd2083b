"""The store: commits one unit as one transaction, and gives the state back after a restart.

    commit      samples, rejects, what the desk decided, the unit's line of the log: together or not at all
    derived     latest values, rollups, ledger, checkpoints: written beside it, made again from the log

One store writes to a database at a time: its committing connection holds a lock, and every transaction asks
for its epoch.  docs/storage.md has the tables and the reasons.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray

from alerts.changes import Changes
from core.time import seconds
from storage import alerts, rejects, timescale
from storage import checkpoint as checkpoints
from storage import connection as connections
from storage import log as batch_log
from storage.checkpoint import Checkpoint, State
from storage.connection import Connection
from storage.derived import Derived, Pace
from storage.ledger import Tally, tally
from storage.log import Logged
from storage.partitions import Partitions
from storage.samples import Collision, Samples
from storage.unit import Outcome, Unit

log = structlog.get_logger("storage")

# A batch that collides is asked about row by row; more often than once only if retention drops what we make
# meanwhile.
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Restored:
    """What the last store left.

    seq, state, meta   of the checkpoint: 0, None and {} when there is none
    now     the newest `now` that the checkpoint has seen, ns; 0 when there is none
    log     units since, to be read to the end before the first commit
    """

    seq: int
    state: State | None
    meta: Mapping[str, Any]
    now: int
    log: Iterator[Logged]


@dataclass(frozen=True, slots=True)
class Habits:
    """What an operator may want otherwise.

    tick_s      silent ticks stay in memory for at most this long: a crash may lose so much watched time
    patience_s  how long a store waits for the lock of one that has just ended
    """

    tick_s: float = 10.0
    patience_s: float = 10.0
    pace: Pace = field(default_factory=Pace)


class Store:
    """Writes to one database, from one thread: restore() first, then commit() and checkpoint(), close()."""

    def __init__(self, dsn: str, habits: Habits = Habits()) -> None:
        """Take the database over.

        Raises FencedError while another store has it, psycopg.OperationalError without a server.
        """
        self._dsn, self._habits = dsn, habits
        self._connection: Connection | None = self._locked()
        self._epoch = connections.new_epoch(self._connection)
        with self._connection.cursor() as cursor:
            self._native = not timescale.serves(cursor)
        self._connection.commit()
        self._partitions = Partitions()
        self._samples = Samples(self._partitions if self._native else None)
        self._derived = Derived(dsn, epoch=self._epoch, native=self._native, pace=habits.pace)
        self._seq = 0
        self._ticks: list[int] = []
        self._now = 0
        self._unsure = False
        self._restored = False

    @property
    def seq(self) -> int:
        """Return the seq of the newest durable unit."""
        return self._seq

    # ── restart ───────────────────────────────────────────────────────────────
    def restore(self) -> Restored:
        """Return the newest usable checkpoint and the log since.

        Raises BrokenError when they cannot give an exact restart, psycopg.OperationalError when the server
        went away.
        """
        connection = self._connected()
        newest = checkpoints.newest(connection)
        start = newest or Checkpoint(self._first_seq(connection), (), {}, {}, 0)
        self._seq, self._ticks = start.seq, list(start.tick_nows)
        self._derived.begin(start)
        theirs = {k: v for k, v in start.state.items() if not k.startswith("storage/")}
        self._now = start.now
        log = self._replay(connection, start)
        return Restored(start.seq, theirs if newest else None, start.meta, start.now, log)

    def _first_seq(self, connection: Connection) -> int:
        """Return 0, or where an operator who emptied checkpoint and batch_log makes us go on."""
        return batch_log.newest_mark(connection) if batch_log.is_empty(connection) else 0

    def _replay(self, connection: Connection, start: Checkpoint) -> Iterator[Logged]:
        n_seen = len(start.tick_nows)  # the first unit brings them along again
        for entry in batch_log.read(connection, start.seq):
            self._derived.note(entry.seq, entry.batch, entry.was_there, entry.nows[-1])
            self._seq, self._ticks, self._now = entry.seq, [], entry.nows[-1]
            yield Logged(entry.seq, entry.nows[n_seen:], entry.connected, entry.batch, entry.was_there)
            n_seen = 0
        connection.commit()
        self._restored = True

    # ── commit ────────────────────────────────────────────────────────────────
    def commit(self, seq: int, unit: Unit, changes: Changes, gateway_of: NDArray[np.int32]) -> Outcome:
        """Make a unit durable, with everything that was decided about it; returns when it is.

        seq : the last outcome's + 1; a silent tick does not use it up · gateway_of : int32[S] gateway of
        each series
        Raises psycopg.OperationalError when the database is lost: call again with the same arguments until it
        answers; a unit whose commit got through is recognised.  Raises FencedError when another store has
        taken over.
        """
        if not self._restored:
            raise RuntimeError("restore() and read its log to the end before the first commit")
        if self._is_silent(unit, changes):
            return self._tick(unit)
        connection = self._connected()
        if seq <= self._seq or self._unsure:
            found = batch_log.find(connection, seq)
            connection.commit()
            if found is not None:
                entry, counts = found
                return self._committed(Outcome(seq, counts, again=True), unit, entry.was_there)
        if seq != self._seq + 1:
            raise ValueError(f"seq is {seq}, expected {self._seq + 1}: the log must have no gap")
        self._unsure = True
        try:
            outcome, was_there = self._write(connection, seq, unit, changes, gateway_of)
        except BaseException:
            self._give_up()
            raise
        return self._committed(outcome, unit, was_there)

    def _is_silent(self, unit: Unit, changes: Changes) -> bool:
        """Return whether nobody could ever tell that this unit existed; docs/storage.md, "Silent ticks"."""
        if len(unit.batch) or unit.rejects or changes:
            return False
        if any(unit.received.values()) or any(unit.duplicates.values()):
            return False
        too_many = bool(self._ticks) and unit.now - self._ticks[0] >= seconds(self._habits.tick_s)
        return not too_many and not self._derived.due(unit.now)

    def _tick(self, unit: Unit) -> Outcome:
        if unit.connected:
            self._ticks.append(unit.now)
            self._now = unit.now
        self._derived.kick()
        return Outcome(self._seq, Tally.none())

    def _write(
        self,
        connection: Connection,
        seq: int,
        unit: Unit,
        changes: Changes,
        gateway_of: NDArray[np.int32],
    ) -> tuple[Outcome, NDArray[np.bool_]]:
        """Write the unit; should a row collide, once more with every row asked about."""
        for attempt in range(_ATTEMPTS):
            try:
                was_there = self._samples.write(connection, unit.batch, ask_all=attempt > 0)
                break
            except Collision as collision:
                log.warning(
                    "a new row was there already, asking for all of the batch", seq=seq, error=str(collision)
                )
                connection.rollback()
                self._partitions.forget()
        else:
            raise RuntimeError(f"unit {seq} collides even when every row is asked about")
        counts = tally(
            unit.batch, was_there, gateway_of,
            received=unit.received, duplicates=unit.duplicates, rejects=unit.rejects,
        )  # fmt: skip
        if unit.rejects:
            rejects.write(connection, unit.rejects, seq, self._partitions)
        if changes:
            alerts.write(connection, changes, unit.now)
        entry = Logged(seq, (*self._ticks, unit.now), unit.connected, unit.batch, was_there)
        if batch_log.append(connection, entry, counts, epoch=self._epoch).rowcount != 1:
            raise connections.fenced(connection)
        connection.commit()
        return Outcome(seq, counts, asked_all=attempt > 0), was_there

    def _committed(self, outcome: Outcome, unit: Unit, was_there: NDArray[np.bool_]) -> Outcome:
        self._unsure = False
        if outcome.seq > self._seq:
            self._seq, self._ticks, self._now = outcome.seq, [], unit.now
            self._derived.note(outcome.seq, unit.batch, was_there, unit.now)
        self._derived.kick()
        return outcome

    # ── the rest ──────────────────────────────────────────────────────────────
    def checkpoint(
        self,
        seq: int,
        state: State,
        *,
        meta: Mapping[str, Any] | None = None,
        wait: bool = False,
    ) -> None:
        """Keep a copy of the state after unit `seq`, the last one committed; the log that it replaces goes.

        state : arrays that nobody changes any more, names not beginning with "storage/"
        Without `wait` it is written beside the next commits, and a failure is only logged: the next one will
        do.  With it, raises psycopg.OperationalError when the database is lost.
        """
        if seq != self._seq:
            raise ValueError(f"a checkpoint of {seq} at {self._seq}: it is taken between two commits")
        whole = Checkpoint(seq, tuple(self._ticks), state, meta or {}, self._now)
        self._derived.checkpoint(whole, wait=wait)

    @property
    def checkpointed(self) -> int:
        """Return when the newest checkpoint became durable, ns; 0 when this store has written none yet."""
        return self._derived.checkpointed

    def flush(self) -> None:
        """Bring latest values, rollups and ledger up to the last commit.  Raises psycopg.OperationalError."""
        self._derived.flush()

    def close(self) -> None:
        """Bring the derived tables up to date where that is possible, and let the database go."""
        self._derived.close()
        connections.close(self._connection)
        self._connection = None

    def _connected(self) -> Connection:
        """Return the connection that holds the lock; a new one when the last was lost."""
        if self._connection is None or self._connection.closed:
            fresh = self._locked()
            try:
                connections.check_epoch(fresh, self._epoch)
                fresh.commit()
            except BaseException:
                connections.close(fresh)
                raise
            self._connection = fresh
            self._partitions.forget()
        return self._connection

    def _locked(self) -> Connection:
        """Return a new connection that holds the lock."""
        fresh = connections.connect(self._dsn, name="pipeline")
        try:
            connections.lock(fresh, patience_s=self._habits.patience_s)
        except BaseException:
            connections.close(fresh)
            raise
        return fresh

    def _give_up(self) -> None:
        """End the transaction, and the connection too when it cannot be ended."""
        self._partitions.forget()
        if self._connection is not None:
            try:
                self._connection.rollback()
            except psycopg.Error:
                connections.close(self._connection)
                self._connection = None
