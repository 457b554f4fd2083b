"""Tasmota: `tele/{device}/SENSOR` and `…/STATE`, `stat/{device}/STATUS8`, `…/RESULT`, `…/POWER`; docs/wire.md §7.

Foreign names are paths, `ENERGY/Power`, `DS18B20/Temperature`; of an array with the phase's number, `ENERGY/Power/1`.
Any sensor, whatever its name, is read the same way.  A Zigbee bridge reports devices of its own:
    {"ZbReceived": {"0x329F": {"Device": "0x329F", "Name": "T1", "Temperature": 27.89, "Endpoint": 1}}}
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats.body import parse_loose
from ingest.formats.contract import Refusal, Refusing, brief
from ingest.formats.names import Meaning, load_names
from ingest.formats.place import Origin, Places
from ingest.formats.when import as_instant
from registry.catalog import Catalog

DEFAULT = Feed("tele/{device}/+", "tasmota")
# What the last level of a topic begins with when there is nothing to read; STATUS has some parts with readings.
_WITHOUT_READINGS = ("LWT", "INFO", "UPTIME", "LOGGING", "MARGINS", "STATUS", "DISCOVERY")
_STATUS = ("STATUS0", "STATUS8", "STATUS10", "STATUS11")
# Of the answers to commands, these say what is; all others how the device is set.
_STATES = re.compile(r"POWER\d*|Switch\d+|ZbReceived|StatusS[NT]S|Time")
_POWER = re.compile(r"POWER\d*")
_NUMBER = re.compile(r"\s*[+-]?\d+(?:\.\d+)?\s*")
_WORDS = {"ON": 1.0, "OFF": 0.0, "Online": 1.0, "Offline": 0.0, "OPEN": 1.0, "CLOSED": 0.0}
_PHASES = "abc"
_ENERGY = {
    "Power": ("active_power", "W"), "ApparentPower": ("apparent_power", "VA"),
    "ReactivePower": ("reactive_power", "var"), "Factor": ("power_factor", ""), "Total": ("active_energy", "kWh"),
    "Frequency": ("frequency", "Hz"),
}  # fmt: skip
_PER_PHASE = {"Voltage": ("voltage", "V"), "Current": ("current", "A")}
_UNITS = {
    "Temperature": "TempUnit",
    "DewPoint": "TempUnit",
    "Pressure": "PressureUnit",
    "SeaPressure": "PressureUnit",
}
# What describes the sensor or the device, and is no reading of it.
_ABOUT = frozenset((
    "Id", "Type", "TotalStartTime", "TempUnit", "PressureUnit", "SpeedUnit", "Time", "Epoch", "Wifi", "Uptime",
    "UptimeSec", "Heap", "SleepMode", "Sleep", "LoadAvg", "MqttCount", "Berry", "Hostname", "IPAddress", "IP", "MAC",
    "Device", "Name", "Endpoint", "Group", "Cluster", "ModelId", "Manufacturer", "Model", "SMid", "ADCO",
))  # fmt: skip
MOST_DEPTH = 6
LONGEST_NUMBER = 24


class TasmotaFormat:
    """See the module."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        self.places = Places(load_names(feed.names, assume=assume))

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self.feed.parts(message.topic)
        last = message.topic.rpartition("/")[2]
        with Refusing(columns, self.places.owner(parts["gateway"])):
            if _POWER.fullmatch(last):
                self._take({last: message.payload[:16].decode("utf-8", "replace").strip()}, parts, columns)
            elif last.startswith(_WITHOUT_READINGS) and last not in _STATUS:
                columns.statuses += 1
            else:
                self._take(_read(message.payload, answer=last == "RESULT"), parts, columns)

    def _take(self, body: dict[str, Any], parts: dict[str, str], columns: Columns) -> None:
        before = columns.so_far
        found = [body[part] for part in ("StatusSNS", "StatusSTS") if isinstance(body.get(part), dict)]
        for part in found or [body]:
            bridged = part.pop("ZbReceived", None)
            if isinstance(bridged, dict):
                self._take_bridged(bridged, parts, columns)
            if any(key not in _ABOUT for key in part):
                origin = self.places.find(parts["gateway"], parts["device"])
                with Refusing(columns, origin.gateway):
                    _take_part(part, origin, columns)
        if columns.so_far == before:
            columns.statuses += 1

    def _take_bridged(self, bridged: dict[str, Any], parts: dict[str, str], columns: Columns) -> None:
        """Take what a Zigbee bridge heard: the bridge is the gateway, if the registry has one of its name."""
        bridge = parts["gateway"] or parts["device"]
        gateway = bridge if self.places.gateway(bridge) else parts["gateway"]
        for code, part in bridged.items():
            with Refusing(columns, self.places.owner(gateway)):
                columns.spend(5, self.places.owner(gateway))
                if not isinstance(part, dict):
                    raise Refusal(Reason.BAD_SHAPE, f"{brief(code)}: {brief(part)}, expected an object")
                name = part.get("Name")
                origin = self.places.find(gateway, name if isinstance(name, str) else code)
                with Refusing(columns, origin.gateway):
                    _take_part(part, origin, columns)


def _read(payload: bytes, *, answer: bool) -> dict[str, Any]:
    """Return the object of a message; of an answer to a command only what says how things are."""
    body = parse_loose(payload)
    if not isinstance(body, dict):
        raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: expected an object")
    return {key: value for key, value in body.items() if _STATES.fullmatch(key)} if answer else body


def _take_part(part: dict[str, Any], origin: Origin, columns: Columns) -> None:
    """Take the readings of one device."""
    readings = origin.readings(columns)
    t = as_instant(part["Time"], origin.zone) if part.get("Time") else ABSENT
    for name, raw in _leaves(part):
        if raw is None:
            columns.spend(1, origin.gateway)
            continue
        unit = part.get(_UNITS.get(name.rpartition("/")[2], ""), "")
        readings.take(name, raw, t, unit=unit if isinstance(unit, str) else "")
    readings.close()


def assume(name: str) -> Meaning | None:
    """Return what a path means where no table says so; the energy monitor's have names of the registry."""
    sensor, *path = name.split("/")
    if sensor == "ENERGY" and path:
        if path[0] in _ENERGY and len(path) == 1:
            signal, unit = _ENERGY[path[0]]
            return Meaning(signal, unit=unit)
        found = _PER_PHASE.get(path[0]) or _ENERGY.get(path[0])
        phase = path[1] if len(path) > 1 else "0"
        if found and len(path) <= 2 and phase.isdigit() and int(phase) < len(_PHASES):
            return Meaning(f"{found[0]}_{_PHASES[int(phase)]}", unit=found[1])
    return Meaning(words=_WORDS) if sensor.startswith(("Switch", "POWER", "Relay")) else None


def _leaves(node: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Yield the numbers and states below an object by their paths, and None for each object."""
    for key, value in node.items():
        name = f"{prefix}{key}"
        if key in _ABOUT or depth > MOST_DEPTH:
            continue
        if isinstance(value, dict):
            yield name, None
            yield from _leaves(value, name + "/", depth + 1)
        elif isinstance(value, list):
            for place, one in enumerate(value[:64]):
                if isinstance(one, bool | int | float):
                    yield f"{name}/{place}", one
        elif isinstance(value, bool | int | float) or (isinstance(value, str) and value in _WORDS):
            yield name, value
        elif isinstance(value, str) and len(value) <= LONGEST_NUMBER and _NUMBER.fullmatch(value):
            yield name, float(value)  # old versions sent every number as a text
