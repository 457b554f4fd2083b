"""From the tables to the catalog: plain SQL, so that the pipeline's process needs no Django.

`registry_version` is one row and says "look again"; the catalog's own version comes from its content.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import msgspec
import numpy as np
import psycopg
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from core.events import SubjectKind
from core.time import seconds
from registry import load_rota, load_rules, signals
from registry.catalog import Catalog, Contact, Device, Firm, Gateway, Limits, Subject

Row = tuple[Any, ...]

_VERSION = "SELECT version FROM registry_version WHERE id = 1"
_AREAS = "SELECT id, name, coalesce(parent_id, 0), code FROM registry_area ORDER BY id"
_ENTERPRISES = """SELECT id, name, name_en, area_id, active, code, coalesce(grade, 0), department
    FROM registry_enterprise ORDER BY id"""
_GATEWAYS = """SELECT id, code, enterprise_id, zone, lenient, active, messages_per_s, shared_topics
    FROM registry_gateway ORDER BY id"""
_DEVICES = """SELECT id, gateway_id, code, name_zh, name_en, place, profile, active
    FROM registry_device ORDER BY id"""
_SERIES = """SELECT id, device_id, signal, name_zh, name_en, unit, period_s, physical_low, physical_high,
    mandatory, active FROM registry_series ORDER BY id"""
_LIMITS = """SELECT series_id, level, side = 'high', "limit", deadband, on_delay_s, off_delay_s
    FROM registry_limit ORDER BY series_id, level, side"""
_CONTACTS = """SELECT c.code, c.name, c.role, coalesce(c.enterprise_id, 0), coalesce(c.area_id, 0),
        a.channel, a.address
    FROM registry_contact c LEFT JOIN registry_contactaddress a ON a.contact_id = c.id
    WHERE c.active ORDER BY c.code COLLATE "C", a."order", a.channel"""


@dataclass(frozen=True, slots=True)
class Rows:
    """The tables as read, in the order of the SQL above."""

    areas: Sequence[Row]
    enterprises: Sequence[Row]
    gateways: Sequence[Row]
    devices: Sequence[Row]
    series: Sequence[Row]
    limits: Sequence[Row]
    contacts: Sequence[Row]
    parameters: Sequence[Row] = field(default=(), kw_only=True)
    facts: Sequence[Row] = field(default=(), kw_only=True)
    rotas: Sequence[Row] = ()
    rota_layers: Sequence[Row] = ()
    rota_overrides: Sequence[Row] = ()


def registry_version(connection: psycopg.Connection[Any]) -> str:
    """Return a text that differs after every change of a registry table; "0" when the row is missing."""
    with connection.cursor(row_factory=tuple_row) as cursor:
        row = cursor.execute(_VERSION).fetchone()
    return str(row[0]) if row else "0"


def load_catalog(connection: psycopg.Connection[Any]) -> Catalog:
    """Read the whole registry as of one moment.

    Opens a transaction of its own (repeatable read) unless the connection is in one already.
    """
    with _one_moment(connection):
        parameters, facts = (_fetch(connection, sql) for sql in (load_rules.PARAMETERS, load_rules.FACTS))
        rows = Rows(
            *(_fetch(connection, sql) for sql in (_AREAS, _ENTERPRISES, _GATEWAYS, _DEVICES, _SERIES)),
            *(_fetch(connection, sql) for sql in (_LIMITS, _CONTACTS)),
            *(_fetch(connection, sql) for sql in (load_rota.ROTAS, load_rota.LAYERS, load_rota.OVERRIDES)),
        )
    return build(replace(rows, parameters=parameters, facts=facts))


@contextmanager
def _one_moment(connection: psycopg.Connection[Any]) -> Iterator[None]:
    fresh = connection.info.transaction_status == TransactionStatus.IDLE
    with connection.transaction():
        if fresh:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        yield


def _fetch(connection: psycopg.Connection[Any], sql: str) -> list[Row]:
    with connection.cursor(binary=True, row_factory=tuple_row) as cursor:
        return cursor.execute(sql.encode()).fetchall()


def build(rows: Rows) -> Catalog:
    """Return the catalog of these rows; what is retired, or lies under something retired, is not active.

    A retired series keeps its row and its subject: old samples and open alerts still name it.
    """
    enterprises = {row[0]: row for row in rows.enterprises}
    gateways = {
        id_: Gateway(id_, code, enterprise, zone, lenient, budget, shared)
        for id_, code, enterprise, zone, lenient, active, budget, shared in rows.gateways
        if active and enterprises[enterprise][4]
    }
    owner = {row[0]: row[2] for row in rows.gateways}
    live = {row[0] for row in rows.devices if row[7] and row[1] in gateways}
    columns = _columns(rows, owner, live)
    devices = _devices(rows, gateways, live)
    return Catalog(
        version=_version(rows, columns),
        **columns,
        limits=_limits(rows.limits, columns["active"]),
        gateways={gateway.code: gateway for gateway in gateways.values()},
        devices=devices,
        device_by_name=_unique_names(devices),
        subjects=_subjects(rows, enterprises, owner),
        contacts=_contacts(rows.contacts),
        area_parent={id_: parent for id_, _name, parent, _code in rows.areas},
        area_code={id_: code for id_, _name, _parent, code in rows.areas},
        rotas=load_rota.rotas_of(rows.rotas, rows.rota_layers, rows.rota_overrides),
        parameters=load_rules.parameters_of(rows.parameters),
        facts=load_rules.facts_of(rows.facts),
        firms={row[0]: Firm(row[5], row[3], row[6], row[7]) for row in rows.enterprises},
    )


def _columns(rows: Rows, owner: dict[int, int], live: set[int]) -> dict[str, Any]:
    """Return the catalog's arrays per series, by name."""
    n = max((row[0] for row in rows.series), default=0) + 1
    ids = np.array([row[0] for row in rows.series], np.intp)
    place = {row[0]: (row[1], owner[row[1]]) for row in rows.devices}
    ranges = [_physical(*row[2:3], *row[7:9]) for row in rows.series]

    def column(dtype: type, values: Sequence[Any], rest: Any = 0) -> np.ndarray[Any, Any]:
        out = np.full(n, rest, dtype)
        out[ids] = values
        out.setflags(write=False)
        return out

    words: dict[str, list[str]] = {"signal": [""] * n, "unit": [""] * n}
    for row in rows.series:
        words["signal"][row[0]], words["unit"][row[0]] = row[2], row[5]
    return {
        "active": column(np.bool_, [row[10] and row[1] in live for row in rows.series], rest=False),
        "device": column(np.int32, [row[1] for row in rows.series]),
        "gateway": column(
            np.int32, [0 if row[2] in signals.facts() else place[row[1]][0] for row in rows.series]
        ),
        "enterprise": column(np.int32, [place[row[1]][1] for row in rows.series]),
        "period": column(np.int64, [seconds(row[6]) for row in rows.series]),
        "physical_low": column(np.float64, [low for low, _high in ranges], rest=-math.inf),
        "physical_high": column(np.float64, [high for _low, high in ranges], rest=math.inf),
        "mandatory": column(np.bool_, [row[9] for row in rows.series], rest=False),
        "signal": tuple(words["signal"]),
        "unit": tuple(words["unit"]),
    }


def _physical(signal: str, low: float | None, high: float | None) -> tuple[float, float]:
    """Return the range of a series: its own, else the signal's, else none."""
    known = signals.find(signal)
    if low is None:
        low = known.low if known else -math.inf
    if high is None:
        high = known.high if known else math.inf
    return low, high


def _devices(rows: Rows, gateways: dict[int, Gateway], live: set[int]) -> dict[tuple[str, str], Device]:
    behind: dict[int, dict[str, int]] = {id_: {} for id_ in live}
    facts: dict[int, dict[str, int]] = {id_: {} for id_ in live}
    for row in rows.series:
        if row[10] and row[1] in live:
            (facts if row[2] in signals.facts() else behind)[row[1]][row[2]] = row[0]
    return {
        (gateways[gateway].code, code): Device(
            id=id_,
            code=code,
            gateway=gateway,
            enterprise=gateways[gateway].enterprise,
            profile=profile,
            series=behind[id_],
            facts=facts[id_],
        )
        for id_, gateway, code, _zh, _en, _place, profile, _active in rows.devices
        if id_ in live
    }


def _unique_names(devices: dict[tuple[str, str], Device]) -> dict[str, Device]:
    """Return devices by code alone; a code that two gateways use names neither."""
    uses = Counter(code for _gateway, code in devices)
    return {code: device for (_gateway, code), device in devices.items() if uses[code] == 1}


def _limits(rows: Sequence[Row], active: np.ndarray[Any, np.dtype[np.bool_]]) -> Limits:
    kept = [row for row in rows if active[row[0]]]
    series, level, high, limit, deadband, on_s, off_s = zip(*kept, strict=True) if kept else [()] * 7
    return Limits(
        series=np.array(series, np.int32),
        level=np.array(level, np.uint8),
        high=np.array(high, np.bool_),
        limit=np.array(limit, np.float64),
        deadband=np.array(deadband, np.float64),
        on_delay=np.array([seconds(delay) for delay in on_s], np.int64),
        off_delay=np.array([seconds(delay) for delay in off_s], np.int64),
    )


def _subjects(
    rows: Rows, enterprises: dict[int, Row], owner: dict[int, int]
) -> dict[tuple[SubjectKind, int], Subject]:
    """Return the words for every thing an alert can be about, retired ones too."""
    areas = _area_names(rows.areas)

    def subject(enterprise: int, name: str, name_en: str, *, unit: str = "", place: str = "") -> Subject:
        _id, zh, en, area, *_rest = enterprises[enterprise]
        return Subject(enterprise, zh, area, areas[area], name, name_en, unit, place, en or zh)

    out = {
        (SubjectKind.ENTERPRISE, id_): subject(id_, zh, en or zh) for id_, zh, en, *_rest in rows.enterprises
    }
    for id_, code, enterprise, *_rest in rows.gateways:
        out[SubjectKind.GATEWAY, id_] = subject(enterprise, f"网关 {code}", f"Gateway {code}")
    devices: dict[int, tuple[int, str, str, str]] = {}
    for id_, gateway, _code, zh, en, place, *_rest in rows.devices:
        devices[id_] = owner[gateway], zh, en or zh, place
        out[SubjectKind.DEVICE, id_] = subject(owner[gateway], zh, en or zh, place=place)
    for id_, device, signal, zh, en, unit, *_rest in rows.series:
        enterprise, device_zh, device_en, place = devices[device]
        name, name_en = f"{device_zh} {zh or signal}", f"{device_en} {en or zh or signal}"
        out[SubjectKind.SERIES, id_] = subject(enterprise, name, name_en, unit=unit, place=place)
    return out


def _area_names(rows: Sequence[Row]) -> dict[int, str]:
    """Return each area's name behind the one above it: two streets of one name lie in different districts."""
    plain = {id_: name for id_, name, *_rest in rows}
    return {id_: plain.get(parent, "") + name for id_, name, parent, _code in rows}


def _contacts(rows: Sequence[Row]) -> tuple[Contact, ...]:
    return tuple(
        Contact(code, name, role, enterprise, area, {row[5]: row[6] for row in ways if row[5] is not None})
        for (code, name, role, enterprise, area), ways in groupby(rows, key=lambda row: row[:5])
    )


def _version(rows: Rows, columns: dict[str, Any]) -> str:
    """Return a hash of everything above; of the arrays too: the signals' ranges come from a file."""
    digest = hashlib.blake2b(
        msgspec.msgpack.encode([getattr(rows, name) for name in rows.__slots__]), digest_size=12
    )
    for column in columns.values():
        if isinstance(column, np.ndarray):
            digest.update(column.tobytes())
    return digest.hexdigest()
