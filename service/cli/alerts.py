"""`fengsui alerts …`: what is open, what happened, and how people answer (docs/alerts.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    import psycopg

    from alerts.changes import Alert, CommandKind
    from core.events import SubjectKind
    from registry.catalog import Subject

    Subjects = Mapping[tuple[SubjectKind, int], Subject]

app = typer.Typer(help="Alerts: list, show, acknowledge, close.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, or enough of its beginning.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers; it stays in the history.")]
_PATIENCE_S = 5.0
_LONGEST = 1000  # rows of a list
_LOOK_S = 0.05
_REFUSED, _NOT_ANSWERED = 1, 3
_COLOURS = {1: "bright_blue", 2: "yellow", 3: "dark_orange", 4: "bold red"}
_STATES = {
    "unack": "未确认 unack",
    "acked": "已确认 acked",
    "rtn_unack": "已恢复未确认 rtn_unack",
    "normal": "已恢复 normal",
}
# The pipeline holds this lock as long as it lives (storage/connection.py).
_PIPELINE_RUNS = """
SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND objid = (hashtext('fengsui_pipeline')::bigint & 4294967295)::oid)
"""


@app.command("list")
def list_(
    *,
    all_: Annotated[bool, typer.Option("--all", help="Closed ones of the last 30 days too.")] = False,
    level: Annotated[
        str, typer.Option("--level", metavar="LEVEL", help="This level and above: blue yellow orange red.")
    ] = "blue",
    as_json: Json = False,
    config: ConfigFile = None,
) -> None:
    """Print open alerts, the worst first, then the newest.

    fengsui alerts list --level orange
    """
    from core.levels import Level
    from core.time import DAY, clock_ns
    from registry.load import load_catalog
    from storage import read

    try:
        at_least = Level.parse(level)
    except ValueError as wrong:
        raise typer.BadParameter(str(wrong), param_hint="--level") from None
    with _database(config) as connection:
        if all_:
            recent = read.recent_alerts(connection, since=clock_ns() - 30 * DAY, limit=_LONGEST)
            found = [alert for alert in recent if alert.level >= at_least]
        else:
            found = list(read.open_alerts(connection, at_least=at_least, limit=_LONGEST))
        subjects = load_catalog(connection).subjects
    if as_json:
        _print_json({"alerts": [_plain(alert, subjects) for alert in found]})
    else:
        _print_list(found, subjects)


@app.command()
def show(id_: Id, *, as_json: Json = False, config: ConfigFile = None) -> None:
    """Print one alert, its history, and who was told.

    fengsui alerts show 7K3FQ2MD4XWZ
    """
    from registry.load import load_catalog
    from storage import read

    with _database(config) as connection:
        alert = _find(connection, id_)
        history = read.history(connection, alert.id)
        notes = read.notes_of(connection, alert.id)
        subjects = load_catalog(connection).subjects
    if as_json:
        document = {"alert": _plain(alert, subjects), "history": history, "notes": notes}
        _print_json(_times(document))
        return
    console = _console()
    console.print(_facts(alert, subjects))
    console.print(_history_table(history))
    console.print(_notes_table(notes))


@app.command()
def ack(
    id_: Id,
    by: By,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What you know already.")] = "",
    config: ConfigFile = None,
) -> None:
    """Acknowledge: somebody has seen the alert and acts.

    fengsui alerts ack 7K3FQ2MD4XWZ --by 安全员
    """
    from alerts.changes import CommandKind

    _ask(config, CommandKind.ACK, id_, by=by, note=note)


@app.command()
def close(
    id_: Id,
    by: By,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What was found and what was done.")],
    config: ConfigFile = None,
) -> None:
    """Close: the cause was found and dealt with.

    fengsui alerts close 7K3FQ2MD4XWZ --by 安全员 --note "已清灰，温度恢复"
    """
    from alerts.changes import CommandKind

    _ask(config, CommandKind.CLOSE, id_, by=by, note=note)


def _ask(config: Path | None, kind: CommandKind, id_: str, *, by: str, note: str) -> None:
    """Write the command, wait for the desk, say what became of it.

    Exit code 1: refused; 3: nobody answered, the command waits.
    """
    from core.time import clock_ns
    from storage import read

    with _database(config) as connection:
        alert = _find(connection, id_).id
        command = read.add_command(connection, kind, alert, by=by, note=note, now=clock_ns())
        problem = _answer(connection, command)
        running = problem is not None or connection.execute(_PIPELINE_RUNS).fetchone() == (True,)
    console = _console()
    done = {"ack": "已确认 / acknowledged", "close": "已消警 / closed"}[kind]
    if problem is None:
        why = "it is behind, see `fengsui status`" if running else "it is not running: `fengsui up`"
        console.print(
            f"{alert}: the pipeline has not answered within {_PATIENCE_S:g} s; {why}. The command waits and"
            " will be carried out; do not give it again.",
            style="yellow",
        )
        raise typer.Exit(_NOT_ANSWERED)
    if problem:
        console.print(f"{alert}: {problem}", style="red")
        raise typer.Exit(_REFUSED)
    console.print(f"{alert}: {done}", style="green")


def _answer(connection: psycopg.Connection[Any], command: int) -> str | None:
    from storage import read

    deadline = time.monotonic() + _PATIENCE_S
    while (problem := read.command_answer(connection, command)) is None and time.monotonic() < deadline:
        time.sleep(_LOOK_S)
    return problem


@contextmanager
def _database(config: Path | None) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the database of the configuration; raises ServerError when it is away."""
    import psycopg

    from core.errors import ServerError
    from service.config import load

    database = load(config).database
    try:
        connection = psycopg.connect(
            database.dsn, autocommit=True, connect_timeout=database.connect_timeout_s
        )
    except psycopg.OperationalError as lost:
        reason = str(lost).strip().splitlines()[-1]
        raise ServerError(
            f"the database cannot be reached: {reason}. Start it with `fengsui up`, or name it with --config"
        ) from None
    with connection:
        yield connection


def _find(connection: psycopg.Connection[Any], id_: str) -> Alert:
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


def _plain(alert: Alert, subjects: Subjects) -> dict[str, Any]:
    """Return an alert for programs: numbers as stored, times as ISO 8601, names beside keys."""
    subject = subjects.get((alert.subject_kind, alert.subject))
    names = {
        "level_name": alert.level.en,
        "subject_name": subject.name if subject else "",
        "enterprise_name": subject.enterprise_name if subject else "",
        "area_name": subject.area_name if subject else "",
    }
    return {**_times(asdict(alert)), **names}


_TIMES = frozenset(
    {"raised", "changed", "opened", "recovered", "acked", "closed", "since", "last_raise", "last_clear"}
    | {"t", "now", "created", "ended"}
)


def _times(value: Any) -> Any:
    """Return a document with ns as ISO 8601 and null for what is not there: 0 ns, NaN."""
    if isinstance(value, Mapping):
        return {key: _time(item) if key in _TIMES else _times(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_times(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return _times(asdict(value))
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN
        return None
    return value


def _time(t_ns: Any) -> str | None:
    from core.time import to_datetime

    return t_ns if isinstance(t_ns, str) or t_ns is None else to_datetime(t_ns).isoformat() if t_ns else None


def _print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False))


def _console() -> Any:
    from rich.console import Console

    return Console(highlight=False, markup=False)


def _print_list(found: Sequence[Alert], subjects: Subjects) -> None:
    from rich.table import Table

    console = _console()
    if not found:
        console.print("没有预警 / no alerts", style="green")
        return
    heads = ("编号 id", "级别", "状态 state", "规则 rule", "单位 · 对象", "数值 / 限值", "开始", "次")
    table = Table(*heads, box=None, pad_edge=False)
    for alert in found:
        state = "已消警 closed" if alert.closed else _STATES[alert.state]
        table.add_row(
            alert.id,
            f"{alert.level.zh} {alert.level.en}",
            state,
            alert.rule,
            _where(alert, subjects),
            _reading(alert),
            _local(alert.since),
            str(alert.count),
            style="dim" if alert.closed else _COLOURS[alert.level],
        )
    console.print(table)
    more = ", and more: choose a level" if len(found) >= _LONGEST else ""
    console.print(f"{len(found)} alerts{more}")


def _facts(alert: Alert, subjects: Subjects) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    level = Text(f"{alert.level.zh}色 {alert.level.en}", style=_COLOURS[alert.level])
    acked = f"{_local(alert.acked)} {alert.acked_by}" if alert.acked else "-"
    closed = (
        f"{_local(alert.closed)} {alert.closed_by or '系统'}: {alert.closing_note}" if alert.closed else "-"
    )
    for name, value in (
        ("编号 id", alert.id),
        ("级别 level", level),
        ("状态 state", _STATES[alert.state]),
        ("规则 rule", f"{alert.rule} ({alert.rule_version})"),
        ("对象 subject", _where(alert, subjects)),
        ("数值 / 限值", _reading(alert)),
        ("开始 since", _local(alert.since)),
        ("首次 raised", f"{_local(alert.raised)}, 第 {alert.count} 次"),
        ("恢复 recovered", _local(alert.recovered)),
        ("确认 acknowledged", acked),
        ("消警 closed", closed),
    ):
        table.add_row(name, value)
    return table


def _history_table(history: Sequence[Any]) -> Any:
    from rich.table import Table

    table = Table("#", "时间 time", "事由 cause", "状态 state", "级别", "人 by", "说明 note",
                  box=None, pad_edge=False, title="历史 history", title_justify="left")  # fmt: skip
    for line in history:
        moved = f"{line.old} → {line.new}" if line.old != line.new else str(line.new)
        table.add_row(str(line.seq), _local(line.t), line.cause, moved, line.level.zh, line.by, line.note)
    return table


def _notes_table(notes: Sequence[Any]) -> Any:
    from rich.table import Table

    table = Table("时间 time", "步骤 step", "接收人 recipient", "渠道 channel", "结果 result", "次", "说明",
                  box=None, pad_edge=False, title="通知 notifications", title_justify="left")  # fmt: skip
    colours = {"sent": "green", "dead": "red"}
    for note in notes:
        table.add_row(
            _local(note.created),
            note.step,
            note.recipient,
            note.channel,
            note.state,
            str(note.attempts),
            note.reason or note.receipt,
            style=colours.get(note.state, "yellow"),
        )
    return table


def _where(alert: Alert, subjects: Subjects) -> str:
    subject = subjects.get((alert.subject_kind, alert.subject))
    if subject is None:
        return f"{alert.subject_kind.name.lower()} {alert.subject}"
    return f"{subject.enterprise_name} · {subject.name}"


def _reading(alert: Alert) -> str:
    from alerts.message import number

    numbers = [number(value) for value in (alert.value, alert.limit) if value == value]  # noqa: PLR0124 - NaN
    return f"{' / '.join(numbers)} {alert.unit}".strip()


def _local(t_ns: int) -> str:
    from core.time import local_text

    return local_text(t_ns) if t_ns else "-"
