"""Connections of the pipeline: the one that commits holds the lock, each writes only in its own epoch."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from typing import Any

import psycopg

from storage.binary import register
from storage.errors import FencedError

Connection = psycopg.Connection[Any]

_TRY_LOCK = "SELECT pg_try_advisory_lock(hashtext('fengsui_pipeline'))"
_HOLDER = "SELECT holder, taken::text FROM fence"


def connect(dsn: str, *, name: str, autocommit: bool = False) -> Connection:
    """Return a connection that knows numpy columns.  Raises psycopg.OperationalError without a server."""
    connection = psycopg.connect(
        dsn, autocommit=autocommit, application_name=f"fengsui-{name}", connect_timeout=10,
        # A server that vanished without a word is found out within half a minute, not in two hours.
        keepalives_idle=10, keepalives_interval=5, keepalives_count=3, tcp_user_timeout=30_000,
    )  # fmt: skip
    register(connection)
    return connection


def lock(connection: Connection, *, patience_s: float) -> None:
    """Take the lock that one pipeline holds as long as its session lives.

    A session that was cut off may live on in the server for a moment, so it is asked for again until
    `patience_s` is over.  Raises FencedError.
    """
    deadline = time.monotonic() + patience_s
    while True:
        row = connection.execute(_TRY_LOCK).fetchone()
        connection.commit()
        if row == (True,):
            return
        if time.monotonic() > deadline:
            raise FencedError(
                f"another pipeline writes to this database: {_holder(connection)}."
                " Stop it, or give this one a database of its own ([database] dsn)."
            )
        time.sleep(0.1)


def new_epoch(connection: Connection) -> int:
    """Begin a new epoch and return it; waits for transactions of the one before, and shuts it out."""
    me = f"pid {os.getpid()} on {socket.gethostname()}"
    row = connection.execute(
        "UPDATE fence SET epoch = epoch + 1, holder = %s, taken = now() RETURNING epoch", [me]
    ).fetchone()
    connection.commit()
    assert row is not None
    return int(row[0])


def check_epoch(connection: Connection, epoch: int) -> None:
    """Hold the epoch until the end of the transaction.  Raises FencedError when it is over."""
    if connection.execute("SELECT 1 FROM fence WHERE epoch = %s FOR SHARE", [epoch]).fetchone() is None:
        raise fenced(connection)


def fenced(connection: Connection) -> FencedError:
    """Return the error for a pipeline whose epoch is over; rolls the transaction back."""
    connection.rollback()
    return FencedError(
        f"another pipeline has taken this database over: {_holder(connection)}."
        " This one ends; nothing that it acknowledged is lost."
    )


def close(connection: Connection | None) -> None:
    """Close without a word about what is lost anyway."""
    if connection is not None:
        with contextlib.suppress(psycopg.Error):
            connection.close()


def _holder(connection: Connection) -> str:
    row = connection.execute(_HOLDER).fetchone()
    connection.rollback()
    return f"{row[0]}, since {row[1]}" if row else "unknown"
