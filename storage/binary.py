"""numpy columns in PostgreSQL's binary forms: rows of COPY, and arrays as parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

PG_EPOCH_US = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970
_SIGNATURE = np.frombuffer(b"PGCOPY\n\xff\r\n\0" + bytes(8), np.uint8)
_TRAILER = np.frombuffer(b"\xff\xff", np.uint8)
_PIECE_ROWS = 2_500


def pg_time(t_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return nanoseconds since 1970 as PostgreSQL's timestamptz: microseconds since 2000, cut."""
    return t_ns // 1000 - PG_EPOCH_US


def from_pg_time(time_us: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return PostgreSQL's timestamptz as nanoseconds since 1970."""
    return (time_us + PG_EPOCH_US) * 1000


@cache
def _row(kinds: tuple[str, ...]) -> np.dtype[np.void]:
    fields: list[tuple[str, str]] = [("n", ">i2")]
    for k, kind in enumerate(kinds):
        fields += [(f"size{k}", ">i4"), (f"value{k}", kind)]
    return np.dtype(fields)


def copy_buffers(columns: Sequence[NDArray[Any]]) -> Iterator[memoryview]:
    """Yield a whole COPY BINARY stream of columns, equally long: int16/32/64 or float64.

    In pieces, so that the server takes the first apart while the next is made.
    """
    row = _row(tuple(f">{column.dtype.kind}{column.dtype.itemsize}" for column in columns))
    yield _SIGNATURE.data
    for start in range(0, len(columns[0]), _PIECE_ROWS):
        pieces = [column[start : start + _PIECE_ROWS] for column in columns]
        rows = np.empty(len(pieces[0]), row)
        rows["n"] = len(columns)
        for k, piece in enumerate(pieces):
            rows[f"size{k}"] = piece.dtype.itemsize
            rows[f"value{k}"] = piece
        yield rows.view(np.uint8).data
    yield _TRAILER.data


class Column(NamedTuple):
    """A numpy column as a parameter of an array type; `register` must have been called for the connection."""

    values: NDArray[Any]


class Time(NamedTuple):
    """int64 nanoseconds since 1970 as a parameter of type timestamptz[]."""

    values: NDArray[np.int64]


# oid of the element and of its array, by kind and size of the dtype
_OIDS = {"i2": (21, 1005), "i4": (23, 1007), "i8": (20, 1016), "f8": (701, 1022)}
_TIMESTAMPTZ = (1184, 1185)


def _array(values: NDArray[Any], element_oid: int) -> bytes:
    if not len(values):
        return np.array([0, 0, element_oid], ">i4").tobytes()
    kind = f">{values.dtype.kind}{values.dtype.itemsize}"
    elements = np.empty(len(values), [("size", ">i4"), ("value", kind)])
    elements["size"] = values.dtype.itemsize
    elements["value"] = values
    return np.array([1, 0, element_oid, len(values), 1], ">i4").tobytes() + elements.tobytes()


class _ColumnDumper(Dumper):
    """Chooses the array type from the dtype: one dumper per type, as psycopg asks for."""

    format = Format.BINARY

    def get_key(self, obj: Column, _format: Any) -> Any:
        return (Column, obj.values.dtype.str)

    def upgrade(self, obj: Column, _format: Any) -> Dumper:
        dumper = type(self)(Column)
        dumper.oid = _OIDS[obj.values.dtype.str[1:]][1]
        return dumper

    def dump(self, obj: Column) -> Buffer:
        return _array(obj.values, _OIDS[obj.values.dtype.str[1:]][0])


class _TimeDumper(Dumper):
    format = Format.BINARY
    oid = _TIMESTAMPTZ[1]

    def dump(self, obj: Time) -> Buffer:
        return _array(pg_time(obj.values), _TIMESTAMPTZ[0])


def register(connection: psycopg.Connection[Any]) -> None:
    """Teach a connection the parameters above; before its first cursor, which copies what it knows."""
    connection.adapters.register_dumper(Column, _ColumnDumper)
    connection.adapters.register_dumper(Time, _TimeDumper)


def plain(text: str) -> str:
    """Return text that PostgreSQL takes: it has no NUL, and UTF-8 has no lone surrogates."""
    if "\0" in text:
        text = text.replace("\0", "\N{SYMBOL FOR NULL}")
    return text.encode("utf-8", "replace").decode("utf-8")
