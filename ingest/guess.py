"""Guess: which format a message is of, by its topic and its bytes; for people who look at one, never for the intake."""

from __future__ import annotations

import re
from typing import Any

from ingest.columns import Message
from ingest.feed import Feed
from ingest.formats import dlt645, hj212, modbus, neuron, senml, shelly, sparkplug, tasmota, thingsboard
from ingest.formats.contract import Refusal, parse_json
from ingest.formats.frame_bytes import frame_bytes
from ingest.formats.hj212_frame import crc_modbus
from ingest.formats.mapping import stripped
from ingest.formats.mapping_file import Mapping, load_mapping, shipped
from ingest.formats.pointer import MISSING, Place, find, is_open, places, seek, walk
from ingest.formats.sparkplug_wire import read
from ingest.formats.template import Template

NATIVE = Feed("fs/v1/{gateway}/{device}", "native")
DEFAULTS = {
    feed.format: feed
    for feed in (
        NATIVE, thingsboard.DEFAULT, hj212.DEFAULT, sparkplug.DEFAULT, senml.DEFAULT, tasmota.DEFAULT,
        shelly.DEFAULT, neuron.DEFAULT, dlt645.DEFAULT, modbus.DEFAULT,
    )
}  # fmt: skip
_TOPICS = (
    (r"spBv1\.0/", "sparkplug"), (r"fs/v1/", "native"), (r"v1/(gateway|devices)/", "thingsboard"),
    (r"(tele|stat)/|.*/(tele|stat)/", "tasmota"), (r"shellies/|.*/(rpc|events/rpc|status/.*)$", "shelly"),
    (r"/?neuron/", "neuron"),
)  # fmt: skip
# Where else the messages of a format may be published.
_ALSO = {
    "tasmota": ("stat/{device}/+", "{device}/tele/+", "{device}/stat/+"),
    "shelly": ("{device}/events/rpc", "{device}/status/#"),
    "neuron": ("/neuron/{gateway}/#", "neuron/{gateway}/#"),
}
_SENML = {"bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut"}
# What a mapping must have in common with a message, at least, to be the one.
_ENOUGH = 1.5
# Mappings that fit any vendor: for what no other fits.
_ANY = ("flat_json", "dtu_flat", "flat_array")


def guess(message: Message) -> tuple[str, str]:
    """Return (format, mapping), ("", "") when nothing fits."""
    for pattern, form in _TOPICS:
        if re.match(pattern, message.topic):
            return form, ""
    found = _by_bytes(message.payload)
    if found:
        return found, ""
    try:
        body = parse_json(message.payload)
    except Refusal:
        return "", ""
    form = _by_shape(body)
    if form:
        return form, ""
    name = best_mapping(body, message.topic) or ("flat_json" if _is_plain(body) else "")
    if not name and isinstance(body, list) and body and all(_is_plain(one) for one in body[:8]):
        name = "flat_array"
    return ("mapping", name) if name else ("", "")


def _is_plain(body: Any) -> bool:
    """Whether a message is an object of numbers and texts, nothing deeper."""
    return (
        isinstance(body, dict)
        and bool(body)
        and not any(isinstance(one, dict | list) for one in body.values())
    )


def _by_bytes(payload: bytes) -> str:
    if re.match(rb"\s*(##\d{4}|(QN|ST|CN)=\d+;)", payload):
        return "hj212"
    if payload.lstrip()[:1] in (b"{", b"["):
        return ""
    raw = frame_bytes(payload)
    body = raw.lstrip(b"\xfe")
    if body[:1] == b"\x68" and body[7:8] == b"\x68":
        return "dlt645"
    if len(raw) >= 5 and crc_modbus(raw[:-2]) == int.from_bytes(raw[-2:], "little"):
        return "modbus"
    if raw and 0x80 <= raw[0] <= 0x9F:
        return "senml"
    try:
        return "sparkplug" if raw[:1] in (b"\x08", b"\x12") and read(raw).seq >= -1 else ""
    except Refusal:
        return ""


def _by_shape(body: Any) -> str:
    first = body[0] if isinstance(body, list) and body else body
    if not isinstance(first, dict):
        return ""
    keys = first.keys()
    if isinstance(body, list) and keys <= _SENML and keys & {"n", "bn"}:
        return "senml"
    rows = first.get("readings")
    rows_of_ours = isinstance(rows, list) and all(isinstance(one, dict) and "m" in one for one in rows[:8])
    if {"m", "v"} <= keys or rows_of_ours or {"t0", "series"} <= keys:
        return "native"
    if {"StatusSNS", "ENERGY", "ZbReceived"} & keys or (
        "Time" in keys and any(isinstance(one, dict) for one in first.values())
    ):
        return "tasmota"
    if keys & {"emeters", "relays", "apower", "a_act_power"} or (
        "src" in keys and keys & {"params", "result"}
    ):
        return "shelly"
    if "tags" in keys or ({"node", "values"} <= keys and "group" in keys):
        return "neuron"
    if {"ts", "values"} <= keys or all(_are_entries(one) for one in first.values()):
        return "thingsboard"
    return ""


def _are_entries(entries: Any) -> bool:
    """Whether an array is what a gateway of ThingsBoard says of a device."""
    return isinstance(entries, list) and all(
        isinstance(one, dict) and ("values" in one or _is_plain(one)) for one in entries[:8]
    )


def best_mapping(body: Any, topic: str = "") -> str:
    """Return the shipped mapping that has most in common with a message and its topic, "" when none has enough."""
    try:
        body = stripped(body)
    except Refusal:
        return ""
    scores = {}
    for name in shipped():
        mapping = load_mapping(name)
        likeness = _likeness(mapping, body)
        scores[name] = likeness + 3 * (likeness > 0 and _fits(mapping.topic, topic))
    for names in (scores.keys() - set(_ANY), _ANY):
        name = max(sorted(names), key=lambda one: scores[one])
        if scores[name] >= _ENOUGH:
            return name
    return ""


def _likeness(mapping: Mapping, body: Any) -> float:
    """Return how many of a mapping's places are there; 0 when what it cannot do without is missing."""
    whole = Place((), body)
    place = next(places(whole, mapping.records), None)
    if mapping.form.kind != "json" or place is None:
        return 0
    record = place.node
    for pointer, values in mapping.only:
        found = seek(record, place.around, pointer)
        if found is MISSING or not (found in values or "*" in values):
            return 0
    if mapping.device and not any(_is_there(one, place) for one in mapping.device):
        return 0
    n_times = sum(_is_there(one, place) for one in mapping.time)
    n_readings = sum(any(True for _ in walk(record, reading.pointer)) for reading in mapping.readings)
    n_listed = sum(any(True for _ in walk(record, one.each)) for one in mapping.lists)
    n_named = sum(
        len(members.keys() & mapping.names.own.keys())
        for pointer in mapping.flat
        if isinstance(members := find(record, pointer), dict)
    )
    if mapping.time and not n_times + n_readings + n_named:
        return 0
    if not n_readings + n_listed + _n_flat(mapping, record):
        return 0
    specific = 2 * bool(mapping.device) + 2 * n_times + n_readings + 3 * n_listed + n_named
    return specific / (1 if mapping.device or n_readings or n_listed or n_named else 1.2) if specific else 0


def _n_flat(mapping: Mapping, record: Any) -> int:
    """Return how many numbers a mapping would take by their own names."""
    return sum(
        isinstance(one, bool | int | float) and name not in mapping.ignore
        for pointer in mapping.flat
        if isinstance(members := find(record, pointer), dict)
        for name, one in members.items()
    )


def _is_there(template: Template, place: Place) -> bool:
    """Whether a message has what a template needs of it."""
    needed = [what for kind, what in template.parts if kind == "at" and not is_open(what)]
    return all(seek(place.node, place.around, pointer) is not MISSING for pointer in needed)


def feed_for(form: str, topic: str, *, mapping: str = "", names: str = "", key: str = "") -> Feed:
    """Return a feed that reads a message of this format on this topic."""
    pattern = load_mapping(mapping).topic if mapping and form == "mapping" else ""
    for named in (pattern, DEFAULTS[form].filter if form in DEFAULTS else "", *_ALSO.get(form, ())):
        if named and _fits(named, topic):
            return Feed(named, form, mapping, names, key=key)
    return Feed(topic, form, mapping, names, key=key)


def _fits(pattern: str, topic: str) -> bool:
    levels = [
        "#" if one == "#" else "[^/]+" if one[:1] in "{+" else re.escape(one) for one in pattern.split("/")
    ]
    text = "/".join(levels).replace("/#", "(/.*)?").replace("#", ".*")
    return re.fullmatch(text, topic) is not None


def topic_for(form: str, payload: bytes) -> str:
    """Return a topic for a message that came without one."""
    if form == "sparkplug":
        try:
            named = all(metric.name for metric in read(frame_bytes(payload)).metrics)
        except Refusal:
            named = False
        return f"spBv1.0/group/{'NBIRTH' if named else 'NDATA'}/node"
    return {
        "native": "fs/v1/gateway/device", "tasmota": "tele/device/SENSOR", "shelly": "device/status",
        "thingsboard": _thingsboard(payload) if form == "thingsboard" else "",
    }.get(form, form)  # fmt: skip


def _thingsboard(payload: bytes) -> str:
    try:
        body = parse_json(payload)
    except Refusal:
        return "v1/gateway/telemetry"
    of_gateway = isinstance(body, dict) and body and all(isinstance(one, list) for one in body.values())
    return "v1/gateway/telemetry" if of_gateway else "v1/devices/me/telemetry"
