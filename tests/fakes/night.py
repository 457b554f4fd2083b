"""A night with alerts in a database: what the console's pages and API are tried on."""

import math
import re
from dataclasses import replace
from pathlib import Path

import psycopg

from alerts.changes import Alert, Changes, Note, Transition
from alerts.state import State, Suppression
from core.events import SubjectKind
from core.levels import Level
from core.time import DAY, HOUR, MINUTE, SECOND, to_datetime
from service.own_rules import BUILT_IN
from storage import alerts, rule_words
from storage.maintenance import make_ahead

DOCS = (Path(__file__).parents[2] / "docs/registry.md").read_text("utf-8")
TOML = re.search(r"```toml\n(.*?)```", DOCS, re.DOTALL)[1]


def alert(id_, *, level, series, since, state=State.UNACK, rule="LIMIT", value=73.24, limit=70.0, **more):
    return replace(
        Alert(
            id=id_, rule=rule, rule_version="v1", subject_kind=SubjectKind.SERIES, subject=series,
            series=series, enterprise=1, data_quality=False, state=state,
            suppression=Suppression.NONE, level=level, level_now=level, raised=since, changed=since, opened=since, since=since,
            value=value, limit=limit, unit="℃",
        ),
        **more,
    )  # fmt: skip


def fall(dsn, now):
    """Write a night into a database with the documented town; return {word: id of an alert}."""
    hopper, pressure, current = 1, 2, 6
    red = alert("RED00001", level=Level.RED, series=hopper, since=now - 12 * MINUTE, count=2)
    orange = alert(
        "ORANGE01", level=Level.ORANGE, series=pressure, since=now - 50 * MINUTE, state=State.ACKED,
        value=1623.0, limit=1500.0, unit="Pa", acked=now - 40 * MINUTE, acked_by="安全员",
    )  # fmt: skip
    yellow = alert(
        "YELLOW01", level=Level.YELLOW, series=current, since=now - 3 * HOUR, state=State.RTN_UNACK,
        level_now=0, value=412.0, limit=400.0, unit="A", recovered=now - 2 * HOUR,
    )  # fmt: skip
    silent = alert(
        "SILENT01", level=Level.YELLOW, series=0, since=now - 20 * MINUTE, rule="Q-01", value=1200.0,
        limit=180.0, unit="s", subject_kind=SubjectKind.GATEWAY, subject=1, data_quality=True,
    )  # fmt: skip
    closed = alert(
        "CLOSED01", level=Level.ORANGE, series=hopper, since=now - 30 * HOUR, state=State.NORMAL,
        level_now=0, recovered=now - 29 * HOUR, closed=now - 28 * HOUR, closed_by="安全员",
        closing_note="清灰完毕，温度正常",
    )  # fmt: skip
    first, second = now - 13 * MINUTE, now - 12 * MINUTE
    changes = Changes(
        alerts=(red, orange, yellow, silent, closed),
        transitions=(
            Transition(red.id, 1, "open", State.NORMAL, State.UNACK, Level.ORANGE, first, now, value=61.0),
            Transition(red.id, 2, "level", State.UNACK, State.UNACK, Level.RED, second, now, value=73.2),
        ),
        notes=(
            Note(
                key=f"{red.id}:raise-1:E01-safety:log", alert=red.id, step="raise-1", recipient="E01-safety",
                channel="log", address="secret-address", level=Level.RED, title="t", text_zh="z", text_en="e",
                link="", created=now - 12 * MINUTE,
            ),
        ),
    )  # fmt: skip
    with psycopg.connect(dsn, autocommit=True) as connection:
        make_ahead(connection, "sample", now - DAY)
        alerts.write(connection, changes, now)
        rule_words.write(connection, BUILT_IN)
        measure(connection, hopper, now)
    return {"red": red.id, "orange": orange.id, "yellow": yellow.id, "silent": silent.id, "closed": closed.id}


def measure(connection, series, now):
    """Write two hours of a hopper that warms up, with a gap."""
    times = [now - k * 10 * SECOND for k in range(720) if not 300 < k < 380]
    rows = [(to_datetime(t), series, warmth((t - now) / MINUTE)) for t in times]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO sample (time, series_id, value, quality) VALUES (%s, %s, %s, 2)", rows
        )
        cursor.execute(
            "INSERT INTO latest (time, arrived, value, series_id, quality) VALUES (%s, %s, 73.2, %s, 2)",
            (to_datetime(now), to_datetime(now), series),
        )


def warmth(minutes):
    """Return ℃ so many minutes after now: 45 before, 73 at the end, fastest twenty minutes ago."""
    return 45 + 28 / (1 + math.exp(-(minutes + 20) / 3))
