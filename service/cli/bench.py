"""`fengsui bench …`: what this machine can do; `--json` for scripts, a table for people."""

from __future__ import annotations

from typing import Annotated

import typer

app = typer.Typer(
    help="Measure this machine. Takes minutes, uses loopback and a folder of its own, leaves nothing behind.",
    no_args_is_help=True,
)


@app.command()
def ingest(
    cases: Annotated[
        list[str] | None, typer.Argument(help="rows-1 rows-3 rows-10 rows-50 columnar-50")
    ] = None,
    *,
    seconds: Annotated[float, typer.Option(help="How long each of a case's two loads is, roughly.")] = 8.0,
    devices: Annotated[int, typer.Option(help="Devices of ten series each.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """The whole path: broker, decoding, detectors, database, acknowledgement, webhook.

    fengsui bench ingest rows-3 columnar-50 --seconds 5
    """
    from rich.console import Console

    from service.bench import ingest as bench
    from service.bench.payloads import SHAPES
    from service.bench.report import emit

    plan = bench.Plan(tuple(cases or SHAPES), seconds, devices)
    results = []
    with Console(stderr=True).status("…") as status:
        for case in plan.cases:
            status.update(f"{case}: about {4 * seconds:.0f} s")
            results += list(bench.run(bench.Plan((case,), seconds, devices)))
    emit(results, as_json=as_json, title="fengsui bench ingest")


@app.command()
def notify(
    *,
    readings: Annotated[int, typer.Option(help="Readings per second in the background.")] = 5_000,
    seconds: Annotated[float, typer.Option(help="How long.")] = 30.0,
    devices: Annotated[int, typer.Option(help="Devices of ten series each.")] = 10_000,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """From a reading's publication to the arrival of a red note at its provider's server.

    fengsui bench notify --readings 5000 --json
    """
    from service.bench import notify as bench
    from service.bench.report import emit

    result = bench.run(bench.Plan(readings, seconds, devices))
    emit([result], as_json=as_json, title="fengsui bench notify")
