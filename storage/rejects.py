"""Rejects into their table: one row each, a message that gave several is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import psycopg

from core.reject import Reject
from core.time import to_datetime
from storage.binary import plain
from storage.partitions import Partitions, starts_of

LONGEST_PAYLOAD = 64 * 1024
LONGEST_TEXT = 4096

_COPY = """
COPY reject (time, seq, n, gateway, reason, topic, detail, payload, payload_n, count) FROM STDIN (FORMAT binary)
"""
_TYPES = ["timestamptz", "int8", "int4", "int4", "text", "text", "text", "bytea", "int4", "int4"]


def write(
    connection: psycopg.Connection[Any], rejects: Sequence[Reject], seq: int, partitions: Partitions
) -> None:
    """Write in the connection's transaction."""
    arrived = np.array([reject.arrived for reject in rejects], np.int64)
    partitions.ensure(connection, "reject", np.unique(starts_of("reject", arrived)))
    first_with: dict[bytes, int] = {}
    with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
        copy.set_types(_TYPES)
        for n, reject in enumerate(rejects):
            payload = bytes(reject.payload[:LONGEST_PAYLOAD])
            same_as = first_with.setdefault(payload, n)
            copy.write_row(
                (
                    to_datetime(reject.arrived), seq, n, reject.gateway, str(reject.reason),
                    plain(reject.topic[:LONGEST_TEXT]), plain(reject.detail[:LONGEST_TEXT]),
                    payload if same_as == n else None, None if same_as == n else same_as, reject.n,
                )
            )  # fmt: skip
