"""CBOR (RFC 8949), read into Python objects; bounded in depth and number of items, raises Refusal on anything else."""

from __future__ import annotations

import math
import struct
from typing import Any

from core.reject import Reason
from ingest.formats.contract import Refusal

MOST_DEPTH = 16
MOST_ITEMS = 20_000
_BREAK = object()
_FLOATS = {25: ">e", 26: ">f", 27: ">d"}
_SIMPLE = {20: False, 21: True, 22: None, 23: None}
_INDEFINITE = -1


def loads(data: bytes) -> Any:
    """Return the one item that the bytes are; tagged items lose their tag, but for numbers (2–5)."""
    reader = _Reader(data)
    item = reader.item(0)
    if reader.place != len(data):
        raise Refusal(Reason.BAD_SHAPE, f"byte {reader.place}: something behind the CBOR item")
    return item


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.place, self.n_items = data, 0, 0

    def item(self, depth: int) -> Any:
        self.n_items += 1
        if depth > MOST_DEPTH or self.n_items > MOST_ITEMS:
            raise Refusal(Reason.BAD_SHAPE, "CBOR nested too deeply, or with too many items")
        first = self.take(1)[0]
        kind, more = first >> 5, first & 0x1F
        if kind == 7:
            return self.simple(more)
        n = self.number(more, kind)
        if kind == 0:
            return n
        if kind == 1:
            return -1 - n
        if kind in (2, 3):
            return self.string(n, kind, depth)
        if kind == 4:
            return self.array(n, depth)
        return self.map(n, depth) if kind == 5 else self.tagged(n, depth)

    def take(self, n: int) -> bytes:
        found = self.data[self.place : self.place + n]
        if len(found) < n:
            raise Refusal(Reason.BAD_SHAPE, f"byte {len(self.data)}: the CBOR is cut")
        self.place += n
        return found

    def number(self, more: int, kind: int) -> int:
        if more < 24:
            return more
        if more < 28:
            return int.from_bytes(self.take(1 << (more - 24)), "big")
        if more == 31 and kind in (2, 3, 4, 5):
            return _INDEFINITE
        raise Refusal(Reason.BAD_SHAPE, f"byte {self.place}: no CBOR")

    def simple(self, more: int) -> Any:
        if more in _FLOATS:
            form = _FLOATS[more]
            return struct.unpack(form, self.take(struct.calcsize(form)))[0]
        if more in _SIMPLE:
            return _SIMPLE[more]
        if more == 31:
            return _BREAK
        raise Refusal(Reason.BAD_SHAPE, f"byte {self.place}: no CBOR")

    def string(self, n: int, kind: int, depth: int) -> bytes | str:
        if n == _INDEFINITE:
            parts: list[Any] = []
            while (part := self.item(depth + 1)) is not _BREAK:
                if not isinstance(part, bytes if kind == 2 else str):
                    raise Refusal(Reason.BAD_SHAPE, f"byte {self.place}: no CBOR")
                parts.append(part)
            return b"".join(parts) if kind == 2 else "".join(parts)
        raw = self.take(n)
        if kind == 2:
            return raw
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise Refusal(Reason.NOT_UTF8, f"byte {self.place}: a text is not UTF-8") from None

    def array(self, n: int, depth: int) -> list[Any]:
        items: list[Any] = []
        while n == _INDEFINITE or len(items) < n:
            one = self.item(depth + 1)
            if one is _BREAK:
                if n == _INDEFINITE:
                    break
                raise Refusal(Reason.BAD_SHAPE, f"byte {self.place}: no CBOR")
            items.append(one)
        return items

    def map(self, n: int, depth: int) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        left = n
        while n == _INDEFINITE or left:
            key = self.item(depth + 1)
            if key is _BREAK and n == _INDEFINITE:
                break
            if not isinstance(key, int | str):
                raise Refusal(Reason.BAD_SHAPE, f"byte {self.place}: a key is neither number nor text")
            value = self.item(depth + 1)
            if value is _BREAK:
                raise Refusal(Reason.BAD_SHAPE, f"byte {self.place}: no CBOR")
            found[key] = value
            left -= 1
        return found

    def tagged(self, tag: int, depth: int) -> Any:
        item = self.item(depth + 1)
        if tag in (2, 3) and isinstance(item, bytes) and len(item) <= 16:
            number = int.from_bytes(item, "big")
            return number if tag == 2 else -1 - number
        if tag in (4, 5) and isinstance(item, list) and len(item) == 2:
            exponent, mantissa = item
            if isinstance(exponent, int) and isinstance(mantissa, int) and abs(exponent) <= 400:
                return _scaled(mantissa, exponent, 10 if tag == 4 else 2)
        if item is _BREAK:
            raise Refusal(Reason.BAD_SHAPE, f"byte {self.place}: no CBOR")
        return item


def _scaled(mantissa: int, exponent: int, base: int) -> float:
    try:
        if base == 10:
            return float(f"{mantissa}e{exponent}")
        return math.ldexp(float(mantissa), exponent)
    except (OverflowError, ValueError):
        return math.inf
