"""Readers: the formats of all sources, made from their files; made anew, without losing anything, when these change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from core.errors import ConfigError
from ingest.feed import Feed
from ingest.formats.contract import Adopting, Format
from ingest.formats.dlt645 import Dlt645Format
from ingest.formats.hj212 import Hj212Format
from ingest.formats.mapping import MappingFormat
from ingest.formats.mapping_file import mapping_path
from ingest.formats.modbus import ModbusFormat
from ingest.formats.native import NativeFormat
from ingest.formats.neuron import NeuronFormat
from ingest.formats.senml import SenmlFormat
from ingest.formats.shelly import ShellyFormat
from ingest.formats.sparkplug import SparkplugFormat
from ingest.formats.tasmota import TasmotaFormat
from ingest.formats.thingsboard import ThingsBoardFormat
from ingest.guard import Guarded, names_sender

FORMATS: Mapping[str, Callable[[Feed], Format]] = MappingProxyType({
    "native": NativeFormat,
    "thingsboard": ThingsBoardFormat,
    "hj212": Hj212Format,
    "sparkplug": SparkplugFormat,
    "senml": SenmlFormat,
    "tasmota": TasmotaFormat,
    "shelly": ShellyFormat,
    "neuron": NeuronFormat,
    "mapping": MappingFormat,
    "dlt645": Dlt645Format,
    "modbus": ModbusFormat,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Reader:
    """One source and its format; `files` is a hash of what its mapping and names say."""

    feed: Feed
    files: str
    form: Format

    @property
    def place(self) -> tuple[str, str]:
        """Whose successor a reader is: that of the same topics in the same format."""
        return self.feed.subscription, self.feed.format


def read_sources(
    feeds: Iterable[Feed], *, identified: bool = False, before: Sequence[Reader] = ()
) -> tuple[Reader, ...]:
    """Return a reader for each feed, by precedence; raises ConfigError on what cannot be used.

    identified : topics that name no gateway are for few (ingest/guard.py)
    before : readers in force; one that would be the same again goes on as it is
    """
    known = {(reader.feed, reader.files): reader for reader in before}
    found = []
    for feed in feeds:
        files = _hash_of(feed)
        found.append(known.get((feed, files)) or Reader(feed, files, _guarded(feed, identified=identified)))
    return tuple(found)


def succeed(readers: Sequence[Reader], before: Sequence[Reader]) -> None:
    """Hand on what formats have learned from messages (births, packets that wait) to those that replace them."""
    old = {reader.place: reader.form for reader in before}
    for reader in readers:
        form = old.get(reader.place)
        if form is not None and form is not reader.form and isinstance(reader.form, Adopting):
            reader.form.adopt(form)


def make_format(feed: Feed) -> Format:
    """Return the format of a feed; raises ConfigError."""
    make = FORMATS.get(feed.format)
    if make is None:
        raise ConfigError(
            f"[[sources]] {feed.filter} format", f"no format is called {feed.format!r}",
            f"Use one of {', '.join(FORMATS)}",
        )  # fmt: skip
    return make(feed)


def files_of(feed: Feed) -> Iterator[Path]:
    """Yield the files that a feed names; raises ConfigError for a mapping that is none."""
    if feed.mapping:
        yield mapping_path(feed.mapping)
    if feed.names:
        yield Path(feed.names)


def _hash_of(feed: Feed) -> str:
    try:
        return hashlib.sha256(b"\0".join(path.read_bytes() for path in files_of(feed))).hexdigest()
    except OSError:
        return ""  # whoever reads it next says what is wrong


def _guarded(feed: Feed, *, identified: bool) -> Format:
    """Return the format of a feed, behind a check where the topic does not tell who sent."""
    form = make_format(feed)
    return Guarded(form) if identified and not names_sender(feed) else form
