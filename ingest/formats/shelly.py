"""Shelly: generation 1 topics and status, generation 2 and later RPC; docs/wire.md §7.

    shellies/{device}/emeter/0/power         52.5                                 one reading, the topic names it
    {device}/status/switch:0                 {"id": 0, "output": true, "apower": 8.9, …}
    {device}/events/rpc                      {"src", "method": "NotifyStatus", "params": {"ts", "switch:0": {…}}}
    {device}/rpc, or the answer's own topic  {"src", "result": {"em:0": {…}, "sys": {"unixtime"}}}
    HTTP /status of generation 1             {"unixtime", "emeters": [{…}], "relays": […]}

Foreign names are paths without what counts: `em:0/a_current`, `emeters/0/power`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from core.batch import Quality
from core.reject import Reason
from ingest.columns import ABSENT, Columns, Message
from ingest.feed import Feed
from ingest.formats.body import parse_loose
from ingest.formats.contract import Refusal, Refusing, as_time, brief
from ingest.formats.names import Meaning, Readings, load_names
from ingest.formats.place import Places
from registry.catalog import Catalog

DEFAULT = Feed("shellies/{device}/#", "shelly")
_WORDS = {"on": 1.0, "off": 0.0, "open": 1.0, "close": 0.0, "true": 1.0, "false": 0.0, "overpower": 1.0}
_NUMBER = re.compile(rb"\s*-?\d+(?:\.\d+)?\s*")
_PHASES = "abc"
_GEN1 = {
    "power": ("active_power", "W"), "reactive_power": ("reactive_power", "var"), "voltage": ("voltage", "V"),
    "current": ("current", "A"), "pf": ("power_factor", ""), "total": ("active_energy", "Wh"),
    "total_returned": ("returned_energy", "Wh"),
}  # fmt: skip
_GEN2 = {
    "current": ("current", "A"), "voltage": ("voltage", "V"), "act_power": ("active_power", "W"),
    "aprt_power": ("apparent_power", "VA"), "pf": ("power_factor", ""), "freq": ("frequency", "Hz"),
    "apower": ("active_power", "W"), "total_act_energy": ("active_energy", "Wh"),
    "total_act_ret_energy": ("returned_energy", "Wh"), "total_act": ("active_energy", "Wh"),
    "total_act_ret": ("returned_energy", "Wh"), "aenergy/total": ("active_energy", "Wh"),
    "ret_aenergy/total": ("returned_energy", "Wh"),
}  # fmt: skip
# Sensors: path, signal and unit; what is hot inside of a switch has none.
_SENSORS = {
    "temperature:0/tC": ("temperature", "℃"), "temperature:100/tC": ("temperature", "℃"),
    "humidity:0/rh": ("humidity", "%"), "humidity:100/rh": ("humidity", "%"),
    "sensor/temperature": ("temperature", ""), "sensor/humidity": ("humidity", "%"),
}  # fmt: skip
# What a component reports when its values are none; other errors (too hot, no load) leave them right.
_UNREAD = ("power_meter_failure", "out_of_range", "read")
_NO_READINGS = frozenset(("online", "announce", "command", "set", "input_event"))
_TOPIC = re.compile(r"(?:^|/)(?:status/(?P<component>[a-z0-9_]+(?::\d+)?)|events/rpc|rpc|debug/.*)$")
# Parts of a status that describe the device and not what it measures.
_SYSTEM = frozenset((
    "ble", "cloud", "eth", "modbus", "mqtt", "sys", "wifi", "ws", "wifi_sta", "actions_stats", "update", "unixtime",
    "serial", "has_update", "cfg_changed_cnt", "fs_mounted", "v_data", "ct_calst", "uptime", "ts", "id", "time", "mac",
    "ram_total", "ram_free", "fs_size", "fs_free", "timer_started", "timer_duration", "timer_remaining", "has_timer",
    "is_valid", "user_calibrated_phase", "new_fw", "timestamp", "minute_ts", "by_minute", "errors", "mismatch", "data",
))  # fmt: skip
MOST_DEPTH = 6


class ShellyFormat:
    """See the module."""

    def __init__(self, feed: Feed = DEFAULT) -> None:
        self.feed = feed
        self.places = Places(load_names(feed.names, assume=assume))

    def decode(self, message: Message, catalog: Catalog, columns: Columns) -> None:
        """Put what the open message says into the columns."""
        self.places.follow(catalog)
        parts = self.feed.parts(message.topic)
        path = _path(message.topic, parts["device"])
        before = columns.so_far
        with Refusing(columns, self.places.owner(parts["gateway"])):
            if not _NO_READINGS.isdisjoint(path.split("/")) or parts["device"] == "announce":
                pass
            elif message.payload.lstrip().startswith((b"{", b"[")):
                self._take(parse_loose(message.payload), path, parts, columns)
            else:
                self._take_one(path, _scalar(message.payload), parts, columns)
        if columns.so_far == before:
            columns.statuses += 1

    def _take_one(self, path: str, raw: Any, parts: dict[str, str], columns: Columns) -> None:
        readings = self.places.find(parts["gateway"], parts["device"]).readings(columns)
        readings.take(_plural(path), raw)
        readings.close()

    def _take(self, body: Any, path: str, parts: dict[str, str], columns: Columns) -> None:
        if not isinstance(body, dict):
            raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: expected an object")
        source = body.get("src")
        device = parts["device"] or (source if isinstance(source, str) else "")
        status: Any = body
        prefix = f"{path}/" if ":" in path else ""
        if "method" in body or "result" in body or "params" in body or "error" in body:
            if body.get("method") not in (None, "NotifyStatus", "NotifyFullStatus") or "error" in body:
                return
            status, prefix = body.get("params", body.get("result")), ""
        if not isinstance(status, dict):
            raise Refusal(Reason.BAD_SHAPE, f"{brief(body)}: holds no status")
        leaves = _leaves(status, prefix)
        first = next(leaves, None)
        if first is None:
            return
        origin = self.places.find(parts["gateway"], device or _mac(status))
        with Refusing(columns, origin.gateway):
            readings, t = origin.readings(columns), _time(status)
            _take_leaves(chain([first], leaves), t, readings=readings)
            readings.close()


def _path(topic: str, device: str) -> str:
    """Return what a topic says behind the device: `emeter/0/power`, `switch:0`, "" for a whole status."""
    if match := _TOPIC.search(topic):
        return match["component"] or ""
    levels = topic.split("/")
    at = levels.index(device) if device in levels else 1 if levels[0] == "shellies" else -1
    return "/".join(levels[at + 1 :])


def assume(name: str) -> Meaning | None:
    """Return what a path means where no table says so."""
    component, _, rest = name.partition("/")
    kind, _, number = component.partition(":")
    if component == "meters":
        return _METERS.get(rest)
    if component == "emeters":
        number, _, what = rest.partition("/")
        if what in _GEN1 and number.isdigit() and int(number) < len(_PHASES):
            signal, unit = _GEN1[what]
            return Meaning(f"{signal}_{_PHASES[int(number)]}", unit=unit)
        return Meaning(unit="Wmin") if what == "energy" else None  # since it was started, beside the total
    if component == "relays" or (component == "relay" and rest.isdigit()):
        return Meaning(words=_WORDS)
    if name in _SENSORS:
        return Meaning(_SENSORS[name][0], unit=_SENSORS[name][1])
    if number not in ("", "0"):
        return None  # another circuit than the first: what it is must be said
    if kind in ("em", "em1", "emdata", "em1data", "switch", "pm1", "cover", "light") and rest:
        return _second(kind, rest)
    return Meaning("active_power", unit="W") if name == "total_power" else _second("", name)


# Of a plug with one meter: power in W, and energy in watt-minutes.
_METERS = {"0/power": Meaning("active_power", unit="W"), "0/total": Meaning("active_energy", unit="Wmin")}


def _second(kind: str, rest: str) -> Meaning | None:
    """Return what a value of a component of generation 2 is: `a_current`, `total_act_power`, `apower`."""
    phase, _, what = rest.partition("_")
    if phase in ("a", "b", "c", "n") and what in _GEN2:
        signal, unit = _GEN2[what]
        return Meaning(f"{signal}_{phase}", unit=unit)
    if rest.removeprefix("total_") in _GEN2 and rest.startswith("total_") and rest not in _GEN2:
        signal, unit = _GEN2[rest.removeprefix("total_")]
        return Meaning("current_total" if signal == "current" else signal, unit=unit)
    if rest in _GEN2:
        signal, unit = _GEN2[rest]
        single = signal in ("current", "voltage") and kind != "em"
        return Meaning(f"{signal}_a" if single else signal, unit=unit)
    return None


def _take_leaves(leaves: Iterable[tuple[str, Any, bool]], t: int, *, readings: Readings) -> None:
    for name, raw, valid in leaves:
        if raw is None:
            readings.columns.spend(1, readings.gateway)
            continue
        readings.take(name, raw, t, Quality.GOOD if valid else Quality.BAD)


def _leaves(
    node: Any, prefix: str, *, valid: bool = True, depth: int = 0
) -> Iterator[tuple[str, bool | int | float | None, bool]]:
    """Yield the numbers below a status by their paths, and whether their part says that it is valid; None for parts."""
    if isinstance(node, list):
        node = {str(place): one for place, one in enumerate(node[:64]) if isinstance(one, dict)}
    if not isinstance(node, dict) or depth > MOST_DEPTH:
        return
    valid = valid and node.get("is_valid") is not False and not _failed(node.get("errors"))
    failed = [
        key.removesuffix("errors") for key, errors in node.items() if key[1:] == "_errors" and _failed(errors)
    ]
    for key, value in node.items():
        if key in _SYSTEM:
            continue
        if isinstance(value, dict | list):
            yield prefix, None, valid
            yield from _leaves(value, f"{prefix}{key}/", valid=valid, depth=depth + 1)
        elif isinstance(value, bool | int | float):
            yield f"{prefix}{key}", value, isinstance(value, bool) or (valid and key[:2] not in failed)


def _failed(errors: Any) -> bool:
    """Whether a component says that it could not measure."""
    return isinstance(errors, list) and any(
        isinstance(one, str) and one.startswith(_UNREAD) for one in errors[:16]
    )


def _time(status: dict[str, Any]) -> int:
    """Return when a status is from: its own `ts`, else the device's clock; 0 means that it has no time yet."""
    system = status.get("sys")
    for found in (
        status.get("ts"),
        status.get("unixtime"),
        system.get("unixtime") if isinstance(system, dict) else None,
    ):
        if found:
            return as_time(found)
    return ABSENT


def _mac(status: dict[str, Any]) -> str:
    """Return the hardware address, for a status that came without a topic or a source."""
    system = status.get("sys")
    found = status.get("mac") or (system.get("mac") if isinstance(system, dict) else "")
    return found if isinstance(found, str) else ""


def _plural(path: str) -> str:
    """Return a topic of generation 1 as the path of the same value in a status: emeter/0/power → emeters/0/power."""
    head, _, rest = path.partition("/")
    if head == "relay" and rest.endswith(("/power", "/energy")):
        return f"meters/{rest}".replace("/energy", "/total")
    return f"{head}s/{rest}" if head in ("emeter", "meter") else path


def _scalar(payload: bytes) -> Any:
    if _NUMBER.fullmatch(payload):
        return float(payload)
    text = payload[:40].decode("utf-8", "replace").strip()
    return None if text == "null" else _WORDS.get(text, text)
