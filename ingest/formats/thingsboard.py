"""ThingsBoard's gateway telemetry, docs/wire.md §3: `{"Device": [{"ts": ms, "values": {"signal": 1.5}}]}`.

The topic names no gateway and the payload only devices: one is found by its code alone, where that is unique.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import DecodeError, Meta, Struct, ValidationError
from msgspec.json import Decoder

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.formats.contract import Refusal, Refusing, Sender, as_time, as_value, brief, known, parse_json
from ingest.instant import LARGEST
from registry.catalog import Catalog


class Entry(Struct, gc=False):
    """The readings of one device at one instant."""

    values: dict[str, float | bool]
    ts: Annotated[int, Meta(ge=0, le=LARGEST)] = ABSENT


class ThingsBoardFormat:
    """See the module; keeps what a device is until the catalog changes."""

    def __init__(self) -> None:
        self._body = Decoder(dict[str, list[Entry]]).decode
        self._catalog: Catalog | None = None
        self._senders: dict[str, Sender] = {}

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        if catalog is not self._catalog:
            self._senders, self._catalog = {}, catalog
        try:
            taken = self._take(message, columns)
        except (KeyError, ValidationError, DecodeError, UnicodeDecodeError, RecursionError):
            taken = False
        if not taken:
            columns.undo()
            self._take_slowly(message, columns)

    def _find(self, name: str) -> Sender | None:
        sender = self._senders.get(name)
        if sender is None and self._catalog is not None:
            device = self._catalog.device_by_name.get(name)
            if device is not None:
                sender = self._senders[name] = Sender(device.gateway, dict(device.series))
        return sender

    def _take(self, message: Message, columns: Columns) -> bool:
        """Take a message that is right in every reading; say False, or raise KeyError, for anything else."""
        for name, entries in self._body(message.payload).items():
            sender = self._find(name)
            if sender is None:
                return False
            for entry in entries:
                columns.series += [sender.series[signal] for signal in entry.values]
                columns.t += [entry.ts] * len(entry.values)
                columns.value += entry.values.values()
        return True

    def _take_slowly(self, message: Message, columns: Columns) -> None:
        """Take what can be taken, and reject the rest; a device that is not known is one piece."""
        with Refusing(columns, 0):
            body = parse_json(message.payload)
            if not isinstance(body, dict):
                raise Refusal(Reason.BAD_SHAPE, f'{brief(body)}: expected {{"device": [...]}}')
            for name, entries in body.items():
                sender = self._find(name)
                with Refusing(columns, sender.gateway if sender else 0):
                    if sender is None:
                        raise Refusal(Reason.UNKNOWN_DEVICE, f"no device {brief(name)}, or more than one")
                    if not isinstance(entries, list):
                        raise Refusal(Reason.BAD_SHAPE, f"{brief(name)}: {brief(entries)}, expected an array")
                    for entry in entries:
                        _take_entry_slowly(entry, sender, columns)


def _take_entry_slowly(entry: Any, sender: Sender, columns: Columns) -> None:
    """Take one element of a device's array; without `values` it holds its values directly."""
    refusing = Refusing(columns, sender.gateway)
    with refusing:
        if not isinstance(entry, dict):
            raise Refusal(Reason.BAD_SHAPE, f'{brief(entry)}: expected {{"ts": ms, "values": {{...}}}}')
        values, ts = entry.get("values", entry), entry.get("ts") if "values" in entry else None
        if not isinstance(values, dict):
            raise Refusal(Reason.BAD_SHAPE, f"values = {brief(values)}: expected an object")
        t = ABSENT if ts is None else as_time(ts)
        for signal, value in values.items():
            with refusing:
                columns.add(known(signal, sender), t, as_value(value))
