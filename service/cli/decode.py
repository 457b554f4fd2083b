"""`fengsui decode FILE`: what a message becomes, row by row; for the engineer on site."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

_HELP = """\
Show what messages become: every reading with its time and quality, every reject with its reason.

Needs no registry and no broker: any gateway, device and signal counts as known. FILE holds one message (its bytes,
or hexadecimal, or base64), or a capture: JSON lines with the message in `raw` (or `hex`, `base64`), and `topic`.

[bold]Examples[/bold]
  mosquitto_sub -h BROKER -t '#' -C 1 > message.bin      catch one message
  fengsui decode message.bin                              guess what it is
  fengsui decode message.bin --topic tele/desk/SENSOR     the topic helps
  fengsui decode frame.txt --format hj212 --lenient       as for a lenient gateway
  fengsui decode meter.json --mapping acrel_adl400        a shipped mapping, or your own file
  fengsui decode capture.jsonl --json | jq .messages[].rejects

[bold]A new vendor[/bold]
  Write a mapping (docs/wire.md §9), try it here until the rows are right, then name it in the configuration.
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(help=_HELP)(decode)


def decode(
    file: Annotated[Path, typer.Argument(help="A message or a capture.", exists=True, dir_okay=False)],
    *,
    form: Annotated[str, typer.Option("--format", help="native, hj212, sparkplug … (default: guess)")] = "",
    mapping: Annotated[str, typer.Option(help="A shipped mapping, or a file.")] = "",
    topic: Annotated[str, typer.Option(help="Where it was published.")] = "",
    names: Annotated[str, typer.Option(help="A table of foreign names.")] = "",
    key: Annotated[str, typer.Option(help="HJ 212 of 2025: the SM4 key, 32 hexadecimal digits.")] = "",
    zone: Annotated[str, typer.Option(help="Of times without a zone.")] = "Asia/Shanghai",
    lenient: Annotated[
        bool, typer.Option("--lenient", help="Accept known faults, as for a lenient gateway.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """See _HELP."""
    from core.time import clock_ns
    from service.decoding import Wish, captured, read_all

    wish = Wish(form, mapping, topic, names, key, lenient, zone)
    results = read_all(captured(file, topic), wish, clock_ns())
    if as_json:
        print(json.dumps({"messages": results}, ensure_ascii=False))
    else:
        for result in results:
            _print(result)


def _print(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    title = f"{result['label']}  {result['topic']}  [{result['format'] or 'unknown'}]"
    table = Table(
        "device",
        "name",
        "signal",
        "value",
        "unit",
        "time",
        "quality",
        title=escape(title),
        title_justify="left",
    )
    for row in result["rows"]:
        time = row["time"] if row["time_is"] == "sent" else "(arrival)"
        quality = row["quality"] + (", historical" if row["historical"] else "")
        cells = (
            row["device"],
            row["name"],
            row["signal"],
            f"{row['value']:.12g}",
            row["unit"],
            time,
            quality,
        )
        table.add_row(*(escape(cell) for cell in cells))
    if result["rows"]:
        console.print(table)
    else:
        console.print(escape(title), "  no readings")
    for reject in result["rejects"]:
        console.print(f"  [red]{reject['reason']}[/red]  {escape(reject['detail'])}", highlight=False)
    for answer in result["answers"]:
        text = f"  answer to {answer['topic']}: {answer['payload'].strip()}"
        console.print(escape(text), highlight=False)
