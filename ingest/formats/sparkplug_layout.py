"""Layouts: the bytes of a data message that do not change from one to the next, learned per device.

Devices send the same metrics again and again: only times, values and the message's number differ.  Where those
lie is learned once; then one masked comparison proves that a message is of that layout, and one `struct` call
reads it: 3 µs for ten metrics, where taking them apart one by one takes 15.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Any

from ingest.formats.sparkplug_wire import Quick, signed, unsigned

# Per device and length: who reports by exception sends many subsets of its metrics.
MOST_LAYOUTS = 16
# A time of 6 varint bytes: the highest bit of each says whether another follows.
_MORE = b"\x80"
_TIME_BITS = b"\x80\x80\x80\x80\x80\x80"
_ALL = b"\xff"


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout; mask and skeleton as little-endian numbers.

    series : of each value that is wanted · timed : whether each metric has a time of its own
    varints : (place among the values, data type) of integers
    """

    mask: int
    skeleton: int
    unpack: Callable[[bytes], tuple[Any, ...]]
    series: Sequence[int]
    timed: bool
    varints: Sequence[tuple[int, int]]
    n_unclaimed: int

    def read(self, payload: bytes) -> tuple[int, int, list[int], list[float]] | None:
        """Return (time, number, times, values) of a message of this layout, None for any other."""
        if int.from_bytes(payload, "little") & self.mask != self.skeleton:
            return None
        found = self.unpack(payload)
        t = unsigned(found[0])
        if self.timed:
            values = list(found[2:-1:2])
            times = _times(found[1:-2:2], found[0], t)
        else:
            values = list(found[1:-1])
            times = [t] * len(values)
        for place, datatype in self.varints:
            values[place] = float(signed(unsigned(values[place]), datatype))
        return t, unsigned(found[-1]), times, values


def _times(sent: tuple[bytes, ...], head: bytes, t: int) -> list[int]:
    if sent.count(head) == len(sent):
        return [t] * len(sent)
    known = {one: unsigned(one) for one in set(sent)}
    return [known[one] for one in sent]


def learn(payload: bytes, parsed: Quick, wanted: Mapping[bytes, tuple[int, int]]) -> Layout | None:
    """Return the layout of a message, None when its metrics do not all look alike.

    wanted : alias → (series, data type); series 0 = nobody wants it
    """
    timed = all(one[2] for one in parsed.metrics)
    if not timed and any(one[2] for one in parsed.metrics):
        return None
    form, mask = "<x6s", bytearray(_ALL + _TIME_BITS)
    series: list[int] = []
    varints: list[tuple[int, int]] = []
    for one in parsed.metrics:
        key, datatype = wanted[one[1]]
        value_form, value_mask, integer = _value(one)
        n_value, n_time = len(value_mask), 7 if timed else 0
        n_type = 2 if one[3] else 0
        n_head = len(one[0]) - n_value - n_type - n_time
        mask += _ALL * n_head
        mask += (_ALL + _TIME_BITS) if timed else b""
        mask += _ALL * n_type + value_mask
        if not key:
            form += f"{len(one[0])}x"
            continue
        form += f"{n_head}x" + ("x6s" if timed else "") + f"{n_type + 1}x" + value_form
        if integer:
            varints.append((len(series), one[3][0] if one[3] else datatype))
        series.append(key)
    n_tail = len(payload) - len(mask) - 1
    form, mask = form + f"x{n_tail}s", mask + _ALL + _MORE * n_tail
    bits = int.from_bytes(mask, "little")
    return Layout(
        bits, int.from_bytes(payload, "little") & bits, Struct(form).unpack, series, timed, varints,
        len(parsed.metrics) - len(series),
    )  # fmt: skip


def _value(one: tuple[bytes, ...]) -> tuple[str, bytes, bool]:
    """Return how a value (with its tag) is read, which of its bits are fixed, and whether it is a varint."""
    if one[4]:
        return "f", _ALL + bytes(4), False
    if one[5]:
        return "d", _ALL + bytes(8), False
    if one[6]:
        return "?", _ALL + b"\xfe", False
    varint = one[7] or one[8]
    return f"{len(varint)}s", _ALL + _MORE * len(varint), True
