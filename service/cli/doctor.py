"""`fengsui doctor`: is everything there that the service needs?"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import typer

from service.cli.options import DEFAULT_DATA, ConfigFile, Data, Json


def register(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(config: ConfigFile = None, data: Data = DEFAULT_DATA, *, as_json: Json = False) -> None:
    """Look at broker, database, extension, clock, disk, channels and processes: fine, or what to do.

    fengsui doctor --config fengsui.toml

    Nothing is changed. Exit code 1 when something is to be done.
    """
    from service.config import load
    from service.doctor import examine

    findings = examine(load(config), Path(data))
    if as_json:
        print(json.dumps([dataclasses.asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        from rich.console import Console

        console = Console(soft_wrap=True, highlight=False)
        for one in findings:
            mark = "[yellow]do  [/yellow]" if one.remedy else "[green]ok  [/green]"
            console.print(mark, end="")
            console.print(
                f"{one.what}: {one.found}" + (f". {one.remedy}" if one.remedy else ""), markup=False
            )
    if any(finding.remedy for finding in findings):
        raise typer.Exit(1)
