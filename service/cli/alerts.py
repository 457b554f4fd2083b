"""`fengsui alerts …`: what is open, what happened, and how people answer (docs/alerts.md)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.alerts_view import (
    LONGEST,
    console,
    facts,
    history_table,
    notes_table,
    plain_of,
    print_json,
    print_list,
    times,
)
from service.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    import psycopg

    from alerts.changes import Alert
    from service.config import Config

app = typer.Typer(
    help="Alerts: list, show, acknowledge, handle, report back, review, shelve.", no_args_is_help=True
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, or enough of its beginning.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What else is to be known.")]
Why = Annotated[str, typer.Option("--note", metavar="TEXT", help="The reason.")]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="When it ends: 2h, or 2026-11-21T18:00.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers; it stays in the history.")]
_PATIENCE_S = 5.0
_LOOK_S = 0.05
_REFUSED, _NOT_ANSWERED = 1, 3
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
            recent = read.recent_alerts(connection, since=clock_ns() - 30 * DAY, limit=LONGEST)
            found = [alert for alert in recent if alert.level >= at_least]
        else:
            found = list(read.open_alerts(connection, at_least=at_least, limit=LONGEST))
        subjects = load_catalog(connection).subjects
    if as_json:
        print_json({"alerts": [plain_of(alert, subjects) for alert in found]})
    else:
        print_list(found, subjects)


@app.command()
def show(
    id_: Id,
    *,
    as_json: Json = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Draw the evidence into an SVG file.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Print one alert, its history, who was told, and what it rests on.

    fengsui alerts show 7K3FQ2MD4XWZ --plot evidence.svg
    """
    from registry.load import load_catalog
    from storage import evidence, read

    with _database(config) as connection:
        alert = _find(connection, id_)
        history = read.history(connection, alert.id)
        notes = read.notes_of(connection, alert.id)
        documents = evidence.of_alert(connection, alert.id)
        subjects = load_catalog(connection).subjects
    if plot:
        _plot(plot, alert, documents)
    if as_json:
        document = {"alert": plain_of(alert, subjects), "history": history, "notes": notes}
        print_json({**times(document), "evidence": documents})
        return
    out = console()
    out.print(facts(alert, subjects))
    out.print(history_table(history))
    out.print(notes_table(notes))


def _plot(path: Path, alert: Alert, documents: Sequence[Mapping[str, Any]]) -> None:
    from service.cli.evidence_plot import svg

    if not documents:
        raise typer.BadParameter(f"{alert.id} has no evidence yet; the pipeline gathers it within seconds")
    path.write_text(svg(f"{alert.id} {alert.rule}", documents), "utf-8")


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
    _ask(config, "ack", id_, by=by, note=note)


@app.command()
def close(
    id_: Id,
    by: By,
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="What was found and what was done.")],
    config: ConfigFile = None,
) -> None:
    """Close without feedback and review, where that is allowed ([alerts] short_close).

    fengsui alerts close 7K3FQ2MD4XWZ --by 安全员 --note "已清灰，温度恢复"
    """
    _ask(config, "close", id_, by=by, note=note)


@app.command()
def handle(
    id_: Id,
    by: By,
    handler: Annotated[str, typer.Option("--handler", metavar="NAME", help="Who will; else who asks.")] = "",
    note: Note = "",
    config: ConfigFile = None,
) -> None:
    """Take it on, or give it to somebody: 处置.

    fengsui alerts handle 7K3FQ2MD4XWZ --by 安全员 --handler 班组长
    """
    _ask(config, "handle", id_, by=by, note=note, detail={"handler": handler} if handler else {})


@app.command()
def feedback(
    id_: Id,
    by: By,
    *,
    measure: Annotated[str, typer.Option("--measure", metavar="TEXT", help="What was done.")],
    done: Annotated[
        str, typer.Option("--done", metavar="TIME", help="When: 2026-11-21T09:00+08:00, or now.")
    ],
    proof: Annotated[str, typer.Option("--proof", metavar="REF", help="Picture, reading or document.")],
    note: Note = "",
    config: ConfigFile = None,
) -> None:
    """Report what was done, when it was complete, and where the evidence is: 反馈.

    fengsui alerts feedback 7K3FQ2MD4XWZ --by 班组长 --measure 停机清灰 --done now --proof IMG-0312
    """
    _ask(
        config,
        "feedback",
        id_,
        by=by,
        note=note,
        detail={"measure": measure, "done": time_at(done), "proof": proof},
    )


@app.command("false-alarm")
def false_alarm(
    id_: Id,
    by: By,
    note: Why,
    proof: Annotated[str, typer.Option("--proof", metavar="REF", help="Picture, reading or document.")] = "",
    config: ConfigFile = None,
) -> None:
    """Report that there was no danger, and why; a reviewer decides: 误报.

    fengsui alerts false-alarm 7K3FQ2MD4XWZ --by 安全员 --note "传感器进水"
    """
    _ask(config, "false_alarm", id_, by=by, note=note, detail={"proof": proof})


@app.command()
def review(
    id_: Id,
    by: By,
    *,
    accept: Annotated[bool, typer.Option("--accept/--reject", help="Close it, or send it back.")],
    note: Annotated[str, typer.Option("--note", metavar="TEXT", help="A rejection needs a reason.")] = "",
    config: ConfigFile = None,
) -> None:
    """Review feedback; who handled or reported cannot: 审核.

    fengsui alerts review 7K3FQ2MD4XWZ --by 街道检查员 --reject --note "照片看不清"
    """
    _ask(config, "accept" if accept else "reject", id_, by=by, note=note)


@app.command()
def merge(
    id_: Id,
    into: Annotated[str, typer.Option("--into", metavar="ID", help="The alert that goes on for it.")],
    by: By,
    note: Why,
    config: ConfigFile = None,
) -> None:
    """Close it, because another alert, as high at least, goes on for it.

    fengsui alerts merge 7K3FQ2MD4XWZ --into 9ZP3 --by 安全员 --note 同一起火情
    """
    with _database(config) as connection:
        other = _find(connection, into).id
    _ask(config, "merge", id_, by=by, note=note, detail={"into": other})


@app.command()
def exercise(id_: Id, by: By, note: Why, config: ConfigFile = None) -> None:
    """Mark it as an exercise: 演练.

    fengsui alerts exercise 7K3FQ2MD4XWZ --by 安全总监 --note 季度演练
    """
    _ask(config, "exercise", id_, by=by, note=note)


@app.command("shelve")
def shelve_(id_: Id, until: Until, by: By, note: Why, config: ConfigFile = None) -> None:
    """Set it aside for a time: it is recorded, and nobody is told until then: 搁置.

    fengsui alerts shelve 7K3FQ2MD4XWZ --until 2h --by 安全员 --note 更换传感器
    """
    _ask(config, "shelve", id_, by=by, note=note, detail={"until": time_at(until)})


@app.command()
def unshelve(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the alert, or of the shelf (S…).")],
    by: By,
    config: ConfigFile = None,
) -> None:
    """End a shelf or a maintenance window before its time: 解除搁置."""
    _ask(config, "unshelve", id_, by=by, note="", known=not id_.upper().startswith("S") or len(id_) != 13)


@app.command()
def maintain(
    subject: Annotated[str, typer.Argument(help="gateway:CODE, device:GATEWAY/CODE or enterprise:CODE.")],
    *,
    until: Until,
    by: By,
    note: Why,
    begin: Annotated[str, typer.Option("--from", metavar="TIME", help="When it begins.")] = "now",
    config: ConfigFile = None,
) -> None:
    """Announce maintenance: alerts below are recorded, nobody is told until its end; inspectors hear of it now.

    fengsui alerts maintain gateway:gw-01 --until 4h --by 安全总监 --note 除尘器检修
    """
    with _database(config) as connection:
        place = _place(connection, subject)
    _ask(
        config, "maintain", "", by=by, note=note, known=False,
        detail={"subject": place, "from": time_at(begin), "until": time_at(until)},
    )  # fmt: skip


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


def _place(connection: psycopg.Connection[Any], subject: str) -> str:
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


def _ask(
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

    with _database(config) as connection:
        alert = _find(connection, id_).id if known else id_.strip().upper()
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
def _database(config: Path | None) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the database of the configuration; raises ServerError when it is away."""
    from service.config import load

    with database_of(load(config)) as connection:
        yield connection


@contextmanager
def database_of(config: Config) -> Iterator[psycopg.Connection[Any]]:
    """Connect to the database of a configuration; raises ServerError when it is away."""
    import psycopg

    from core.errors import ServerError

    database = config.database
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
