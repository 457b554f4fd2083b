"""`fengsui up`: everything on this machine, in one folder."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import DEFAULT_DATA, Data

if TYPE_CHECKING:
    from service.child import Child
    from service.config import Config

READY_TIMEOUT_S = 60.0
LOOK_S = 0.5


def register(app: typer.Typer) -> None:
    app.command()(up)


def up(
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", "-c", metavar="FILE", help="TOML file. Without it: FENGSUI_CONFIG, fengsui.toml."
        ),
    ] = None,
    data: Data = DEFAULT_DATA,
    *,
    demo: Annotated[
        bool, typer.Option("--demo", help="Add the simulated town of twenty enterprises.")
    ] = False,
) -> None:
    """Run broker, database, pipeline, notifier and console here, until Ctrl-C.

    fengsui up --demo

    Everything is kept in one folder (--data); a second `up` in the same folder is refused.
    Ctrl-C stops all of it in order; a second Ctrl-C at once.
    """
    from service import logs
    from service.config import load, written
    from service.supervisor import run

    file = config or written()
    settings = load(file, running=False)
    logs.configure(replace(settings.log, format="text") if settings.log.format == "auto" else settings.log)
    herald = Herald(Path(data))
    run(settings, Path(data), demo=demo, on_change=herald.hear, on_round=herald.round, written=file)


class Herald:
    """Tells the person at the terminal when everything is ready, where to look, and which notes go out."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.config: Config | None = None
        self.notes = Follower(data / "log" / "notifier.log")
        self._began = self._looked = time.monotonic()
        self._done = False

    def hear(self, config: Config, _children: list[Child]) -> None:
        """Take what is known now."""
        self.config = config

    def round(self) -> None:
        """Tell what is new: once that all are ready, and every note that the channel `log` got."""
        for record in self.notes.fresh():
            if record.get("logger") == "note":
                print(
                    f"✉ {record.get('event')}  → {record.get('recipient')}  {record.get('link', '')}",
                    flush=True,
                )
        now = time.monotonic()
        if self._done or self.config is None or now - self._looked < LOOK_S:
            return
        self._looked = now
        waiting = self._waiting(self.config)
        if not waiting or now - self._began > READY_TIMEOUT_S:
            self._done = True
            self._banner(self.config, waiting)

    def _waiting(self, config: Config) -> list[str]:
        from service.status import addresses, ready

        return [f"{name} {why}" for name, place in addresses(config).items() if (why := ready(place))]

    def _banner(self, config: Config, waiting: list[str]) -> None:
        from rich.console import Console

        metrics, embedded = config.metrics, config.embedded
        console = Console(soft_wrap=True, highlight=False)
        title = (
            "烽燧 Fengsui is ready" if not waiting else "烽燧 Fengsui is not ready yet: " + "; ".join(waiting)
        )
        console.print(f"\n{title}", style="bold yellow" if waiting else "bold green", markup=False)
        rows = {
            "console": f"{config.console_url}/",
            "": f"user admin, password in {self.data / 'admin_password'}",
            "MQTT": f"{embedded.mqtt_host}:{config.mqtt.port}, QoS 1, docs/wire.md",
            "metrics": f"http://{metrics.host}:{metrics.pipeline_port}/metrics and :{metrics.notifier_port}/metrics",
            "logs": str(self.data / "log"),
        }
        if embedded.postgres_port:
            password = self.data / "postgres" / "password"
            rows["PostgreSQL"] = f"127.0.0.1:{embedded.postgres_port}, user fengsui, password in {password}"
        rows["look"] = f"fengsui status --data {self.data}; Ctrl-C ends it"
        for name, words in rows.items():
            console.print(f"  {name:<11}{words}", markup=False)
        print(flush=True)


class Follower:
    """Reads what is appended to a log of JSON lines."""

    def __init__(self, log: Path) -> None:
        self.log = log
        self._at = log.stat().st_size if log.exists() else 0

    def fresh(self) -> list[dict[str, Any]]:
        """Return the records of the whole lines since the last call; what is no record is left out."""
        try:
            size = self.log.stat().st_size
            if size == self._at:
                return []
            with self.log.open("rb") as file:
                file.seek(self._at if size > self._at else 0)
                text = file.read()
        except OSError:
            return []
        whole = text[: text.rfind(b"\n") + 1]
        self._at = (self._at if size > self._at else 0) + len(whole)
        return [record for line in whole.splitlines() if (record := _record(line))]


def _record(line: bytes) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
