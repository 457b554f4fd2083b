"""HJ 212 of 2005, 2017 and 2025 as an MQTT payload, docs/wire.md §4.

    frame ─▶ checked (length, CRC) ─▶ head (MN, CN) ─▶ device ─▶ packets together ─▶ items ─▶ rows, and the answer

A frame with a tolerable fault is rejected, unless its gateway is `lenient`: then its readings are UNCERTAIN.
Foreign names: `a34013` for -Rtd, else `a34013-Avg`; hours and days are told apart as `a34013-Avg@hour`, `…@day`.
"""

from __future__ import annotations

import base64
import binascii
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from core.batch import Quality
from core.errors import ConfigError
from core.reject import Reason
from core.time import SECOND
from ingest.columns import Columns, Message, Reply
from ingest.feed import Feed, filled
from ingest.formats.contract import Format, Refusal, Refusing, brief
from ingest.formats.hj212_frame import Command, Segment, answer, command_of, instant, segments
from ingest.formats.names import Meaning, Readings, load_names, spelled
from ingest.formats.place import Origin, Places
from registry.catalog import Catalog

DEFAULT = Feed("hj212/{gateway}/up", "hj212")
# Of a message in several packets: how long the others are waited for, and how much may wait (defaults of ours).
PATIENCE = 60 * SECOND
MOST_WAITING = 1_000
# A data segment has 1,024 bytes by the standard.
MOST_BYTES = 65_536
MOST_WAITING_BYTES = 1_048_576

# 2011 real time, 2021 running state, 2031 day, 2041 running time of a day, 2051 minutes, 2061 hour.
PERIODS = {2011: "", 2021: "", 2051: "", 2061: "@hour", 2031: "@day", 2041: "@day"}
_KINDS = frozenset((
    "Rtd", "ZsRtd", "Avg", "ZsAvg", "Min", "ZsMin", "Max", "ZsMax", "Cou", "RS", "RT", "Data", "DayData",
    "NightData", "ValidNum", "TotalNum",
))  # fmt: skip
_ABOUT = frozenset(("Flag", "EFlag", "SampleTime", "Info"))
QUALITIES = {
    "N": Quality.GOOD, "T": Quality.UNCERTAIN, "F": Quality.BAD, "M": Quality.BAD, "S": Quality.BAD,
    "D": Quality.BAD, "C": Quality.BAD, "B": Quality.BAD,
}  # fmt: skip

_QUICK = re.compile(
    r"DataTime=(\d{14}(?:\d{3})?)((?:;[A-Za-z0-9]+-Rtd=[+-]?\d+(?:\.\d+)?(?:,[A-Za-z0-9]+-Flag=N)?)+);?"
)
_READING = re.compile(r";([A-Za-z0-9]+)-Rtd=([^;,]+)")
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?")


class Packet(NamedTuple):
    """One packet and the message that brought it."""

    message: Message
    origin: Origin
    command: Command
    cp: str
    answers: tuple[Reply, ...]

    @property
    def n_bytes(self) -> int:
        """What it costs to keep it."""
        return len(self.message.payload)

    @property
    def time(self) -> str:
        """Its own DataTime, "" for none."""
        match = re.search(r"(?:^|;)DataTime=(\w+)", self.cp)
        return match[1] if match else ""


@dataclass(slots=True)
class Packets:
    """A message of which not all packets have come, by (MN, QN).

    read    packets that were taken: not acknowledged either, for after a restart the others need their time
    waiting packets without a time
    """

    due: int
    time: str = ""
    read: dict[int, Packet] = field(default_factory=dict)
    waiting: dict[int, Packet] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.read.keys() | self.waiting.keys())


class Hj212Format:
    """See the module; keeps packets of unfinished messages, bounded in number, bytes and time."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        self.places = Places(load_names(feed.names, assume=assume))
        self.key = _sm4_key(feed.key)
        self._packets: dict[tuple[str, str], Packets] = {}
        self._n_bytes = 0

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self.feed.parts(message.topic)
        with Refusing(columns, self.places.owner(parts["gateway"])) as refusing:
            if len(message.payload) > MOST_BYTES:
                raise Refusal(Reason.TOO_LARGE, f"{len(message.payload)} bytes, HJ 212 at most {MOST_BYTES}")
            for segment in segments(message.payload):
                with refusing:
                    columns.spend(40, refusing.gateway)
                    self._take(segment, parts, message, columns)

    def adopt(self, before: Format) -> None:
        """Go on waiting for the packets that another one waited for."""
        if isinstance(before, Hj212Format):
            self._packets, self._n_bytes = before._packets, before._n_bytes  # noqa: SLF001 - of its own kind

    def tick(self, columns: Columns, now: int) -> None:
        """Give up messages of which a packet has not come in time."""
        for key in [key for key, packets in self._packets.items() if packets.due <= now]:
            self._give_up(key, columns)

    def _take(self, segment: Segment, parts: dict[str, str], message: Message, columns: Columns) -> None:
        origin, command, cp = self._checked(segment, parts)
        start = len(columns.series)
        named = parts | {"gateway": origin.gateway_code, "device": origin.device.code}
        answers = tuple(self._answers(command, named))
        if command.cn not in PERIODS:
            _known_command(command)
            columns.statuses += 1
        else:
            cp = self._plain(command, cp)
            readings = origin.readings(columns)
            if command.pnum > 1:
                self._take_packet(Packet(message, origin, command, cp, answers), columns)
                answers = ()
            elif not cp.strip("; "):
                columns.statuses += 1  # a question
            elif not _quick(cp, readings):
                _take_items(cp, command, "", readings)
            readings.close()
        if segment.problem:
            columns.lenient += 1
            columns.mark(len(columns.series) - start, Quality.UNCERTAIN)
        columns.replies += answers

    def _checked(self, segment: Segment, parts: dict[str, str]) -> tuple[Origin, Command, str]:
        """Return who sent what; raises Refusal about the frame before one about who it is from."""
        gateway = self.places.gateway(parts["gateway"])
        try:
            command = command_of(segment.fields, lenient=gateway is not None and gateway.lenient)
            origin = self.places.find(parts["gateway"], parts["device"] or command.mn)
        except Refusal:
            if segment.problem:
                raise Refusal(segment.reason, segment.problem) from None
            raise
        if segment.problem and not (origin.lenient and segment.tolerable):
            raise Refusal(segment.reason, segment.problem, origin.gateway)
        return origin, command, segment.cp

    def _plain(self, command: Command, cp: str) -> str:
        """Return a CP as text; the edition of 2025 may encrypt that of data."""
        if command.version < 2 or self.key is None or "=" in cp.rstrip("=") or not cp:
            return cp
        return _decrypted(cp, self.key)

    def _answers(self, command: Command, parts: dict[str, str]) -> Iterator[Reply]:
        """Yield what the sender waits for once this is committed."""
        if not command.wants_answer or command.cn >= 9000 or (topic := self._down(parts)) == "":
            return
        if 2000 <= command.cn < 4000:
            yield Reply(topic, answer(command, 9014))
        elif command.cn == 1013:
            yield Reply(topic, answer(command, 9013))

    def _down(self, parts: dict[str, str]) -> str:
        return filled(self.feed.reply_pattern, parts) if self.feed.reply_pattern else ""

    # ── messages in several packets ───────────────────────────────────────────
    def _take_packet(self, packet: Packet, columns: Columns) -> None:
        """Take a packet at once if the message's time is known, else keep it until that comes.

        None of them is acknowledged before all are there: a process after us gets them all again.
        """
        key, no = (packet.command.mn, packet.command.qn), packet.command.pno
        packets = self._packets.get(key) or self._begin(key, packet, columns)
        self._forget(packets, no, columns)  # a copy of it, sent by an earlier connection
        self._make_room(key, packet, columns)
        columns.holding.hold(packet.message)
        self._n_bytes += packet.n_bytes
        packets.time = packets.time or packet.time
        packets.waiting[no] = packet
        if packets.time:
            self._read_waiting(packets, columns)
        if len(packets) >= packet.command.pnum:
            self._give_up(key, columns)

    def _begin(self, key: tuple[str, str], packet: Packet, columns: Columns) -> Packets:
        if len(self._packets) >= MOST_WAITING:
            self._give_up(next(iter(self._packets)), columns)
        packets = self._packets[key] = Packets(packet.message.arrived + PATIENCE)
        return packets

    def _make_room(self, key: tuple[str, str], packet: Packet, columns: Columns) -> None:
        """Give up other messages, the oldest first, while too much waits; raises Refusal when that does not help."""
        while columns.holding.full or self._n_bytes + packet.n_bytes > MOST_WAITING_BYTES:
            oldest = next((one for one in self._packets if one != key), None)
            if oldest is None:
                raise Refusal(Reason.INCOMPLETE, "too many packets wait for their others already")
            self._give_up(oldest, columns)

    def _read_waiting(self, packets: Packets, columns: Columns) -> None:
        """Take what has waited for the message's time."""
        for packet in packets.waiting.values():
            readings = packet.origin.readings(columns)
            _take_items(packet.cp, packet.command, packets.time, readings)
            readings.close()
            columns.replies += packet.answers
        packets.read |= packets.waiting
        packets.waiting = {}

    def _forget(self, packets: Packets, no: int, columns: Columns) -> None:
        """Let a packet go of which a copy came."""
        copy = packets.waiting.pop(no, None) or packets.read.pop(no, None)
        if copy is not None:
            self._release(copy, columns)

    def _give_up(self, key: tuple[str, str], columns: Columns) -> None:
        """Forget a message; packets that still wait for its time are rejects.

        The packets with a time are acknowledged last: should the line break between, those that need it come again
        with it, and not without.
        """
        packets = self._packets.pop(key)
        for packet in packets.waiting.values():
            missing = f"{len(packets)} of {packet.command.pnum} packets came, none with DataTime"
            columns.reject_earlier(packet.message, packet.origin.gateway, Reason.INCOMPLETE, missing)
            columns.gaps[packet.origin.gateway] += 1
        held = [*packets.waiting.values(), *packets.read.values()]
        for packet in sorted(held, key=lambda one: one.time != ""):
            self._release(packet, columns)

    def _release(self, packet: Packet, columns: Columns) -> None:
        self._n_bytes -= packet.n_bytes
        columns.holding.release(packet.message)


def _quick(cp: str, readings: Readings) -> bool:
    """Take real-time data that is normal in every factor; say False for anything else."""
    match = _QUICK.fullmatch(cp)
    if match is None:
        return False
    t, channels, columns = instant(match[1]), readings.channels, readings.columns
    series, values = [], []
    try:
        for factor, number in _READING.findall(match[2]):
            key, meaning = channels[factor]
            if not meaning.plain:
                return False
            series.append(key)
            values.append(float(number))
    except KeyError:
        return False
    columns.series += series
    columns.value += values
    columns.t += [t] * len(series)
    readings.n_known += len(series)
    return True


def _take_items(cp: str, command: Command, time: str, readings: Readings) -> None:
    """Take the readings of a CP; a time in it holds for what follows it.

    time : for readings before any; "" = they are rejected
    """
    period = PERIODS[command.cn]
    for block in _blocks(_pairs(cp)):
        about = {(factor, kind): text for factor, kind, text in block if kind in _ABOUT}
        for factor, kind, text in block:
            if not kind:
                time = text if factor == "DataTime" else time
            elif kind not in _ABOUT:
                readings.columns.spend(3, readings.gateway)
                with Refusing(readings.columns, readings.gateway):
                    _take_item(
                        f"{factor}-{kind}", text, about.get((factor, "SampleTime"), time), period=period,
                        mark=about.get((factor, "Flag"), "N"), readings=readings,
                    )  # fmt: skip


def _blocks(pairs: Iterable[tuple[str, str, str]]) -> Iterator[list[tuple[str, str, str]]]:
    """Yield the items of one instant after the other: a mark is about the value of its own instant."""
    block: list[tuple[str, str, str]] = []
    for pair in pairs:
        if pair[:2] == ("DataTime", "") and block:
            yield block
            block = []
        block.append(pair)
    yield block


def _take_item(name: str, text: str, time: str, *, period: str, mark: str, readings: Readings) -> None:
    factor, _, kind = name.rpartition("-")
    if kind not in _KINDS:
        raise Refusal(Reason.UNKNOWN_CODE, f"{brief(name)}: -{kind} is no kind of value")
    if not time:
        raise Refusal(Reason.BAD_TIME, f"{brief(name)}: there is no DataTime")
    t = instant(time)
    quality = QUALITIES.get(mark, Quality.UNCERTAIN)
    raw = float(text) if _NUMBER.fullmatch(text) else text
    readings.take(factor if kind == "Rtd" else name + period, raw, t, quality)


def _pairs(cp: str) -> Iterator[tuple[str, str, str]]:
    """Yield (factor, kind, text) of `factor-kind=text`, kind "" where there is none.

    A piece without `=` behind a comma belongs to the value before it, which then is no number: 1,234.5
    """
    for group in cp.split(";"):
        items: list[str] = []
        for piece in group.split(","):
            if "=" in piece or not piece.strip() or not items:
                items.append(piece)
            else:
                items[-1] += "," + piece
        for item in items:
            name, sign, text = item.partition("=")
            factor, _, kind = name.strip().rpartition("-")
            if sign:
                # Some write LA-Rtd-Rtd and LA-Rtd-Flag.
                yield (
                    (factor.removesuffix("-Rtd"), kind, text.strip()) if factor else (kind, "", text.strip())
                )


def _known_command(command: Command) -> None:
    """Refuse a command number outside of the standard's ranges; the others hold no readings."""
    if not (1000 <= command.cn < 4000 or 9000 <= command.cn < 9100):
        raise Refusal(Reason.UNKNOWN_CODE, f"CN={command.cn} is no command of HJ 212")


# ── names ─────────────────────────────────────────────────────────────────────
@cache
def signals() -> dict[str, str]:
    """Return the signal of every factor that we know, by its codes of 2017 and 2005."""
    table = tomllib.loads(files("ingest.formats").joinpath("hj212_factors.toml").read_text("utf-8"))
    return {code: row["signal"] for key, row in table.items() for code in (key, row.get("old")) if code}


def assume(name: str) -> Meaning | None:
    """Return what `a34013-Avg@hour` means where no table says so: `dust_concentration_avg_hour`."""
    factor, dash, kind = name.partition("-")
    signal = signals().get(factor)
    return Meaning(signal + (f"_{spelled(kind)}" if dash else "")) if signal else None


# ── SM4 ───────────────────────────────────────────────────────────────────────
def _sm4_key(key: str) -> bytes | None:
    if not key:
        return None
    try:
        raw = bytes.fromhex(key)
    except ValueError:
        raw = b""
    if len(raw) != 16:
        raise ConfigError("[[sources]] key", "is no SM4 key", "Write it as 32 hexadecimal digits")
    return raw


def _decrypted(cp: str, key: bytes) -> str:
    """Return a CP that was encrypted with SM4-ECB without padding and sent as hex or base64; raises Refusal."""
    from cryptography.hazmat.primitives.ciphers import Cipher, modes  # noqa: PLC0415 - few need it
    from cryptography.hazmat.primitives.ciphers.algorithms import SM4  # noqa: PLC0415

    try:
        raw = bytes.fromhex(cp) if re.fullmatch(r"[0-9A-Fa-f]+", cp) else base64.b64decode(cp, validate=True)
        # The mode is the standard's choice.
        step = Cipher(SM4(key), modes.ECB()).decryptor()  # noqa: S305
        return (step.update(raw) + step.finalize()).decode("utf-8").rstrip("\0 ")
    except (ValueError, binascii.Error) as error:
        raise Refusal(Reason.BAD_SHAPE, f"the encrypted CP cannot be read: {error}") from None
