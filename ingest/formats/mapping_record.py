"""Record: one device's readings at one instant, taken as a mapping says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from core.batch import Quality
from core.reject import Reason
from ingest.columns import ABSENT, Columns
from ingest.formats import mapping_file
from ingest.formats.contract import Refusal, Refusing, as_value, brief
from ingest.formats.mapping_file import ListOf, Reading
from ingest.formats.names import MOST_CACHED, Meaning, Names, Readings
from ingest.formats.place import Origin, Places
from ingest.formats.pointer import EVERY, MISSING, Place, Pointer, bound, find, is_open, places, seek
from ingest.formats.registers import number_in
from ingest.formats.template import Template, word
from ingest.formats.when import as_instant

_TEXT = Meaning(text=True)
_NO_TIME = (None, "", 0, "0")
_NO_ERROR: tuple[Any, ...] = (None, "", 0, "0", [])


class Record:
    """One record that is being taken; `levels` are those of the topic, by their names.

    n_tried : places looked at in vain for names and times, a µs each
    found : whether anything that the mapping names was there
    """

    __slots__ = (
        "columns", "found", "gateway", "levels", "mapping", "n_tried", "others", "place", "quality", "sources", "t",
    )  # fmt: skip

    def __init__(
        self, mapping: mapping_file.Mapping, sources: Places, place: Place, levels: Mapping[str, str],
        columns: Columns,
    ) -> None:  # fmt: skip
        self.mapping, self.sources, self.place, self.levels = mapping, sources, place, levels
        self.columns = columns
        self.n_tried = 0
        self.gateway = levels["gateway"] or self._named(mapping.gateway)
        self.found = False
        self.others: dict[str, Readings] = {}

    def take(self) -> None:
        """Take what the record says; raises Refusal that says why nothing of it can be."""
        mapping, columns = self.mapping, self.columns
        device = self._named(mapping.device) or self.levels["device"]
        if self.n_tried:
            columns.spend(self.n_tried, self.sources.owner(self.gateway))
        origin = self.sources.find(self.gateway, device)
        with Refusing(columns, origin.gateway):
            self.n_tried = 0
            self.t = self._time(mapping.time, self.place, origin, ABSENT)
            if self.n_tried:
                columns.spend(self.n_tried, origin.gateway)
            rule, node = mapping.quality, self.place.node
            self.quality = _quality(rule, node, self.place.around) if rule else Quality.GOOD
            readings = origin.readings(columns)
            for reading in mapping.readings:
                self._take_reading(reading, readings)
            for one in mapping.lists:
                self._take_list(one, origin, readings)
            for pointer in mapping.flat:
                for name, raw in _members(find(node, pointer) if pointer else node, mapping):
                    readings.take(name, raw, self.t, self.quality)
            self._close(readings)

    def _close(self, readings: Readings) -> None:
        for one in (readings, *self.others.values()) if self.others else (readings,):
            self.found = self.found or one.n_known > 0 or bool(one.unclaimed)
            one.close()
        if not self.found:
            raise Refusal(Reason.BAD_SHAPE, f"{brief(self.place.node)}: nothing that the mapping names")

    def _named(self, templates: tuple[Template, ...]) -> str:
        """Return the first name that is there, in the record or around it; "" for none."""
        for template in templates:
            place = self.place
            at = template.bare
            found = template.value(place, self.levels) if at is None else seek(place.node, place.around, at)
            if name := word(found):
                return name
            self.n_tried += 1
        return ""

    def _time(self, templates: tuple[Template, ...], place: Place, origin: Origin, none: int) -> int:
        for template in templates:
            at = template.bare
            raw = template.value(place, self.levels) if at is None else seek(place.node, place.around, at)
            if raw is not MISSING and raw not in _NO_TIME:
                return as_instant(raw, self.mapping.zone or origin.zone, self.mapping.formats)
            self.n_tried += 1
        return none

    def _take_reading(self, reading: Reading, readings: Readings) -> None:
        if EVERY not in reading.pointer:
            raw = find(self.place.node, reading.pointer)
            if raw is not MISSING:
                self.found = True
                if reading.plain:
                    readings.take(reading.name, raw, self.t, self.quality)
                else:
                    self._take_made(reading, reading.name, raw, self.place, readings)
            return
        for member in places(self.place, reading.pointer):
            self.found = True
            name = _concrete(reading, member.keys, self.sources.names)
            self._take_made(reading, name, member.node, member, readings)

    def _take_made(self, reading: Reading, name: str, raw: Any, at: Place, readings: Readings) -> None:
        """Take a number that has to be put together."""
        with Refusing(self.columns, readings.gateway):
            if reading.register and raw is not None:
                raw = number_in(reading.register, raw, in_base64=reading.in_base64)
            if reading.bit is not None and raw is not None:
                raw = _bit(raw, reading.bit)
            times = self._product(reading.times, at)
            readings.take(name, raw, self.t, self.quality, times=times)

    def _take_list(self, one: ListOf, origin: Origin, readings: Readings) -> None:
        for member in places(self.place, one.each):
            self.columns.spend(3, readings.gateway)
            self.found = True
            with Refusing(self.columns, readings.gateway):
                self._take_member(one, member, origin, readings)

    def _take_member(self, one: ListOf, member: Place, origin: Origin, readings: Readings) -> None:
        name = word(one.name.value(member, self.levels))
        if not name:
            raise Refusal(Reason.BAD_SHAPE, f"{brief(member.node)}: nothing names it")
        device = word(one.device.value(member, self.levels)) if one.device else ""
        if one.device and not device:
            raise Refusal(Reason.UNKNOWN_DEVICE, f"{brief(name)}: nothing names its device")
        if one.pattern:
            match = one.pattern.fullmatch(name[:256])
            if match is None:
                raise Refusal(Reason.BAD_SHAPE, f"{brief(name)}: not of the pattern of names")
            parts = match.groupdict()
            name, device = parts.get("name", name), parts.get("device", device)
        if device:
            origin = self.sources.find(self.gateway, device)
            readings = self.others.get(device) or self.others.setdefault(
                device, origin.readings(self.columns)
            )
        with Refusing(self.columns, origin.gateway):
            error = find(member.node, one.error) if one.error else MISSING
            if error is not MISSING and error not in _NO_ERROR:
                raise Refusal(Reason.BAD_QUALITY, f"{brief(name)}: error {brief(error)}")
            t = self._time((one.time,), member, origin, self.t) if one.time else self.t
            quality = _quality(self.mapping.quality, member.node, (), self.quality)
            unit = one.unit.value(member, self.levels) if one.unit else ""
            times = self._product(one.times, member)
            raw = _value(one.value, member)
            readings.take(name, raw, t, quality, times=times, unit=unit if isinstance(unit, str) else "")

    def _product(self, pointers: tuple[Pointer, ...], at: Place) -> float:
        product = 1.0
        for pointer in pointers:
            factor = seek(at.node, at.around, bound(pointer, at.keys))
            if factor is MISSING or factor is None:
                continue
            value = _TEXT.value(factor) if isinstance(factor, str) else as_value(factor)
            product *= 1.0 if value is None else value
        return product


def _value(pointers: tuple[Pointer, ...], member: Place) -> Any:
    """Return the first value that is there, None for none."""
    for pointer in pointers:
        if is_open(pointer):
            raw = seek(member.node, member.around, bound(pointer, member.keys))
        else:
            raw = find(member.node, pointer)
        if raw is not MISSING:
            return raw
    return None


def _bit(raw: Any, bit: int) -> int:
    number = _TEXT.value(raw) if isinstance(raw, str) else as_value(raw)
    if number is None or not number.is_integer() or not 0 <= number < 1 << 53:
        raise Refusal(Reason.NOT_A_NUMBER, f"{brief(raw)} has no bits")
    return int(number) >> bit & 1


def _concrete(reading: Reading, names: Pointer, table: Names) -> str:
    """Return the name of one place of a wildcard, and see to it that the table knows its signal."""
    name = "/".join(bound(reading.pointer, names)) + reading.mark
    if name not in table.own and len(table.own) < MOST_CACHED:
        words = [
            reading.index[int(one)] if one.isdigit() and int(one) < len(reading.index) else one
            for one in names
        ]
        signal = reading.meaning.signal
        for one in words:
            signal = signal.replace("{}", one, 1)
        table.own[name] = replace(reading.meaning, signal=signal)
    return name


def _quality(
    rule: mapping_file.Quality | None, node: Any, around: tuple[Any, ...], otherwise: Quality = Quality.GOOD
) -> Quality:
    if rule is None:
        return otherwise
    found = seek(node, around, rule.pointer)
    if found is MISSING:
        return otherwise
    if found in rule.good:
        return Quality.GOOD
    return Quality.BAD if found in rule.bad else Quality.UNCERTAIN


def _members(node: Any, mapping: mapping_file.Mapping) -> Iterator[tuple[str, Any]]:
    """Yield the numbers of an object by their names, and texts that a table names or that stand for numbers."""
    if isinstance(node, dict):
        common = mapping.names.common
        for name, raw in node.items():
            wanted = isinstance(raw, bool | int | float) or (
                isinstance(raw, str) and (name in mapping.names.own or common.reads(raw))
            )
            if wanted and name not in mapping.ignore:
                yield name, raw
