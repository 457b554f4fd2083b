"""`fengsui status`: what runs, what came in, what is open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from service.cli.options import DEFAULT_DATA, Data, Json

if TYPE_CHECKING:
    from rich.table import Table

_COLOURS = {"running": "green", "starting": "yellow", "waiting": "yellow"}


def register(app: typer.Typer) -> None:
    app.command()(status)


def status(data: Data = DEFAULT_DATA, *, as_json: Json = False) -> None:
    """What runs under `fengsui up`, what came in, what is open. Exit code 1 when something does not run.

    fengsui status --json | python3 -m json.tool
    """
    from service.status import status as read

    found = read(Path(data))
    if as_json:
        print(json.dumps(found, ensure_ascii=False))
    else:
        _show(found)
    if found["problems"]:
        raise typer.Exit(1)


def _show(found: Mapping[str, Any]) -> None:
    from rich.console import Console

    console = Console()
    console.print(f"fengsui up, pid {found['pid']}, {found['data']}", highlight=False)
    console.print(_children(found["children"]))
    for name in ("ledger", "rejects", "alerts", "notifications"):
        part = found[name]
        words = "not known" if part is None else _flat(part)
        console.print(f"[bold]{name}[/bold]: {words}", highlight=False)
    for name, address in found["addresses"].items():
        console.print(f"{name}: {address}", highlight=False)
    for problem in found["problems"]:
        console.print(problem, style="red", markup=False, highlight=False)


def _children(children: list[Mapping[str, Any]]) -> Table:
    from rich.table import Table

    table = Table("process", "state", "pid", "restarts", "last end", box=None, pad_edge=False)
    for child in children:
        colour = (
            _COLOURS.get(child["state"], "red") if child["ready"] or child["state"] != "running" else "yellow"
        )
        state = child["state"] if child["ready"] or child["state"] != "running" else "not ready"
        table.add_row(
            child["name"],
            f"[{colour}]{state}[/{colour}]",
            str(child["pid"] or "-"),
            str(child["restarts"]),
            child["last_exit"] or "-",
        )
    return table


def _flat(part: object) -> str:
    """Return nested counters on one line."""
    if isinstance(part, Mapping):
        return "  ".join(f"{name} {_flat(value)}" for name, value in part.items()) or "none"
    if isinstance(part, list):
        return ", ".join(_flat(item) for item in part) or "none"
    return f"{part:g}" if isinstance(part, float) else str(part)
