"""`fengsui alerts …`: what is open, what happened, and how people answer (docs/alerts.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from service.cli.asking import ask, database, find, place_of, time_at
from service.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from alerts.changes import Alert

app = typer.Typer(
    help="Alerts: list, show, acknowledge, handle, report back, review, shelve.", no_args_is_help=True
)

Id = Annotated[str, typer.Argument(metavar="ID", help="The alert's id, or enough of its beginning.")]
Note = Annotated[str, typer.Option("--note", metavar="TEXT", help="What else is to be known.")]
Why = Annotated[str, typer.Option("--note", metavar="TEXT", help="The reason.")]
Until = Annotated[str, typer.Option("--until", metavar="TIME", help="When it ends: 2h, or 2026-11-21T18:00.")]
By = Annotated[str, typer.Option("--by", metavar="NAME", help="Who answers; it stays in the history.")]


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
    with database(config) as connection:
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

    with database(config) as connection:
        alert = find(connection, id_)
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
    ask(config, "ack", id_, by=by, note=note)


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
    ask(config, "close", id_, by=by, note=note)


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
    ask(config, "handle", id_, by=by, note=note, detail={"handler": handler} if handler else {})


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
    ask(
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
    ask(config, "false_alarm", id_, by=by, note=note, detail={"proof": proof})


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
    ask(config, "accept" if accept else "reject", id_, by=by, note=note)


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
    with database(config) as connection:
        other = find(connection, into).id
    ask(config, "merge", id_, by=by, note=note, detail={"into": other})


@app.command()
def exercise(id_: Id, by: By, note: Why, config: ConfigFile = None) -> None:
    """Mark it as an exercise: 演练.

    fengsui alerts exercise 7K3FQ2MD4XWZ --by 安全总监 --note 季度演练
    """
    ask(config, "exercise", id_, by=by, note=note)


@app.command("shelve")
def shelve_(id_: Id, until: Until, by: By, note: Why, config: ConfigFile = None) -> None:
    """Set it aside for a time: it is recorded, and nobody is told until then: 搁置.

    fengsui alerts shelve 7K3FQ2MD4XWZ --until 2h --by 安全员 --note 更换传感器
    """
    ask(config, "shelve", id_, by=by, note=note, detail={"until": time_at(until)})


@app.command()
def unshelve(
    id_: Annotated[str, typer.Argument(metavar="ID", help="Of the alert, or of the shelf (S…).")],
    by: By,
    config: ConfigFile = None,
) -> None:
    """End a shelf or a maintenance window before its time: 解除搁置."""
    ask(config, "unshelve", id_, by=by, note="", known=not id_.upper().startswith("S") or len(id_) != 13)


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
    with database(config) as connection:
        place = place_of(connection, subject)
    ask(
        config, "maintain", "", by=by, note=note, known=False,
        detail={"subject": place, "from": time_at(begin), "until": time_at(until)},
    )  # fmt: skip
