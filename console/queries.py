"""What the pages and the API ask of the database: the views of storage, joined with the registry's names."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from alerts.changes import CommandKind
from console.scope import Scope
from storage import read

# Two streets of one name lie in different districts: the name above goes before.
_ALERT = """
SELECT a.id, a.rule, a.level, a.level_now, a.state, a.suppression, a.data_quality,
       a.value, a."limit", a.unit, a.times, a.series,
       ns_time(raw.since_ns) AS since, a.raised, a.opened, a.recovered, a.acked, a.acked_by,
       a.closed, a.closed_by, a.closing_note,
       coalesce(e.name, '') AS enterprise_zh, coalesce(nullif(e.name_en, ''), e.name, '') AS enterprise_en,
       coalesce(above.name, '') || coalesce(area.name, '') AS area, coalesce(d.place, '') AS place,
       CASE a.subject_kind WHEN 1 THEN concat_ws(' ', d.name_zh, s.name_zh) WHEN 2 THEN d.name_zh
            WHEN 3 THEN '网关 ' || g.code ELSE e.name END AS name_zh,
       CASE a.subject_kind WHEN 1 THEN concat_ws(' ', coalesce(nullif(d.name_en, ''), d.name_zh),
                                                  coalesce(nullif(s.name_en, ''), s.name_zh))
            WHEN 2 THEN coalesce(nullif(d.name_en, ''), d.name_zh)
            WHEN 3 THEN 'Gateway ' || g.code ELSE coalesce(nullif(e.name_en, ''), e.name) END AS name_en,
       raw.stage, raw.handler, raw.measure, ns_time(raw.done_ns) AS done, raw.proof,
       raw.reported_by, raw.false_alarm, raw.rejections, raw.reviewer,
       coalesce(w.title_zh, a.rule) AS title_zh, coalesce(w.title_en, a.rule) AS title_en,
       coalesce(w.advice_zh, '') AS advice_zh, coalesce(w.advice_en, '') AS advice_en
FROM alerts a
JOIN alert raw ON raw.id = a.id
LEFT JOIN rule_words w ON w.code = a.rule
LEFT JOIN registry_series s ON s.id = CASE WHEN a.subject_kind = 1 THEN a.subject END
LEFT JOIN registry_device d ON d.id = CASE a.subject_kind WHEN 1 THEN s.device_id WHEN 2 THEN a.subject END
LEFT JOIN registry_gateway g ON g.id = CASE a.subject_kind WHEN 3 THEN a.subject ELSE d.gateway_id END
LEFT JOIN registry_enterprise e ON e.id = a.enterprise
LEFT JOIN registry_area area ON area.id = e.area_id
LEFT JOIN registry_area above ON above.id = area.parent_id
"""
_IN_SCOPE = "(%(everything)s OR a.enterprise = ANY(%(enterprises)s))"
_OPEN = f"""WHERE a.closed IS NULL AND {_IN_SCOPE} AND (%(level)s::int IS NULL OR a.level = %(level)s)
ORDER BY a.data_quality, a.level DESC, a.state IN ('unack', 'rtn_unack') DESC, a.opened DESC, a.id
LIMIT %(most)s"""
_CLOSED = f"""WHERE a.closed IS NOT NULL AND {_IN_SCOPE} AND (%(level)s::int IS NULL OR a.level = %(level)s)
ORDER BY a.closed DESC, a.id LIMIT %(most)s"""
_COUNTS = f"""
SELECT level, count(*)::int AS n, (count(*) FILTER (WHERE state IN ('unack', 'rtn_unack')))::int AS unanswered
FROM alerts_open a WHERE NOT data_quality AND {_IN_SCOPE} GROUP BY level
"""  # noqa: S608 - no value in it
_HISTORY = """SELECT seq, cause, old, new, level, time, noticed, by_whom, note, value
FROM transitions WHERE alert = %s ORDER BY seq"""
_TOLD = """
SELECT n.recipient, coalesce(c.name, n.recipient) AS name, coalesce(c.role, '') AS role, n.channel, n.step,
       n.created, n.state, n.attempt, n.ended, n.reason
FROM notifications n LEFT JOIN registry_contact c ON c.code = n.recipient WHERE n.alert = %s ORDER BY n.id
"""
_ASKED = """SELECT id, kind, by_whom, note, ns_time(asked_ns) AS asked, answered_ns <> 0 AS answered, problem
FROM command WHERE alert = %s ORDER BY id"""
_GATEWAYS = """
SELECT g.code, e.name AS enterprise_zh, coalesce(nullif(e.name_en, ''), e.name) AS enterprise_en,
       max(l.arrived) AS arrived
FROM registry_gateway g
JOIN registry_enterprise e ON e.id = g.enterprise_id
JOIN registry_device d ON d.gateway_id = g.id AND d.active
JOIN registry_series s ON s.device_id = d.id AND s.active
LEFT JOIN latest l ON l.series_id = s.id
WHERE g.active AND e.active AND (%(everything)s OR e.id = ANY(%(enterprises)s))
GROUP BY g.code, e.name, e.name_en ORDER BY max(l.arrived) NULLS FIRST, g.code
"""
_READINGS = """SELECT time, value, quality, late, historical FROM readings
WHERE series_id = %s AND time >= %s AND time < %s ORDER BY time LIMIT %s"""
_ROLLUP = """SELECT time, avg, min, max, n FROM readings_{width}
WHERE series_id = %s AND time >= %s AND time < %s ORDER BY time LIMIT %s"""
_SERIES = """
SELECT s.id, s.signal, s.name_zh, s.name_en, s.unit, d.name_zh AS device_zh
FROM registry_series s JOIN registry_device d ON d.id = s.device_id
JOIN registry_gateway g ON g.id = d.gateway_id
WHERE s.id = %(series)s AND (%(everything)s OR g.enterprise_id = ANY(%(enterprises)s))
"""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One alert with its words; times are aware, None = not yet; value and limit None = there is none."""

    id: str
    rule: str
    level: int
    level_now: int
    state: str
    suppression: str
    data_quality: bool
    value: float | None
    limit: float | None
    unit: str
    times: int
    series: int
    since: datetime | None
    raised: datetime
    opened: datetime
    recovered: datetime | None
    acked: datetime | None
    acked_by: str
    closed: datetime | None
    closed_by: str
    closing_note: str
    enterprise_zh: str
    enterprise_en: str
    area: str
    place: str
    name_zh: str | None
    name_en: str | None
    stage: str
    handler: str
    measure: str
    done: datetime | None
    proof: str
    reported_by: str
    false_alarm: bool
    rejections: int
    reviewer: str
    title_zh: str
    title_en: str
    advice_zh: str
    advice_en: str


def _rows(statement: str, parameters: Any = ()) -> list[Row]:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        names = [column.name for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def open_alerts(who: Scope, *, level: int | None = None, most: int = 500) -> list[AlertRow]:
    """Return alerts that nobody has closed: plant before data quality; the worst, unanswered, newest."""
    return [AlertRow(**row) for row in _rows(_ALERT + _OPEN, {**who.sql, "level": level, "most": most})]


def closed_alerts(who: Scope, *, level: int | None = None, most: int = 200) -> list[AlertRow]:
    """Return closed alerts, the last one first."""
    return [AlertRow(**row) for row in _rows(_ALERT + _CLOSED, {**who.sql, "level": level, "most": most})]


def alert(who: Scope, alert_id: str) -> AlertRow | None:
    """Return one alert; None when there is none of this number in the scope."""
    if "\0" in alert_id:  # PostgreSQL knows no such text
        return None
    rows = _rows(_ALERT + f"WHERE a.id = %(alert)s AND {_IN_SCOPE}", {**who.sql, "alert": alert_id})
    return AlertRow(**rows[0]) if rows else None


def counts(who: Scope) -> dict[int, Row]:
    """Return level -> {n, unanswered} of open alerts about the plant, all four levels."""
    found = {row["level"]: row for row in _rows(_COUNTS, who.sql)}
    return {level: found.get(level, {"level": level, "n": 0, "unanswered": 0}) for level in (4, 3, 2, 1)}


def history(alert_id: str) -> list[Row]:
    """Return the transitions of an alert in order."""
    return _rows(_HISTORY, [alert_id])


def told(alert_id: str) -> list[Row]:
    """Return who was to be told by which channel, and what became of it; never the address."""
    return _rows(_TOLD, [alert_id])


def asked(alert_id: str) -> list[Row]:
    """Return what people have asked of the desk about an alert, and its answers."""
    return _rows(_ASKED, [alert_id])


def ask(kind: CommandKind, alert_id: str, *, by: str, note: str, now: int, detail: str = "") -> int:
    """Write a command for the desk and return its number.  detail: a JSON object, "" for nothing."""
    connection.ensure_connection()
    return read.add_command(connection.connection, kind, alert_id, by=by, note=note, now=now, detail=detail)


def gateways(who: Scope) -> list[Row]:
    """Return every gateway in service and when it was last heard (None: never), the longest silent first."""
    return _rows(_GATEWAYS, who.sql)


def series(who: Scope, series_id: int) -> Row | None:
    """Return a series with its names; None when there is none of this number in the scope."""
    rows = _rows(_SERIES, {**who.sql, "series": series_id})
    return rows[0] if rows else None


def readings(series_id: int, start: datetime, end: datetime, *, most: int) -> list[Row]:
    """Return samples of one series with start <= time < end, oldest first."""
    return _rows(_READINGS, [series_id, start, end, most])


def evidence(alert_id: str) -> list[Row]:
    """Return what the raisings of an alert rest on, in order (service/evidence.py says what is in one)."""
    rows = _rows("SELECT document FROM evidence WHERE alert = %s ORDER BY seq", [alert_id])
    return [
        document if isinstance(document := row["document"], dict) else json.loads(document) for row in rows
    ]


def rollup(series_id: int, start: datetime, end: datetime, *, width: str, most: int) -> list[Row]:
    """Return one-minute ("1m") or one-hour ("1h") summaries."""
    assert width in ("1m", "1h")
    return _rows(_ROLLUP.format(width=width), [series_id, start, end, most])
