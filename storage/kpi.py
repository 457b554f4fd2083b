"""Key figures of alarming after ISA-18.2 / IEC 62682, and OPC UA's AlarmMetrics, read from the kpi_ views.

All are about one span of time [since, now).  Rates are per ten minutes.  The targets are those that the standards'
readers quote per person and console; they are aims, not limits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

Connection = psycopg.Connection[Any]
Row = dict[str, Any]
TOP = 10

_TOLD = """
SELECT recipient, sum(n)::int AS n, max(n) AS worst, count(*) FILTER (WHERE n > 10)::int AS over_ten,
       count(*) FILTER (WHERE flood)::int AS flood
FROM kpi_flood_10m WHERE time >= %(since)s AND time < %(now)s GROUP BY recipient ORDER BY n DESC, recipient
"""
_ACTORS = """
SELECT k.rule, k.subject_kind, k.subject, k.enterprise, coalesce(e.name, '') AS enterprise_name, count(*)::int AS n
FROM kpi_alarms k LEFT JOIN registry_enterprise e ON e.id = k.enterprise
WHERE time >= %(since)s AND time < %(now)s GROUP BY 1, 2, 3, 4, 5 ORDER BY n DESC, 1, 2, 3 LIMIT %(top)s
"""
_LEVELS = """
SELECT level, count(*)::int AS n FROM kpi_alarms WHERE time >= %(since)s AND time < %(now)s GROUP BY level
"""
_METRICS = """
WITH alarms AS (SELECT * FROM kpi_alarms WHERE time >= %(since)s AND time < %(now)s),
buckets AS (SELECT count(*) AS n FROM alarms GROUP BY floor(extract(epoch FROM time) / 600))
SELECT (SELECT count(*) FROM alarms)::int AS "AlarmCount",
       (SELECT coalesce(max(extract(epoch FROM ended - began)), 0) FROM kpi_active
        WHERE ended >= %(since)s AND began < %(now)s)::float8 AS "MaximumActiveState",
       (SELECT coalesce(max(extract(epoch FROM ended - began)), 0) FROM kpi_unacknowledged
        WHERE ended >= %(since)s AND began < %(now)s)::float8 AS "MaximumUnAck",
       (SELECT count(*) FROM alarms WHERE time >= %(now)s - interval '10 minutes')::float8 AS "CurrentAlarmRate",
       (SELECT coalesce(max(n), 0) FROM buckets)::float8 AS "MaximumAlarmRate",
       (SELECT coalesce(max(n), 0) FROM (SELECT count(*) AS n FROM transition WHERE cause = 'escalate'
        AND ns_time(now_ns) >= %(since)s AND ns_time(now_ns) < %(now)s GROUP BY alert) AS repeats)::int
        AS "MaximumReAlarmCount"
"""
_RESPONSE = """
SELECT level, count(*)::int AS n,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY ack_s) AS ack_p50_s,
       percentile_cont(0.9) WITHIN GROUP (ORDER BY ack_s) AS ack_p90_s,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY handle_s) AS handle_p50_s,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY close_s) AS close_p50_s,
       count(*) FILTER (WHERE ack_s IS NULL AND close_s IS NULL)::int AS unanswered,
       count(*) FILTER (WHERE false_alarm)::int AS false_alarms
FROM kpi_response WHERE opened >= %(since)s AND opened < %(now)s GROUP BY level ORDER BY level DESC
"""
_CHATTERING = """
SELECT count(DISTINCT (rule, subject_kind, subject))::int AS n FROM kpi_chattering
WHERE time >= %(since)s AND time < %(now)s
"""
_STALE = "SELECT count(DISTINCT alert)::int AS n FROM kpi_stale"
_BY_TEN_MINUTES = """
SELECT to_timestamp(floor(extract(epoch FROM time) / 600) * 600) AS time, count(*)::int AS n FROM kpi_alarms
WHERE time >= %(since)s AND time < %(now)s GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class Kpi:
    """The key figures of one span.

    metrics      names of OPC UA Part 9 AlarmMetricsType; durations in seconds, rates per ten minutes
    recipients   per person: n alarms, the worst ten minutes, ten-minute periods with more than ten, and in flood
    actors       the most frequent (rule, subject), with their number
    levels       level -> alarms; response: per level, seconds; chattering, stale: numbers of subjects and alerts
    """

    since: datetime
    now: datetime
    metrics: Row
    recipients: list[Row]
    actors: list[Row]
    levels: dict[int, int]
    response: list[Row]
    chattering: int
    stale: int
    by_ten_minutes: list[Row] = field(repr=False, default_factory=list)

    @property
    def n_periods(self) -> float:
        """How many ten minutes the span has."""
        return max((self.now - self.since).total_seconds() / 600, 1.0)

    @property
    def n_alarms(self) -> int:
        return int(self.metrics["AlarmCount"])

    def share(self, n: float) -> float:
        """Return a part of all alarms in per cent."""
        return 100 * n / self.n_alarms if self.n_alarms else 0.0


def measure(connection: Connection, since: datetime, now: datetime) -> Kpi:
    """Return the key figures of [since, now); both aware."""
    span = {"since": since, "now": now, "top": TOP}

    def rows(statement: str) -> list[Row]:
        with connection.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement.encode(), span).fetchall()

    (metrics,) = rows(_METRICS)
    n_periods = max((now - since).total_seconds() / 600, 1.0)
    metrics = {"StartTime": since, **metrics, "AverageAlarmRate": metrics["AlarmCount"] / n_periods}
    return Kpi(
        since=since,
        now=now,
        metrics=metrics,
        recipients=rows(_TOLD),
        actors=rows(_ACTORS),
        levels={row["level"]: row["n"] for row in rows(_LEVELS)},
        response=rows(_RESPONSE),
        chattering=rows(_CHATTERING)[0]["n"],
        stale=rows(_STALE)[0]["n"],
        by_ten_minutes=rows(_BY_TEN_MINUTES),
    )


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the report: what, how much, what is aimed at, and whether that is met (None: nothing to say)."""

    name_zh: str
    name_en: str
    value: float
    unit: str
    target: str
    met: bool | None


def figures(kpi: Kpi) -> list[Figure]:
    """Return the figures that the standards give targets for; of recipients, the one who is worst off."""
    per_period = [row["n"] / kpi.n_periods for row in kpi.recipients]
    over_ten = [100 * row["over_ten"] / kpi.n_periods for row in kpi.recipients]
    flood = [100 * row["flood"] / kpi.n_periods for row in kpi.recipients]
    worst = max((row["worst"] for row in kpi.recipients), default=0)
    top = kpi.share(sum(row["n"] for row in kpi.actors))
    low = kpi.share(kpi.levels.get(1, 0) + kpi.levels.get(2, 0))
    high = kpi.share(kpi.levels.get(4, 0))
    return [
        _figure(
            "每人每10分钟报警数",
            "alarms per 10 min, per person",
            max(per_period, default=0.0),
            "",
            "≤ 1 (2)",
            2.0,
        ),
        _figure("单人10分钟内最多报警", "most alarms in 10 min, per person", worst, "", "≤ 10", 10.0),
        _figure(
            "超过10条的时段占比", "periods with more than 10", max(over_ten, default=0.0), "%", "< 1 %", 1.0
        ),
        _figure("报警泛滥时间占比", "time in flood", max(flood, default=0.0), "%", "< 1 %", 1.0),
        _figure("前10位报警源占比", "share of the 10 most frequent", top, "%", "≤ 5 %", 5.0),
        _figure("抖动报警源", "chattering", kpi.chattering, "", "0", 0.0),
        _figure("滞留报警（>24 h）", "stale (> 24 h)", kpi.stale, "", "< 5", 4.0),
        Figure("蓝黄占比", "blue and yellow", low, "%", "≈ 95 %", None),
        Figure("红色占比", "red", high, "%", "< 1 %", None),
    ]


def _figure(zh: str, en: str, value: float, unit: str, target: str, most: float) -> Figure:  # noqa: PLR0917 - a row of a table
    return Figure(zh, en, float(value), unit, target, value <= most)
