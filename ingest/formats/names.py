"""Names: how a foreign name becomes a series of a device, and its number a value of that series.

A table is TOML:
    sentinels = [9999, -9999, "--"]                  # for every name here: "no value", as sent
    text = true                                      # for every name here, as are words and decimal
    [names]
    "Dust/DP" = "differential_pressure"
    "T1" = { signal = "hopper_temperature", scale = 0.1, offset = 0.0, sentinels = [85.0] }
    "Door" = { signal = "unlocked", invert = true, words = { "open" = 1, "closed" = 0 } }
    [profile.load_meter]                             # first for devices of this profile
    "P" = "active_power"
A name in no table is itself: as sent, then in the registry's spelling (`Dust/DP` → `dust_dp`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.batch import Quality
from core.reject import Reason
from ingest.columns import ABSENT, LARGEST_VALUE, Columns
from ingest.formats.contract import Refusal, as_value, brief, some
from ingest.formats.table import Table, read_table
from ingest.formats.unit import conversion, is_unit
from registry.catalog import Device

Seen = dict[int, tuple[str, str]]
# Spellings of a name that a sender may invent must not fill the memory.
MOST_CACHED = 4_096
LONGEST_CACHED = 256
# What a reading costs, and what it costs more when its name has to be looked up, in µs.
_TAKE_US, _FIND_US = 3, 1
# 12, -.5, 1,234.5, 1e3, and a unit behind it; groups of three digits are thousands.
_MEASURED = re.compile(
    r"\s*([+-]?(?:\d{1,3}(?:,\d{3})+(?:\.\d*)?|\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?)\s*([^\s\d.,+-]\S{0,11}|)\s*"
)
_SWAPPED = str.maketrans(",.", ".,")
# What a table may say for all of its names.
COMMON = ("sentinels", "text", "words", "decimal")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_OTHER = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a foreign name stands for.

    signal      the registry's name; "" = as the foreign name is spelled there
    scale, offset   value = sent * scale + offset
    sentinels, blanks   numbers and texts as sent that mean "no value"
    invert      1 means 0, for a contact that opens when it is active
    words       texts, or codes, that stand for numbers
    text        a number may come as text, also `1,234.5 kW`; an empty one is no reading
    decimal     what stands before the fraction in such a text
    unit        of the number as sent; converted when the registry has another one of the same kind
    """

    signal: str = ""
    scale: float = 1.0
    offset: float = 0.0
    sentinels: tuple[float, ...] = ()
    blanks: frozenset[str] = frozenset()
    invert: bool = False
    words: Mapping[str, float] = field(default_factory=dict)
    text: bool = False
    decimal: str = "."
    unit: str = ""

    def into(self, wanted: str) -> Meaning:
        """Return what it means in the registry's unit."""
        factors = conversion(self.unit, wanted) if self.unit and wanted else None
        if factors is None:
            return self
        return replace(self, scale=self.scale * factors[0], offset=self.offset * factors[0] + factors[1])

    @property
    def plain(self) -> bool:
        """Whether numbers stay as they are."""
        return self.scale == 1 and not (
            self.offset or self.sentinels or self.blanks or self.invert or self.words or self.text
        )

    def value(self, raw: Any) -> float | None:
        """Return what was sent as a value, None = there is none; raises Refusal."""
        if isinstance(raw, str):
            raw = self._from_text(raw)
            if raw is None:
                return None
        elif self.words and isinstance(raw, int):
            raw = self.words.get(_code(raw), raw)
        number = as_value(raw)
        for sentinel in self.sentinels:
            if math.isclose(number, sentinel, rel_tol=1e-7, abs_tol=1e-9):
                raise Refusal(Reason.SENTINEL, f"{number:g} stands for no value")
        if self.invert:
            number = 1.0 - number
        if self.scale == 1 and not self.offset:
            return number
        return rounded(number * self.scale + self.offset)

    def _from_text(self, raw: str) -> Any:
        word = raw.strip()
        if word in self.words:
            return self.words[word]
        if word in self.blanks:
            raise Refusal(Reason.SENTINEL, f"{brief(word)} stands for no value")
        if self.text and not word:
            return None
        measured = self.measured(word)
        return raw if measured is None else measured[0]

    def reads(self, text: str) -> bool:
        """Whether a text is a number, a word that stands for one, or one for "no value"."""
        word = text.strip()
        return word in self.words or word in self.blanks or self.measured(word) is not None

    def measured(self, text: str) -> tuple[float, str] | None:
        """Return the number and the unit, "" for none, of a text; None when it is not meant to be one."""
        if not self.text or len(text) > LONGEST_CACHED or text.strip() in self.words:
            return None
        if self.decimal == ",":
            text = text.translate(_SWAPPED)
        match = _MEASURED.fullmatch(text)
        if match is None or not (match[2] == "" or is_unit(match[2])):
            return None
        return float(match[1].replace(",", "")), match[2]


def _code(raw: int) -> str:
    """Return a number that is a code, or true and false, as a table writes it."""
    return str(raw).lower() if isinstance(raw, bool) else str(raw) if abs(raw) < 1 << 64 else ""


AS_IS = Meaning()


class Names:
    """A table of foreign names.

    assume : what a name of the format means where no table says so
    seen : filled with (foreign name, unit as sent) of every series that was found, for whoever wants to show it
    units : of the registry, by series
    """

    def __init__(
        self, table: Table | None = None, assume: Callable[[str], Meaning | None] = lambda _name: None,
        *, seen: Seen | None = None,
    ) -> None:  # fmt: skip
        body = table.body if table else {}
        common = common_of(table, body) if table else AS_IS
        self.own = {name: _meaning(table, name, spec, common) for name, spec in _names(table, body).items()}
        self.profiles = {
            profile: {name: _meaning(table, name, spec, common) for name, spec in names.items()}
            for profile, names in (table.table(body, "profile") if table else {}).items()
        }
        if table:
            table.only(body, "title", *COMMON, "names", "profile")
        self.assume = assume
        self.common = common
        self.seen = seen
        self.units: Sequence[str] = ()

    def find(self, device: Device, name: str, unit: str = "") -> tuple[int, Meaning] | None:
        """Return the series of a foreign name and what it means; None when the device has no such series.

        unit : as the message gives it; goes before that of a table
        """
        name = name.strip()
        own = self.profiles.get(device.profile, {}).get(name) or self.own.get(name)
        # What a person wrote is meant; what we assume gives way to a series of that very name.
        tries = [own] if own else [self.assume(name), self.common]
        for meaning in tries:
            if meaning is None:
                continue
            series = device.series.get(meaning.signal or name)
            if series is None and not meaning.signal:
                series = device.series.get(spelled(name))
            if series is not None:
                sent = replace(meaning, unit=unit) if unit else meaning
                if self.seen is not None:
                    self.seen[series] = name, sent.unit
                return series, sent.into(self.units[series] if series < len(self.units) else "")
        return None


class Channels(dict[str | tuple[str, str], tuple[int, Meaning]]):
    """Foreign name, or (name, unit), → (series, meaning) of one device; learned as they come.

    strangers : names that are known to have no series
    """

    __slots__ = ("device", "names", "strangers")

    def __init__(self, device: Device, names: Names) -> None:
        super().__init__()
        self.device, self.names = device, names
        self.strangers: set[str | tuple[str, str]] = set()

    def __missing__(self, name: str | tuple[str, str]) -> tuple[int, Meaning]:
        if name in self.strangers:
            raise KeyError(name)
        named = (name, "") if isinstance(name, str) else name
        found = self.names.find(self.device, *named)
        if len(named[0]) <= LONGEST_CACHED:
            self._remember(name, found)
        if found is None:
            raise KeyError(name)
        return found

    def _remember(self, name: str | tuple[str, str], found: tuple[int, Meaning] | None) -> None:
        if len(self) + len(self.strangers) >= MOST_CACHED:
            self.clear()
            self.strangers.clear()
        if found is None:
            self.strangers.add(name)
        else:
            self[name] = found


class Readings:
    """What one device says in one message, under foreign names.

    Such a message often holds more than the registry wants: a name without a series is only counted, unless no
    name of the message has one.
    """

    def __init__(self, gateway: int, channels: Channels, columns: Columns) -> None:
        self.gateway, self.channels, self.columns = gateway, channels, columns
        self.unclaimed: list[str] = []
        self.n_known = 0

    def take(
        self, name: str, raw: Any, t: int = ABSENT, quality: Quality = Quality.GOOD,
        *, times: float = 1.0, unit: str = "",
    ) -> None:  # fmt: skip
        """Take one reading, or leave a reject; None is no reading.

        times : a ratio of the device's own · unit : as the message gives it
        """
        channels, key = self.channels, (name, unit) if unit else name
        known = key in channels or key in channels.strangers
        self.columns.spend(_TAKE_US if known else _TAKE_US + _FIND_US, self.gateway)
        if raw is None:
            return
        try:
            series, meaning = channels[key]
        except KeyError:
            self.unclaimed.append(name)
            return
        self.n_known += 1
        value: float | None
        if meaning is AS_IS and raw.__class__ is float and -LARGEST_VALUE <= raw <= LARGEST_VALUE:
            value = raw
        else:
            try:
                if raw.__class__ is str and meaning.text:
                    raw, series, meaning = self._measured(name, raw, series, meaning)
                value = meaning.value(raw)
            except Refusal as refusal:
                self.refuse(refusal.reason, f"{brief(name)}: {refusal.detail}")
                return
        if value is not None:
            self.columns.add(series, t, value if times == 1 else rounded(value * times))
            if quality is not Quality.GOOD:
                self.columns.mark(1, quality)

    def _measured(self, name: str, raw: str, series: int, meaning: Meaning) -> tuple[Any, int, Meaning]:
        """Return a number that was sent with its unit, and what it means in that unit."""
        measured = meaning.measured(raw)
        if measured is None or not measured[1]:
            return raw, series, meaning
        return measured[0], *self.channels[name, measured[1]]

    def refuse(self, reason: Reason, detail: str) -> None:
        """Reject one reading."""
        self.columns.reject(self.gateway, reason, detail)

    def close(self) -> None:
        """Say what nobody asked for."""
        if self.unclaimed and not self.n_known:
            names = ", ".join(brief(name) for name in self.unclaimed[:4])
            has = some(self.channels.device.series)
            self.refuse(Reason.UNKNOWN_SERIES, f"none of {names} is a signal of the device, which has {has}")
        else:
            self.columns.unclaimed += len(self.unclaimed)


def rounded(number: float) -> float:
    """Return a product without the noise of binary fractions: 2201 * 0.1 is 220.1."""
    return float(f"{number:.15g}")


def spelled(name: str) -> str:
    """Return a name as the registry would spell it: `Dust/DP` → `dust_dp`, `hopperTemp` → `hopper_temp`."""
    return _OTHER.sub("_", _CAMEL.sub("_", name).lower()).strip("_")


def load_names(name: str, seen: Seen | None = None, **more: Any) -> Names:
    """Return a table of names by its file; "" = none.  Raises ConfigError."""
    return Names(read_table(Path(name)) if name else None, seen=seen, **more)


def common_of(table: Table, body: Mapping[str, Any]) -> Meaning:
    """Return what a table says of all its names; AS_IS when that is nothing."""
    return (
        meaning_of(table, "all names", {key: body[key] for key in COMMON if key in body})
        if any(key in body for key in COMMON)
        else AS_IS
    )


def _names(table: Table | None, body: Mapping[str, Any]) -> Mapping[str, Any]:
    return table.table(body, "names") if table else {}


def _meaning(table: Table | None, name: str, spec: Any, common: Meaning) -> Meaning:
    assert table is not None
    return meaning_of(table, name, {"signal": spec} if isinstance(spec, str) else spec, common=common)


def meaning_of(table: Table, name: str, spec: Any, *, common: Meaning = AS_IS) -> Meaning:
    """Return what a table says about a name; raises ConfigError."""
    if not isinstance(spec, Mapping):
        table.refuse(name, f"found {spec!r}, expected a signal or a table", 'Write "name" = "signal"')
    none = table.items(spec, "sentinels")
    words = {str(word): float(number) for word, number in table.table(spec, "words").items()}
    return Meaning(
        signal=table.word(spec, "signal"),
        scale=table.number(spec, "scale", 1.0),
        offset=table.number(spec, "offset", 0.0),
        sentinels=table.numbers({"sentinels": [one for one in none if not isinstance(one, str)]}, "sentinels")
        + common.sentinels,
        blanks=common.blanks | {one.strip() for one in none if isinstance(one, str)},
        invert=table.flag(spec, "invert"),
        words={**common.words, **words},
        text=table.flag(spec, "text", default=common.text),
        decimal=table.word(spec, "decimal", common.decimal),
        unit=table.word(spec, "unit"),
    )
