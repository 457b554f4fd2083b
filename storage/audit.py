"""Audit: the stored history against its chain, read in pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import tuple_row

from alerts.chain import START, Link, verify
from alerts.changes import Transition
from storage.alerts import columns_of, from_row

_LINES = sql.SQL("SELECT {}, n, hash FROM transition WHERE n > 0 ORDER BY n").format(
    sql.SQL(", ").join(map(sql.Identifier, columns_of(Transition)))
)
_HEAD = "SELECT n, hash, began_ns FROM chain"
_ANCHORS = "SELECT n, hash FROM anchor ORDER BY n"
# Lines from before the chain are outside it; one that says so and is younger was put there.
_OUTSIDE = "SELECT alert, seq FROM transition WHERE n <= 0 AND now_ns >= %s ORDER BY alert, seq"
_OLDER = "SELECT count(*) FROM transition WHERE n <= 0 AND now_ns < %s"
_PIECE = 10_000


@dataclass(frozen=True, slots=True)
class Verified:
    """What was found: problems in order, lines of the chain, lines older than it, and its head."""

    problems: tuple[str, ...]
    n_lines: int
    n_older: int
    head: Link


def verified(connection: psycopg.Connection[Any], kept: Mapping[int, str]) -> Verified:
    """Hash the history again, as of one moment.  kept : n -> hash of places that were kept outside"""
    with connection.transaction(), connection.cursor(row_factory=tuple_row) as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = cursor.execute(_HEAD).fetchone()
        head, began = (Link(row[0], row[1]), row[2]) if row else (START, 0)
        anchors: dict[int, str] = dict(cursor.execute(_ANCHORS).fetchall())
        seen = _Seen({**anchors, **kept})
        problems = list(verify(seen.watch(_lines(connection))))
        problems += [] if row else ["the head of the chain is missing"]
        problems += seen.problems()
        if seen.last != head:
            problems.append(
                f"the chain ends at {seen.last.n}, its head says {head.n}: lines were cut off or altered"
            )
        for alert, seq in cursor.execute(_OUTSIDE, [began]).fetchall():
            problems.append(f"alert {alert}, line {seq}: stands outside the chain")
        older = cursor.execute(_OLDER, [began]).fetchone()
    return Verified(tuple(problems), seen.n, older[0] if older else 0, head)


class _Seen:
    """Watches lines go by: how many, the last one, and whether anchors hold."""

    def __init__(self, anchors: Mapping[int, str]) -> None:
        self.n, self.last = 0, START
        self._anchors = dict(anchors)
        self._wrong: list[str] = []

    def watch(self, lines: Iterator[tuple[Transition, Link]]) -> Iterator[tuple[Transition, Link]]:
        for line, link in lines:
            self.n, self.last = self.n + 1, link
            expected = self._anchors.pop(link.n, link.hash)
            if expected != link.hash:
                self._wrong.append(f"line {link.n}: another hash than its anchor has")
            yield line, link

    def problems(self) -> list[str]:
        """Return anchors that do not hold, those of lines that are gone among them."""
        return self._wrong + [
            f"line {n}: there is an anchor, and no such line" for n in sorted(self._anchors)
        ]


def _lines(connection: psycopg.Connection[Any]) -> Iterator[tuple[Transition, Link]]:
    with connection.cursor(name="audit", row_factory=tuple_row) as cursor:
        cursor.itersize = _PIECE
        for row in cursor.execute(_LINES):
            yield from_row(Transition, row[:-2]), Link(row[-2], row[-1])
