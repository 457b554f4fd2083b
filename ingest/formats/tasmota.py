"""Tasmota: `tele/{device}/SENSOR` and `…/STATE`, `stat/{device}/STATUS8` and `…/STATUS10`, docs/wire.md §7.

Foreign names are paths, `ENERGY/Power`, `DS18B20/Temperature`; of an array with the phase's number, `ENERGY/Power/1`.
Any sensor, whatever its name, is read the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats.contract import Refusal, Refusing, brief, parse_json
from ingest.formats.names import Meaning, load_names
from ingest.formats.place import Places
from ingest.formats.when import as_instant
from registry.catalog import Catalog

DEFAULT = Feed("tele/{device}/+", "tasmota")
_WITHOUT_READINGS = ("LWT", "INFO", "UPTIME", "POWER", "RESULT", "LOGGING", "STATUS")
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
# What describes the sensor and is no reading of it.
_ABOUT = frozenset(
    ("Id", "Type", "TotalStartTime", "TempUnit", "PressureUnit", "SpeedUnit", "Time", "Epoch", "Wifi")
)
MOST_DEPTH = 6


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
        if last.startswith(_WITHOUT_READINGS) and last not in ("STATUS8", "STATUS10", "STATUS11"):
            columns.statuses += 1
            return
        with Refusing(columns, self.places.owner(parts["gateway"])):
            body = parse_json(message.payload)
            body = body.get("StatusSNS", body.get("StatusSTS", body)) if isinstance(body, dict) else body
            if not isinstance(body, dict):
                raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: expected an object")
            origin = self.places.find(parts["gateway"], parts["device"])
            readings = origin.readings(columns)
            with Refusing(columns, origin.gateway):
                t = as_instant(body["Time"], origin.zone) if "Time" in body else ABSENT
                for name, raw in _leaves(body):
                    if raw is None:
                        columns.spend(1, origin.gateway)
                        continue
                    unit = body.get(_UNITS.get(name.rpartition("/")[2], ""), "")
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
