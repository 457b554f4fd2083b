"""Registers: 16-bit Modbus registers as numbers, in any of the four orders of bytes and words.

ABCD big-endian · CDAB words swapped · BADC bytes swapped · DCBA little-endian
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from core.reject import Reason
from ingest.formats.contract import Refusal, brief

TYPES = {
    "int16": ">h", "uint16": ">H", "int32": ">i", "uint32": ">I", "int64": ">q", "uint64": ">Q",
    "float16": ">e", "float32": ">f", "float64": ">d",
}  # fmt: skip
# Where bytes are counted, and not registers.
BYTES = {**TYPES, "int8": ">b", "uint8": ">B"}
ORDERS = ("ABCD", "CDAB", "BADC", "DCBA")


@dataclass(frozen=True, slots=True)
class Register:
    """A number in registers: its type, the order of its bytes, and at which register, or byte, it begins."""

    kind: str
    order: str = "ABCD"
    at: int = 0
    byte: int | None = None

    @property
    def n(self) -> int:
        """How many registers it takes."""
        return struct.calcsize(TYPES[self.kind]) // 2

    def value(self, registers: Sequence[int]) -> float:
        """Return the number; raises Refusal when registers are missing or are none."""
        chosen = registers[self.at : self.at + self.n]
        if len(chosen) < self.n:
            raise Refusal(
                Reason.BAD_LENGTH, f"{len(registers)} registers, {self.kind} at {self.at} needs {self.n}"
            )
        if not all(type(one) is int and -0x8000 <= one <= 0xFFFF for one in chosen):
            raise Refusal(Reason.NOT_A_NUMBER, f"{brief(list(chosen))} are no 16-bit registers")
        return float(
            struct.unpack(TYPES[self.kind], ordered([one & 0xFFFF for one in chosen], self.order))[0]
        )

    def of_bytes(self, data: bytes) -> float:
        """Return the number in raw bytes; raises Refusal when some are missing."""
        size = struct.calcsize(BYTES[self.kind])
        start = self.at * 2 if self.byte is None else self.byte
        chosen = data[start : start + size]
        if len(chosen) < size:
            raise Refusal(Reason.BAD_LENGTH, f"{len(data)} bytes, {self.kind} at {start} needs {size}")
        if size > 1:
            chosen = ordered(struct.unpack(f">{size // 2}H", chosen), self.order)
        return float(struct.unpack(BYTES[self.kind], chosen)[0])


def ordered(registers: Sequence[int], order: str) -> bytes:
    """Return the bytes of registers, the most significant one first."""
    if order in ("CDAB", "DCBA"):
        registers = registers[::-1]
    return b"".join(one.to_bytes(2, "little" if order in ("BADC", "DCBA") else "big") for one in registers)


def number_in(register: Register, raw: Any, *, in_base64: bool) -> float:
    """Return the number in an array of registers, or in bytes: an array, hexadecimal or base64 text; raises Refusal."""
    if register.byte is None and not (in_base64 and isinstance(raw, str)):
        return register.value(registers_of(raw))
    try:
        if isinstance(raw, str):
            data = (
                base64.b64decode(raw, validate=True) if in_base64 else bytes.fromhex(raw.removeprefix("0x"))
            )
        else:
            data = bytes(raw) if isinstance(raw, list) else b""
    except (binascii.Error, ValueError, TypeError):
        raise Refusal(Reason.BAD_SHAPE, f"{brief(raw)}: expected bytes, an array or a text") from None
    return register.of_bytes(data)


def registers_of(raw: Any) -> Sequence[int]:
    """Return registers from an array of numbers or hexadecimal text; raises Refusal."""
    if isinstance(raw, list):
        return raw
    if isinstance(raw, str):
        try:
            data = bytes.fromhex(raw.removeprefix("0x"))
        except ValueError:
            data = b"\0"
        if len(data) % 2 == 0:
            return [int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data), 2)]
    raise Refusal(Reason.BAD_SHAPE, f"{brief(raw)}: expected registers, an array or hexadecimal text")
