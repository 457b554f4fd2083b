"""Mapping files: a vendor's JSON described in TOML; docs/wire.md §9 explains each key.

title, topic, sentinels
records = "/batch/*"                    where one device's readings at one instant stand; "" = the whole
device = "/id"    gateway = "/gwSN"     looked for in the record, then in the whole message
strip_keys = true
[time]      pointer, formats, zone
[only]      "/type" = ["data"]          other messages hold no readings
[quality]   pointer, good, bad
[readings]  "/ia" = "current_a"         pointer → signal, or what names.Meaning takes, and
                                        times = ["/ct"], register = "float32", order = "CDAB", at = 0, index = [...]
[[list]]    each, name, value, time, error
[flat]      at = ["/data"], ignore = [...]
[names]     of [[list]] and [flat]      as in names.py
[[reply]]   "/type" = "login" … payload
[sample]    a message and what it says; a test holds every mapping to its own
"""

from __future__ import annotations

from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import ConfigError
from ingest.formats.names import Meaning, Names, Seen, meaning_of
from ingest.formats.pointer import EVERY, Pointer, parse
from ingest.formats.registers import ORDERS, TYPES, Register
from ingest.formats.table import Table, read_table
from ingest.formats.when import ANY

_READING = (
    "signal", "scale", "offset", "sentinels", "invert", "words", "text", "unit", "times", "register", "order",
    "at", "index",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a record; `name` is its pointer without the first slash."""

    name: str
    pointer: Pointer
    meaning: Meaning
    times: tuple[Pointer, ...] = ()
    register: Register | None = None
    index: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ListOf:
    """An array whose members name themselves."""

    each: Pointer
    name: Pointer
    value: Pointer
    time: Pointer | None
    error: Pointer | None


@dataclass(frozen=True, slots=True)
class Quality:
    """Where a device says how far its readings can be trusted; anything but good and bad is uncertain."""

    pointer: Pointer
    good: tuple[Any, ...]
    bad: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a sender waits for when its message says this."""

    pointer: Pointer
    value: Any
    payload: bytes


@dataclass(frozen=True, slots=True)
class Mapping:
    """A mapping file, checked."""

    title: str
    topic: str
    records: Pointer
    device: Pointer | None
    gateway: Pointer | None
    strip_keys: bool
    time: tuple[Pointer, ...]
    formats: tuple[str, ...]
    zone: ZoneInfo | None
    only: tuple[tuple[Pointer, tuple[Any, ...]], ...]
    quality: Quality | None
    readings: tuple[Reading, ...]
    lists: tuple[ListOf, ...]
    flat: tuple[Pointer, ...]
    ignore: frozenset[str]
    answers: tuple[Answer, ...]
    names: Names
    sample: MappingOf[str, Any] = field(default_factory=dict)


@cache
def shipped() -> MappingOf[str, Path]:
    """Return the mappings that come with the service, by name."""
    folder = Path(str(files("ingest").joinpath("mappings")))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def mapping_path(name: str) -> Path:
    """Return the file of a mapping that is shipped, or one's own; raises ConfigError."""
    path = shipped().get(name) or Path(name)
    if not name or (name not in shipped() and not path.is_file()):
        known = ", ".join(shipped())
        raise ConfigError("[[sources]] mapping", f"{name!r} is no mapping", f"Name a file, or one of {known}")
    return path


def load_mapping(name: str, seen: Seen | None = None) -> Mapping:
    """Return a mapping by its name or file; raises ConfigError naming file and key."""
    return read_mapping(read_table(mapping_path(name)), seen)


def read_mapping(table: Table, seen: Seen | None = None) -> Mapping:
    """Return what a table says; raises ConfigError."""
    body = table.body
    table.only(
        body, "title", "topic", "records", "device", "gateway", "strip_keys", "time", "only", "quality",
        "readings", "list", "flat", "names", "profile", "sentinels", "reply", "sample",
    )  # fmt: skip
    common, time, flat = (
        table.numbers(body, "sentinels"),
        table.table(body, "time"),
        table.table(body, "flat"),
    )
    readings = tuple(
        _reading(table, key, spec, common) for key, spec in table.table(body, "readings").items()
    )
    table.only(time, "pointer", "formats", "zone")
    table.only(flat, "at", "ignore")
    zone = table.word(time, "zone")
    names = Names(
        Table(table.where, {key: body[key] for key in ("names", "profile", "sentinels") if key in body}),
        seen=seen,
    )
    names.own |= {reading.name: reading.meaning for reading in readings if EVERY not in reading.pointer}
    return Mapping(
        title=table.word(body, "title"),
        topic=table.word(body, "topic"),
        records=_pointer(table, "records", table.word(body, "records")),
        device=_maybe(table, body, "device"),
        gateway=_maybe(table, body, "gateway"),
        strip_keys=table.flag(body, "strip_keys", default=True),
        time=tuple(_pointer(table, "time", one) for one in table.words(time, "pointer")),
        formats=table.words(time, "formats", ANY),
        zone=_zone(table, zone) if zone else None,
        only=tuple(
            (_pointer(table, "only", key), tuple(values if isinstance(values, list) else [values]))
            for key, values in table.table(body, "only").items()
        ),
        quality=_quality(table, table.table(body, "quality")),
        readings=readings,
        lists=tuple(_list(table, one) for one in table.items(body, "list")),
        flat=tuple(_pointer(table, "flat at", one) for one in table.words(flat, "at")),
        ignore=frozenset(table.words(flat, "ignore")),
        answers=tuple(_answer(table, one) for one in table.items(body, "reply")),
        names=names,
        sample=table.table(body, "sample"),
    )


def _pointer(table: Table, key: str, text: str) -> Pointer:
    try:
        return parse(text)
    except ValueError as error:
        table.refuse(key, str(error), 'Write it as "/a/b"')


def _maybe(table: Table, node: MappingOf[str, Any], key: str) -> Pointer | None:
    return _pointer(table, key, table.word(node, key)) if key in node else None


def _zone(table: Table, name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        table.refuse("time zone", f"{name!r} is no time zone", "Write it as Asia/Shanghai")


def _reading(table: Table, key: str, spec: Any, common: tuple[float, ...]) -> Reading:
    spec = {"signal": spec} if isinstance(spec, str) else spec
    meaning = meaning_of(table, key, spec, common=common)
    table.only(spec, *_READING)
    kind, order = table.word(spec, "register"), table.word(spec, "order", "ABCD")
    if (kind and kind not in TYPES) or order not in ORDERS:
        table.refuse(
            key, f"found {kind} {order}", f"Use one of {', '.join(TYPES)} and one of {', '.join(ORDERS)}"
        )
    at = int(table.number(spec, "at", 0))
    return Reading(
        name=key.removeprefix("/"),
        pointer=_pointer(table, "readings", key),
        meaning=meaning,
        times=tuple(_pointer(table, key, one) for one in table.words(spec, "times")),
        register=Register(kind, order, at) if kind else None,
        index=table.words(spec, "index"),
    )


def _list(table: Table, node: MappingOf[str, Any]) -> ListOf:
    table.only(node, "each", "name", "value", "time", "error")
    pointers = {key: _maybe(table, node, key) for key in ("each", "name", "value", "time", "error")}
    each, name, value = pointers["each"], pointers["name"], pointers["value"]
    if each is None or name is None or value is None:
        table.refuse("[[list]]", f"found {', '.join(node)}", "Give it each, name and value")
    return ListOf(each, name, value, pointers["time"], pointers["error"])


def _quality(table: Table, node: MappingOf[str, Any]) -> Quality | None:
    table.only(node, "pointer", "good", "bad")
    if not node:
        return None
    pointer = _pointer(table, "quality", table.word(node, "pointer"))
    return Quality(pointer, tuple(table.items(node, "good")), tuple(table.items(node, "bad")))


def _answer(table: Table, node: MappingOf[str, Any]) -> Answer:
    table.only(node, "pointer", "value", "payload")
    pointer = _pointer(table, "reply", table.word(node, "pointer"))
    return Answer(pointer, node.get("value"), table.word(node, "payload").encode())
