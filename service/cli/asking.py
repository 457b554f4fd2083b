"""How a command line asks the pipeline: a command in the database, and the answer that the desk writes beside it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from service.cli.alerts_view import console

if TYPE_CHECKING:
    import psycopg

    from alerts.changes import Alert
    from service.config import Config

_PATIENCE_S = 5.0
_LOOK_S = 0.05
_REFUSED, _NOT_ANSWERED = 1, 3
# The pipeline holds this lock as long as it lives (storage/connection.py).
_PIPELINE_RUNS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND objid = (hashtext('fengsui_pipeline')::bigint & 4294967295)::oid)
"""


def time_at(text: str) -> int:
    """Return a time as ns: now, 30m, 2h or 1d from now, or ISO 8601; without an offset our zone is meant."""
    from datetime import datetime

    from core.time import CHINA, DAY, HOUR, MINUTE, clock_ns, from_datetime

    units = {"m": MINUTE, "h": HOUR, "d": DAY}
    if text == "now":
        return clock_ns()
    if text[:-1].isdigit() and text[-1:] in units:
        return clock_ns() + int(text[:-1]) * units[text[-1]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time: write now, 2h, or 2026-11-21T09:00") from None
    return from_datetime(moment if moment.tzinfo else moment.replace(tzinfo=CHINA))


_PLACES = {
    "gateway": "SELECT id FROM registry_gateway WHERE code = %s",
    "enterprise": "SELECT id FROM registry_enterprise WHERE code = %s",
    "device": """SELECT d.id FROM registry_device d JOIN registry_gateway g ON g.id = d.gateway_id
        WHERE g.code || '/' || d.code = %s""",
}


def place_of(connection: psycopg.Connection[Any], subject: str) -> str:
    """Return `gateway:3` for `gateway:gw-01`."""
    kind, _, code = subject.partition(":")
    row = connection.execute(_PLACES[kind], [code]).fetchone() if kind in _PLACES else None
    if row is None:
        raise typer.BadParameter(f"{subject!r} is not in the registry: write gateway:CODE or enterprise:CODE")
    return f"{kind}:{row[0]}"


_DONE = {
    "ack": "已确认 / acknowledged",
    "close": "已消警 / closed",
    "handle": "处置中 / being handled",
    "feedback": "已反馈，待审核 / reported, waits for review",
    "false_alarm": "已报误报，待审核 / reported as a false alarm, waits for review",
    "accept": "审核通过，已消警 / accepted and closed",
    "reject": "已退回处置 / sent back to handling",
    "merge": "已并入 / merged",
    "exercise": "已标为演练 / marked as an exercise",
    "shelve": "已搁置 / shelved",
    "unshelve": "已解除搁置 / no longer shelved",
    "maintain": "维护窗口已登记 / maintenance is announced",
}


def ask(
    config: Path | None,
    kind: str,
    id_: str,
    *,
    by: str,
    note: str,
    detail: Mapping[str, Any] | None = None,
    known: bool = True,
) -> None:
    """Write the command, wait for the desk, say what became of it.

    known : the command names an alert.  Exit code 1: refused; 3: nobody answered, the command waits.
    """
    from alerts.changes import CommandKind
    from core.time import clock_ns
    from storage import read

    with database(config) as connection:
        alert = find(connection, id_).id if known else id_.strip().upper()
        said = json.dumps(detail, ensure_ascii=False) if detail else ""
        command = read.add_command(
            connection, CommandKind(kind), alert, by=by, note=note, now=clock_ns(), detail=said
        )
        problem = _answer(connection, command)
        running = problem is not None or connection.execute(_PIPELINE_RUNS).fetchone() == (True,)
    out, name = console(), alert or kind
    if problem is None:
        why = "it is behind, see `fengsui status`" if running else "it is not running: `fengsui up`"
        out.print(
            f"{name}: the pipeline has not answered within {_PATIENCE_S:g} s; {why}. The command waits and"
            " will be carried out; do not give it again.",
            style="yellow",
        )
        raise typer.Exit(_NOT_ANSWERED)
    if problem:
        out.print(f"{name}: {problem}", style="red")
        raise typer.Exit(_REFUSED)
    out.print(f"{name}: {_DONE[kind]}", style="green")


def _answer(connection: psycopg.Connection[Any], command: int) -> str | None:
    from storage import read

    deadline = time.monotonic() + _PATIENCE_S
    while (problem := read.command_answer(connection, command)) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return problem


@contextmanager
def database(config: Path | None) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the database of the configuration; raises ServerError when it is away."""
    from service.config import load

    with database_of(load(config)) as connection:
        yield connection


@contextmanager
def database_of(config: Config) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the database of a configuration; raises ServerError when it is away."""
    import psycopg

    from core.errors import ServerError

    place = config.database
    try:
        connection = psycopg.connect(place.dsn, autocommit=True, connect_timeout=place.connect_timeout_s)
    except psycopg.OperationalError as lost:
        reason = str(lost).strip().splitlines()[-1]
        raise ServerError(
            f"the database cannot be reached: {reason}. Start it with `fengsui up`, or name it with --config"
        ) from None
    with connection:
        yield connection


def find(connection: psycopg.Connection[Any], id_: str) -> Alert:
    """Return the alert whose id begins so; raises BadParameter when it is none, or not the only one."""
    from psycopg import sql

    from storage.alerts import select_alerts

    start = id_.strip().upper()
    condition = sql.SQL("WHERE starts_with(id, %s) ORDER BY closed_ns = 0 DESC, opened_ns DESC LIMIT 6")
    found = select_alerts(connection, condition, [start]) if start.isalnum() else ()
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(alert.id for alert in found[:5])
        raise typer.BadParameter(f"{len(found)} alerts or more begin with {start}: {names}")
    raise typer.BadParameter(f"there is no alert {id_!r}; `fengsui alerts list` names them")
