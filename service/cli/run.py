"""`fengsui run …`: one process against the servers that the configuration names; that is production."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from service.cli.options import ConfigFile

if TYPE_CHECKING:
    from service.config import Config

app = typer.Typer(
    help="Run one process of the service in the foreground, against servers named in the configuration.",
    no_args_is_help=True,
)


@app.command()
def pipeline(config: ConfigFile = None) -> None:
    """Broker to database: read, detect, decide, store, acknowledge.

    fengsui run pipeline --config fengsui.toml
    """

    def work(settings: Config) -> None:
        from service.config import find
        from service.pipeline_process import run

        run(settings, config or find())

    _run(config, work)


@app.command()
def notifier(config: ConfigFile = None) -> None:
    """Send what is in the outbox, and note what became of it."""

    def work(settings: Config) -> None:
        from service.notifier import run

        run(settings)

    _run(config, work)


@app.command()
def console(config: ConfigFile = None) -> None:
    """Web pages and HTTP API."""

    def work(settings: Config) -> None:
        import uvicorn

        from service.orm import setup

        setup(settings)
        uvicorn.run(
            "console.asgi:application",
            host=settings.console.host,
            port=settings.console.port,
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=5,
            lifespan="off",
        )

    _run(config, work)


@app.command()
def gatekeeper(config: ConfigFile = None) -> None:
    """Write for the broker who may connect, and have it read again whenever the registry changes."""

    def work(settings: Config) -> None:
        from service.config import find
        from service.gatekeeper import run

        run(settings, config or find())

    _run(config, work)


@app.command()
def town(
    config: ConfigFile = None,
    *,
    backlog: Annotated[
        Path | None, typer.Option(help="File in which messages wait for their PUBACK; without it, in memory.")
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option(help="File with each gateway's credentials; without it all use those of [mqtt]."),
    ] = None,
    speed: Annotated[float, typer.Option(help="How much faster than the wall clock the town lives.")] = 1.0,
    seed: Annotated[int, typer.Option(help="Another seed is another story.")] = 1,
    calm: Annotated[bool, typer.Option("--calm", help="Nothing goes wrong.")] = False,
) -> None:
    """The simulated town: gateways of twenty enterprises that publish over MQTT."""

    def work(settings: Config) -> None:
        from simulators.town_process import run

        run(
            settings.mqtt.host,
            settings.mqtt.port,
            username=settings.mqtt.username or None,
            password=settings.mqtt.password or None,
            credentials=credentials,
            ca_file=settings.mqtt.ca_file if settings.mqtt.tls else None,
            backlog=backlog,
            speed=speed,
            seed=seed,
            calm=calm,
        )

    _run(config, work)


def _run(path: Path | None, work: Callable[[Config], None]) -> None:
    """Load the configuration, set up the log, work; what ends the work is in the log too."""
    from service import logs
    from service.config import load

    settings = load(path)
    logs.configure(settings.log)
    try:
        work(settings)
    except Exception as error:
        logs.last_words(error)
        raise typer.Exit(1) from error
