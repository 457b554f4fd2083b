"""What a gateway has measured and the broker has not acknowledged: kept on disk, sent oldest first."""

from __future__ import annotations

import sqlite3
from pathlib import Path

# One vendor's gateway keeps 100,000 records; older ones make room.
CAPACITY = 100_000

_SCHEMA = """
CREATE TABLE IF NOT EXISTS message (id INTEGER PRIMARY KEY AUTOINCREMENT, gateway TEXT NOT NULL,
                                    topic TEXT NOT NULL, payload BLOB NOT NULL);
CREATE INDEX IF NOT EXISTS message_gateway ON message (gateway, id);
"""

Message = tuple[int, str, bytes]


class Backlog:
    """Messages of all gateways of one process, in one file.

    path : Path | None   None keeps them in memory: then they end with the process
    capacity : int       messages per gateway; beyond it the oldest are dropped and counted in `dropped`
    """

    def __init__(self, path: Path | None = None, *, capacity: int = CAPACITY) -> None:
        self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
        # A simulator's power cut may lose the last second; waiting for the disk would cost more than that.
        self._db.execute("PRAGMA synchronous = OFF")
        self._db.executescript(_SCHEMA)
        self._capacity = capacity
        self._depth: dict[str, int] = dict(
            self._db.execute("SELECT gateway, count(*) FROM message GROUP BY gateway").fetchall()
        )
        self.dropped = 0

    def add(self, gateway: str, topic: str, payload: bytes) -> None:
        """Keep a message until `done`."""
        self._db.execute(
            "INSERT INTO message (gateway, topic, payload) VALUES (?, ?, ?)", (gateway, topic, payload)
        )
        self._depth[gateway] = self.depth(gateway) + 1
        if self.depth(gateway) > self._capacity:
            self.dropped += 1
            self.done(gateway, [self.oldest(gateway, 1)[0][0]])

    def depth(self, gateway: str) -> int:
        """Return how many messages of a gateway wait."""
        return self._depth.get(gateway, 0)

    def oldest(self, gateway: str, count: int) -> list[Message]:
        """Return the first `count` messages of a gateway as (id, topic, payload)."""
        rows = self._db.execute(
            "SELECT id, topic, payload FROM message WHERE gateway = ? ORDER BY id LIMIT ?", (gateway, count)
        )
        return rows.fetchall()

    def done(self, gateway: str, ids: list[int]) -> None:
        """Forget acknowledged messages."""
        self._db.executemany("DELETE FROM message WHERE id = ?", [(one,) for one in ids])
        self._depth[gateway] = self.depth(gateway) - len(ids)

    def close(self) -> None:
        """Close the file; what waits is there when it is opened again."""
        self._db.close()
