"""A database with alerts of an older version: nothing climbs at once, and its history is older than the chain."""

import os
import subprocess
import sys

import psycopg
from conftest import ROOT, migrate
from fakes.town import RULES, catalog

from alerts.desk import Desk
from alerts.policy import Policy
from core.events import Events
from core.time import MINUTE, SECOND, clock_ns
from storage import alerts as stored
from storage.audit import verified

OLD = """
INSERT INTO alert (id, rule, rule_version, subject_kind, subject, series, enterprise, data_quality, state, suppression,
    level, level_now, raised_ns, changed_ns, opened_ns, value, limit_value, unit, times, recovered_ns, acked_ns, acked_by,
    closed_ns, closed_by, closing_note, evidence, seq, since_ns, last_raise_ns, last_clear_ns, told)
VALUES (%s, 'D-02', 'v1', 1, %s, 1, 1, false, 'unack', 'none', 4, 4, 5, 5, 5, 85.3, 70, '℃', 1, 0, 0, '', %s, '', '', '',
    1, 5, 5, 0, '{so1}')
"""
LINE = "INSERT INTO transition VALUES ('OPEN', 1, 'open', 'normal', 'unack', 4, 5, 5, '', '', 85.3)"


def to_version(dsn, version):
    done = subprocess.run(
        [sys.executable, "-m", "django", "migrate", "storage", version, "--skip-checks", "--verbosity", "0"],
        env=os.environ | {"FENGSUI_DATABASE__DSN": dsn, "DJANGO_SETTINGS_MODULE": "service.settings"},
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def test_open_alerts_count_their_deadlines_from_the_upgrade(empty_database):
    to_version(empty_database, "0002")
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(OLD, ["OPEN", 1, 0])
        connection.execute(OLD, ["CLOSED", 2, 9])
        connection.execute(LINE)
        migrate(empty_database)
        now = clock_ns()
        memory = stored.memory(connection, Policy(), now)
        desk = Desk((), Policy(), catalog(), RULES, memory=memory)
        assert not desk.step(Events.empty(), now + SECOND)
        assert [line.cause for line in desk.step(Events.empty(), now + 6 * MINUTE).transitions] == [
            "escalate"
        ]
        stages = dict(connection.execute("SELECT id, stage FROM alert").fetchall())
        assert stages == {"OPEN": "new", "CLOSED": "closed"}
        result = verified(connection, {})
        assert (result.problems, result.n_lines, result.n_older) == ((), 0, 1)
