"""Mapping files: a vendor's messages described in TOML; docs/wire.md §9 explains each key.

title, topic, sentinels, text, words, decimal
payload = "json", encoding, inside      how the bytes are written; [csv] columns, separator; [pairs] between, sign
records = "/batch/*"                    where one device's readings at one instant stand; "" = the whole
device = "/id"    gateway = "/gwSN"     looked for in the record, then around it; an array: the first that is there
strip_keys = true
[time]      pointer, formats, zone
[only]      "/type" = ["data"]          other messages and records hold no readings; "*" = anything
[quality]   pointer, good, bad
[readings]  "/ia" = "current_a"         pointer → signal, or what names.Meaning takes, and times = ["/ct"], bit = 0,
                                        register = "float32", order = "CDAB", at = 0, byte = 0, base64, index = [...];
                                        an array of such for several readings of one place
[[list]]    each, name, value, time, error, unit, device, pattern, times
[flat]      at = ["/data"], ignore = [...]
[names]     of [[list]] and [flat]      as in names.py
[[reply]]   "/type" = "login" … payload
[sample]    a message and what it says; a test holds every mapping to its own
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from core.errors import ConfigError
from ingest.formats.body import KINDS, Form
from ingest.formats.names import COMMON, Meaning, Names, Seen, common_of, meaning_of
from ingest.formats.pointer import EVERY, Pointer, parse
from ingest.formats.registers import BYTES, ORDERS, TYPES, Register
from ingest.formats.table import Table, read_table
from ingest.formats.template import Template, parse_template
from ingest.formats.when import ANY

_READING = (
    "signal", "scale", "offset", "sentinels", "invert", "words", "text", "decimal", "unit", "times", "register",
    "order", "at", "byte", "base64", "bit", "index",
)  # fmt: skip
_LIST = ("each", "name", "value", "time", "error", "unit", "device", "pattern", "times")


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of a record; `name` is its pointer without the first slash, and a mark where there are several."""

    name: str
    pointer: Pointer
    meaning: Meaning
    times: tuple[Pointer, ...] = ()
    register: Register | None = None
    in_base64: bool = False
    bit: int | None = None
    index: tuple[str, ...] = ()
    mark: str = ""

    @property
    def plain(self) -> bool:
        """Whether what stands there is the number."""
        return not self.times and self.register is None and self.bit is None


@dataclass(frozen=True, slots=True)
class ListOf:
    """Members of a record that name themselves, or are named by their keys.

    value : pointers in the member, the first that is there; with a * also around it
    pattern : takes names apart into device and name
    """

    each: Pointer
    name: Template
    value: tuple[Pointer, ...]
    time: Template | None = None
    error: Pointer | None = None
    unit: Template | None = None
    device: Template | None = None
    pattern: re.Pattern[str] | None = None
    times: tuple[Pointer, ...] = ()


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
    form: Form
    records: Pointer
    device: tuple[Template, ...]
    gateway: tuple[Template, ...]
    strip_keys: bool
    time: tuple[Template, ...]
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


# Where the records of what is not JSON stand.
_RECORDS = {"csv": "/*", "influx": "/*", "lines": "/*"}


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
        body, "title", "topic", "payload", "encoding", "inside", "csv", "pairs", "records", "device", "gateway",
        "strip_keys", "time", "only", "quality", "readings", "list", "flat", "names", "profile", *COMMON, "reply",
        "sample",
    )  # fmt: skip
    form = _form(table)
    spoken = dict(body) if form.kind in ("json", "lines", "hex") else {"text": True, **body}
    common, time, flat = common_of(table, spoken), table.table(body, "time"), table.table(body, "flat")
    readings = tuple(
        reading
        for key, spec in table.table(body, "readings").items()
        for reading in _readings(table, key, spec, common)
    )
    table.only(time, "pointer", "formats", "zone")
    table.only(flat, "at", "ignore")
    zone = table.word(time, "zone")
    names = Names(
        Table(table.where, {key: spoken[key] for key in ("names", "profile", *COMMON) if key in spoken}),
        seen=seen,
    )
    names.own |= {reading.name: reading.meaning for reading in readings if EVERY not in reading.pointer}
    return Mapping(
        title=table.word(body, "title"),
        topic=table.word(body, "topic"),
        form=form,
        records=_pointer(table, "records", table.word(body, "records", _RECORDS.get(form.kind, ""))),
        device=_templates(table, body, "device"),
        gateway=_templates(table, body, "gateway"),
        strip_keys=table.flag(body, "strip_keys", default=True),
        time=_templates(table, time, "pointer"),
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


def _form(table: Table) -> Form:
    body = table.body
    csv, pairs = table.table(body, "csv"), table.table(body, "pairs")
    table.only(csv, "columns", "separator")
    table.only(pairs, "between", "sign")
    kind, encoding = table.word(body, "payload", "json"), table.word(body, "encoding")
    if kind not in KINDS:
        table.refuse("payload", f"found {kind!r}", f"Use one of {', '.join(KINDS)}")
    try:
        codecs.lookup(encoding or "utf-8")
    except LookupError:
        table.refuse("encoding", f"{encoding!r} is no encoding", "Write it as gb18030, gbk or utf-8")
    inside = tuple(_pointer(table, "inside", one) for one in table.words(body, "inside"))
    if () in inside or any(EVERY in pointer for pointer in inside):
        table.refuse("inside", "found a * or the whole message", "Name one place")
    return Form(
        kind, encoding, table.words(csv, "columns"), table.word(csv, "separator", ","),
        table.word(pairs, "between", ";&\n"), table.word(pairs, "sign", "="), inside,
    )  # fmt: skip


def _template(table: Table, key: str, text: str) -> Template:
    try:
        return parse_template(text)
    except ValueError as error:
        table.refuse(key, str(error), 'Write it as "/a/b" or "{/a}-{/b}"')


def _templates(table: Table, node: MappingOf[str, Any], key: str) -> tuple[Template, ...]:
    return tuple(_template(table, key, one) for one in table.words(node, key))


def _readings(table: Table, key: str, spec: Any, common: Meaning) -> Iterator[Reading]:
    """Yield the readings of one place; of several each is named by its signal too."""
    if not isinstance(spec, list):
        yield _reading(table, key, {"signal": spec} if isinstance(spec, str) else spec, common)
        return
    for one in spec:
        reading = _reading(table, key, one, common)
        mark = f" {reading.meaning.signal}"
        yield replace(reading, name=(reading.name + mark).strip(), mark=mark)


def _reading(table: Table, key: str, spec: Any, common: Meaning) -> Reading:
    meaning = meaning_of(table, key, spec, common=common)
    table.only(spec, *_READING)
    kind, order = table.word(spec, "register"), table.word(spec, "order", "ABCD")
    byte = int(table.number(spec, "byte", 0)) if "byte" in spec else None
    known = BYTES if byte is not None else TYPES
    if (kind and kind not in known) or order not in ORDERS:
        table.refuse(
            key, f"found {kind} {order}", f"Use one of {', '.join(known)} and one of {', '.join(ORDERS)}"
        )
    return Reading(
        name=key.removeprefix("/"),
        pointer=_pointer(table, "readings", key),
        meaning=meaning,
        times=tuple(_pointer(table, key, one) for one in table.words(spec, "times")),
        register=Register(kind, order, int(table.number(spec, "at", 0)), byte) if kind else None,
        in_base64=table.flag(spec, "base64"),
        bit=int(table.number(spec, "bit", 0)) if "bit" in spec else None,
        index=table.words(spec, "index"),
    )


def _list(table: Table, node: MappingOf[str, Any]) -> ListOf:
    table.only(node, *_LIST)
    each = _maybe(table, node, "each")
    if each is None or ("name" not in node and EVERY not in each):
        table.refuse("[[list]]", f"found {', '.join(node)}", "Give it each and name; name may be a * of each")
    named = {
        key: _template(table, key, table.word(node, key)) for key in ("time", "unit", "device") if key in node
    }
    return ListOf(
        each,
        _template(table, "name", table.word(node, "name", "{*}")),
        tuple(_pointer(table, "value", one) for one in table.words(node, "value", ("",))),
        **named,
        error=_maybe(table, node, "error"),
        pattern=_pattern(table, table.word(node, "pattern")) if "pattern" in node else None,
        times=tuple(_pointer(table, "times", one) for one in table.words(node, "times")),
    )


def _pattern(table: Table, text: str) -> re.Pattern[str]:
    """Return what takes `{device}.{name}` apart; each part ends where the next literal character comes first."""
    pieces = re.split(r"\{(\w*)\}", text)
    made = re.escape(pieces[0])
    for part, literal in zip(pieces[1::2], pieces[2::2], strict=True):
        last = literal == "" and literal is pieces[-1]
        if (literal == "" and not last) or part not in ("", "device", "name"):
            table.refuse(
                "pattern", f"found {text!r}", 'Write it as "{device}.{name}" or "{}.{device}/{name}"'
            )
        some = ".+" if last else f"[^{re.escape(literal[0])}]+"
        made += (f"(?P<{part}>{some})" if part else some) + re.escape(literal)
    return re.compile(made)


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
