"""`fengsui alerts kpi`: how good the alarming is, with the standards' targets beside (docs/alerts.md)."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    from storage.kpi import Kpi


def register(_app: typer.Typer) -> None:
    """Add the command to `fengsui alerts`, once however often the command line is put together."""
    from service.cli.alerts import app

    if not any(command.callback is kpi for command in app.registered_commands):
        app.command()(kpi)


def kpi(
    *,
    days: Annotated[
        float, typer.Option("--days", min=0.001, max=3650, help="So many days back from now.")
    ] = 30.0,
    as_json: Json = False,
    plot: Annotated[
        Path | None, typer.Option("--plot", metavar="FILE", help="Also a picture, .png or .svg.")
    ] = None,
    config: ConfigFile = None,
) -> None:
    """Print key figures of alarming after ISA-18.2 / IEC 62682, with OPC UA's AlarmMetrics.

    fengsui alerts kpi --days 7 --plot kpi.png
    """
    from datetime import UTC

    import psycopg

    from core.errors import ServerError
    from service.config import load
    from storage.kpi import measure

    chosen, now = load(config), datetime.now(UTC)
    try:
        with psycopg.connect(
            chosen.database.dsn, connect_timeout=chosen.database.connect_timeout_s
        ) as connection:
            found = measure(connection, now - timedelta(days=days), now)
    except psycopg.OperationalError as lost:
        raise ServerError(f"the database cannot be reached: {str(lost).strip()}. Is it running?") from lost
    if plot:
        _draw(found, plot)
    if as_json:
        print(json.dumps(_plain(found), ensure_ascii=False, default=str))
    else:
        _print(found)


def _plain(found: Kpi) -> dict[str, Any]:
    from storage.kpi import figures

    return {
        "since": found.since.isoformat(),
        "until": found.now.isoformat(),
        "AlarmMetrics": found.metrics,
        "figures": [asdict(figure) for figure in figures(found)],
        "recipients": found.recipients,
        "bad_actors": found.actors,
        "levels": {str(level): n for level, n in sorted(found.levels.items())},
        "response": found.response,
    }


def _print(found: Kpi) -> None:
    from rich.console import Console
    from rich.table import Table

    from core.levels import Level
    from storage.kpi import figures

    console = Console(highlight=False)
    table = Table(
        title=f"{found.since:%Y-%m-%d %H:%M} … {found.now:%Y-%m-%d %H:%M} UTC", title_justify="left", box=None
    )
    for head in ("", "", "value", "target", ""):
        table.add_column(head, justify="right" if head == "value" else "left")
    for figure in figures(found):
        mark = {True: "[green]✓[/]", False: "[bold red]✗[/]", None: ""}[figure.met]
        table.add_row(
            figure.name_zh, figure.name_en, f"{figure.value:.3g} {figure.unit}".strip(), figure.target, mark
        )
    console.print(table)
    console.print()
    _rows(console, "AlarmMetrics (OPC UA)", [{"": name, " ": value} for name, value in found.metrics.items()])
    _rows(
        console, "响应时间 response, s", [{**row, "level": Level(row["level"]).en} for row in found.response]
    )
    _rows(
        console,
        "报警最多 bad actors",
        [{**row, "%": round(found.share(row["n"]), 1)} for row in found.actors],
    )
    _rows(console, "接收人 recipients", found.recipients[:20])


def _rows(console: Any, title: str, rows: list[dict[str, Any]]) -> None:
    from rich.table import Table

    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None)
    for name in rows[0]:
        table.add_column(name)
    for row in rows:
        table.add_row(*(_word(value) for value in row.values()))
    console.print(table)
    console.print()


def _word(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    return (
        f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else "–" if value is None else str(value)
    )


def _draw(found: Kpi, file: Path) -> None:
    """Alarms per ten minutes with the target, and the most frequent sources."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot as plt

    figure, (above, below) = plt.subplots(2, 1, figsize=(9, 7), layout="constrained")
    above.bar(
        [row["time"] for row in found.by_ten_minutes],
        [row["n"] for row in found.by_ten_minutes],
        width=600 / 86_400,
    )
    above.axhline(10, color="tab:red", linestyle="--", label="flood: more than 10")
    above.set_xlim(found.since, found.now)
    above.set_ylabel("alarms per 10 min")
    above.set_title(f"{found.n_alarms} alarms, {found.metrics['AverageAlarmRate']:.3g} per 10 min on average")
    above.legend()
    names = [f"{row['rule']} {row['subject']}" for row in found.actors]
    below.barh(names[::-1], [row["n"] for row in found.actors][::-1], color="tab:orange")
    below.set_xlabel(
        f"the most frequent sources: {found.share(sum(row['n'] for row in found.actors)):.0f} % of all"
    )
    figure.savefig(file, dpi=120)
    plt.close(figure)
