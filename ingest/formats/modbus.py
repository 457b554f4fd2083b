"""Modbus RTU answers as transparent DTUs publish them, docs/wire.md §8.

    unit function n data… CRC      function 3 or 4; CRC-16/MODBUS, low byte first

An answer does not say which registers it holds: a mapping file does, by unit, function and number of registers.
    [[frame]]
    unit = 1            function = 3        count = 4           device = "meter1"
    [frame.readings]    "voltage_a" = { at = 0, register = "uint16", scale = 0.1 }
Without one register k is the foreign name `rk`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats.contract import Refusal, Refusing
from ingest.formats.frame_bytes import frame_bytes
from ingest.formats.hj212_frame import crc_modbus
from ingest.formats.mapping_file import mapping_path
from ingest.formats.names import Names, load_names, meaning_of
from ingest.formats.place import Places
from ingest.formats.registers import ORDERS, TYPES, Register
from ingest.formats.table import Table, read_table
from registry.catalog import Catalog

DEFAULT = Feed("modbus/{gateway}/{device}", "modbus")


@dataclass(frozen=True, slots=True)
class Frame:
    """What the registers of one kind of answer are; 0 stands for any."""

    unit: int
    function: int
    count: int
    device: str
    registers: tuple[tuple[str, Register], ...]

    def fits(self, unit: int, function: int, count: int) -> bool:
        """Whether an answer is of this kind."""
        return self.unit in (0, unit) and self.function in (0, function) and self.count in (0, count)


class ModbusFormat:
    """See the module."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        names = load_names(feed.names)
        self.frames = _read_frames(read_table(mapping_path(feed.mapping)), names) if feed.mapping else ()
        self.places = Places(names)

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self.feed.parts(message.topic)
        with Refusing(columns, self.places.owner(parts["gateway"])):
            unit, function, data = _answer(frame_bytes(message.payload))
            if not data:
                columns.statuses += 1
                return
            registers = [int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data), 2)]
            frame = next((one for one in self.frames if one.fits(unit, function, len(registers))), None)
            if self.frames and frame is None:
                found = f"unit {unit}, function {function}, {len(registers)} registers"
                detail = f"{found}: no [[frame]] says what they are"
                raise Refusal(Reason.UNKNOWN_CODE, detail)
            named = frame.registers if frame else _plain(len(registers))
            device = parts["device"] or (frame.device if frame else "") or str(unit)
            origin = self.places.find(parts["gateway"], device)
            readings = origin.readings(columns)
            for name, register in named:
                with Refusing(columns, origin.gateway):
                    readings.take(name, register.value(registers), ABSENT)
            readings.close()


def _answer(frame: bytes) -> tuple[int, int, bytes]:
    """Return (unit, function, data); no data = a question or an echo.  Raises Refusal."""
    if len(frame) < 5:
        raise Refusal(Reason.BAD_LENGTH, f"{len(frame)} bytes are no Modbus frame")
    found, expected = int.from_bytes(frame[-2:], "little"), crc_modbus(frame[:-2])
    if found != expected:
        raise Refusal(Reason.BAD_CHECKSUM, f"CRC {found:04X}, expected {expected:04X}")
    unit, function, n = frame[:3]
    if function & 0x80:
        raise Refusal(Reason.BAD_QUALITY, f"unit {unit} refuses function {function & 0x7F}: exception {n}")
    if function not in (3, 4):
        return unit, function, b""
    if len(frame) == n + 5 and n % 2 == 0:
        return unit, function, frame[3:-2]
    if len(frame) == 8:
        return unit, function, b""
    raise Refusal(Reason.BAD_LENGTH, f"{n} bytes declared, {len(frame) - 5} found")


def _plain(n: int) -> tuple[tuple[str, Register], ...]:
    return tuple((f"r{at}", Register("uint16", at=at)) for at in range(n))


def _read_frames(table: Table, names: Names) -> tuple[Frame, ...]:
    """Return the frames of a file, and give its readings' meanings to the names."""
    frames = table.items(table.body, "frame")
    return tuple(_read_frame(table, node, names) for node in frames)


def _read_frame(table: Table, node: Mapping[str, Any], names: Names) -> Frame:
    table.only(node, "unit", "function", "count", "device", "readings")
    registers = []
    for name, spec in table.table(node, "readings").items():
        kind, order = table.word(spec, "register", "uint16"), table.word(spec, "order", "ABCD")
        if kind not in TYPES or order not in ORDERS:
            table.refuse(name, f"found {kind} {order}", f"Use one of {', '.join(TYPES)}; {', '.join(ORDERS)}")
        registers.append((name, Register(kind, order, int(table.number(spec, "at", 0)))))
        names.own.setdefault(name, meaning_of(table, name, spec))
    unit, function, count = (int(table.number(node, key, 0)) for key in ("unit", "function", "count"))
    return Frame(unit, function, count, table.word(node, "device"), tuple(registers))
