"""`fengsui bench detectors`: the detector core alone, on one core."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.bench import app as bench


@bench.command()
def detectors(
    *,
    series: Annotated[int, typer.Option(help="How many series have state.")] = 100_000,
    batches: Annotated[int, typer.Option(help="Batches per shape; the median counts.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Seven methods on every reading, by shape of batch; beside plain Python, river and np.copyto in the same run.

    fengsui bench detectors --json
    """
    from rich.console import Console

    from service.bench.detectors import run
    from service.bench.report import emit

    with Console(stderr=True).status("about a minute"):
        results = list(run(series, batches=batches))
    emit(results, as_json=as_json, title="fengsui bench detectors")
