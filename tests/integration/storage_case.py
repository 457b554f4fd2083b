"""Units of work for the tests of the store, and what a database should hold after them."""

from dataclasses import dataclass, field

import numpy as np
import psycopg

from alerts.changes import Changes
from core.batch import LATE, Batch
from core.time import DAY, SECOND
from storage.store import Habits, Store

T0 = 1_780_000_000 * SECOND  # 2026-05-28T20:26:40Z
T0_DAY = T0 // DAY
GATEWAY_OF = np.array([0, 1, 1, 2, 2, 2, 3, 3, 3, 3], np.int32)
NOTHING = Changes()
IMPATIENT = Habits(patience_s=2.0)


@dataclass
class Unit:
    batch: Batch
    rejects: tuple = ()
    received: dict = field(default_factory=dict)
    duplicates: dict = field(default_factory=dict)
    now: int = T0
    connected: bool = True


def batch(rows, quality=None):
    """Batch of (series, seconds after T0, value) rows; `quality` for all of them."""
    series, at, value = zip(*rows, strict=True) if rows else ((), (), ())
    return Batch.of(
        np.array(series, np.int32),
        T0 + np.round(np.array(at, float) * 1e6).astype(np.int64) * 1000,
        np.array(value, float),
        None if quality is None else np.array(quality, np.uint8),
    )


def late(rows):
    """The same, every row LATE."""
    return batch(rows, [2 | int(LATE)] * len(rows))


def unit(batch_, *, rejects=(), duplicates=None, now=None, connected=True, gateway_of=GATEWAY_OF):
    """A unit whose ledger is right: what came is what is in it."""
    duplicates = duplicates or {}
    received = dict(duplicates)
    for gateway in [*gateway_of[batch_.series].tolist(), *(reject.gateway for reject in rejects)]:
        received[gateway] = received.get(gateway, 0) + 1
    if now is None:
        now = int(batch_.t.max(initial=T0)) + SECOND
    return Unit(batch_, tuple(rejects), received, duplicates, now, connected)


def tick(now, connected=True):
    """Nothing came."""
    return Unit(Batch.empty(), now=now, connected=connected)


def opened(dsn, habits=IMPATIENT):
    """A store that has replayed its log."""
    store = Store(dsn, habits)
    log = list(store.restore().log)
    return store, log


def commit(store, unit_, changes=NOTHING, gateway_of=GATEWAY_OF):
    """Commit as the next unit."""
    return store.commit(store.seq + 1, unit_, changes, gateway_of)


def rows(dsn, query, *params):
    """All rows of a query."""
    with psycopg.connect(dsn) as connection:
        return connection.execute(query, params).fetchall()


def ledger(dsn):
    """{gateway: (received, stored, duplicate, rejected)}, after asserting that it adds up."""
    lines = {
        row[0]: row[1:]
        for row in rows(dsn, "SELECT gateway, received, stored, duplicate, rejected FROM ledger")
    }
    for gateway, (received, stored, duplicate, rejected) in lines.items():
        assert received == stored + duplicate + rejected, f"gateway {gateway}: {lines[gateway]}"
    return lines
