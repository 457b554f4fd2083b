"""DL/T 645-2007 frames of electricity meters as transparent DTUs publish them, docs/wire.md §8.

    FE… 68 A0..A5 68 C L DATA CS 16      address and data little-endian BCD, data + 0x33, CS = sum of all before it

The address (12 digits) is the device unless the topic names one; a frame has no time, so readings are of its arrival.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats.contract import Refusal, Refusing
from ingest.formats.frame_bytes import frame_bytes
from ingest.formats.names import Meaning, Readings, load_names
from ingest.formats.place import Places
from registry.catalog import Catalog

DEFAULT = Feed("dlt645/{gateway}", "dlt645")
_ANSWERS = (0x91, 0xB1)  # read, read; more follows
_REFUSED = (0xD1, 0xD2)


class Item(NamedTuple):
    """What a data identifier means: the signals one after the other, bytes and decimals of each, unit, sign."""

    signals: tuple[str, ...]
    n_bytes: int
    decimals: int
    unit: str
    signed: bool = False


def _phases(name: str) -> tuple[str, ...]:
    return tuple(f"{name}_{phase}" for phase in "abc")


def _items() -> dict[int, Item]:
    """Return the identifiers that we know, DI3 … DI0 as one number; blocks (FF) hold all of a kind."""
    items = {
        0x00000000: Item(("energy",), 4, 2, "kWh", signed=True),
        0x00010000: Item(("active_energy",), 4, 2, "kWh"),
        0x00020000: Item(("returned_energy",), 4, 2, "kWh"),
        0x00030000: Item(("reactive_energy",), 4, 2, "kvarh", signed=True),
        0x02800001: Item(("current_n",), 3, 3, "A", signed=True),
        0x02800002: Item(("frequency",), 2, 2, "Hz"),
        0x02800003: Item(("demand",), 3, 4, "kW", signed=True),
        0x02800007: Item(("meter_temperature",), 2, 1, "℃", signed=True),
        0x02800008: Item(("battery",), 2, 2, "V"),
    }
    per_phase = (("voltage", 0x0201, 2, 1, "V", False), ("current", 0x0202, 3, 3, "A", True))
    totals = (
        ("active_power", 0x0203, 3, 4, "kW"), ("reactive_power", 0x0204, 3, 4, "kvar"),
        ("apparent_power", 0x0205, 3, 4, "kVA"), ("power_factor", 0x0206, 2, 3, ""),
    )  # fmt: skip
    for name, di, n_bytes, decimals, unit, sign in per_phase:
        for phase, signal in enumerate(_phases(name), 1):
            items[di << 16 | phase << 8] = Item((signal,), n_bytes, decimals, unit, signed=sign)
        items[di << 16 | 0xFF00] = Item(_phases(name), n_bytes, decimals, unit, signed=sign)
    for name, di, n_bytes, decimals, unit in totals:
        signals = (name, *_phases(name))
        for place, signal in enumerate(signals):
            items[di << 16 | place << 8] = Item((signal,), n_bytes, decimals, unit, signed=True)
        items[di << 16 | 0xFF00] = Item(signals, n_bytes, decimals, unit, signed=True)
    return items


ITEMS = _items()
_UNITS = {signal: item.unit for item in ITEMS.values() for signal in item.signals}


class Dlt645Format:
    """See the module."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        self.places = Places(load_names(feed.names, assume=lambda name: Meaning(unit=_UNITS.get(name, ""))))

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self.feed.parts(message.topic)
        with Refusing(columns, self.places.owner(parts["gateway"])) as refusing:
            for address, control, data in _frames(frame_bytes(message.payload)):
                with refusing:
                    if control in _REFUSED:
                        raise Refusal(
                            Reason.BAD_QUALITY, f"meter {address} refuses: error {data.hex() or 'none'}"
                        )
                    if control not in _ANSWERS:
                        columns.statuses += 1  # a question, a clock, a switch
                        continue
                    origin = self.places.find(parts["gateway"], parts["device"] or address)
                    readings = origin.readings(columns)
                    with Refusing(columns, origin.gateway):
                        _take(data, readings)
                    readings.close()


def _frames(data: bytes) -> Iterator[tuple[str, int, bytes]]:
    """Yield (address, control, data without the 0x33) of frames one behind another."""
    place = 0
    while True:
        while data[place : place + 1] == b"\xfe":
            place += 1
        frame = data[place:]
        if len(frame) < 12 or frame[0] != 0x68 or frame[7] != 0x68:
            raise Refusal(Reason.BAD_SHAPE, f"byte {place}: no 68 … 68 of a DL/T 645 frame")
        n = 12 + frame[9]
        if len(frame) < n or frame[n - 1] != 0x16:
            raise Refusal(Reason.BAD_LENGTH, f"{frame[9]} bytes of data declared, and no 16 where it ends")
        if sum(frame[: n - 2]) & 0xFF != frame[n - 2]:
            expected = sum(frame[: n - 2]) & 0xFF
            raise Refusal(Reason.BAD_CHECKSUM, f"checksum {frame[n - 2]:02X}, expected {expected:02X}")
        yield frame[1:7][::-1].hex(), frame[8], bytes((one - 0x33) & 0xFF for one in frame[10 : n - 2])
        place += n
        if not data[place:].strip(b"\r\n\xfe\0 "):
            return


def _take(data: bytes, readings: Readings) -> None:
    di = int.from_bytes(data[:4], "little")
    item = ITEMS.get(di)
    if len(data) < 4 or item is None:
        raise Refusal(Reason.UNKNOWN_CODE, f"data identifier {di:08X} is not known here")
    values = data[4:]
    if len(values) < item.n_bytes * len(item.signals):
        expected = item.n_bytes * len(item.signals)
        raise Refusal(Reason.BAD_LENGTH, f"{di:08X}: {len(values)} bytes, expected {expected}")
    for place, signal in enumerate(item.signals):
        with Refusing(readings.columns, readings.gateway):
            raw = values[place * item.n_bytes : (place + 1) * item.n_bytes]
            readings.take(signal, _bcd(raw, item), ABSENT)


def _bcd(raw: bytes, item: Item) -> float:
    """Return a little-endian BCD number; its highest bit is a sign where the item has one."""
    if set(raw) == {0xFF}:
        raise Refusal(Reason.SENTINEL, "FF stands for no value")
    digits, sign = bytearray(raw[::-1]), 1
    if item.signed and digits[0] & 0x80:
        digits[0] &= 0x7F
        sign = -1
    text = digits.hex()
    if not text.isdigit():
        raise Refusal(Reason.NOT_A_NUMBER, f"{text} are no decimal digits")
    # By way of the decimal text, so that 2201 tenths are 220.1.
    return sign * float(f"{int(text)}e-{item.decimals}")
