"""`fengsui bench fairness`: what the others notice when one gateway floods."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.bench import app as bench


@bench.command()
def fairness(
    *,
    seconds: Annotated[float, typer.Option(help="How long each of the two loads is.")] = 10.0,
    budget: Annotated[float, typer.Option(help="Messages per second that a gateway may send.")] = 200.0,
    times: Annotated[float, typer.Option(help="The noisy gateway sends so many times its budget.")] = 10.0,
    rate: Annotated[float, typer.Option(help="Messages per second of all others together.")] = 1000.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """One gateway sends ten times its budget: how long the readings of the others wait for their commit.

    fengsui bench fairness --json
    """
    from rich.console import Console

    from service.bench.fairness import Flood, run
    from service.bench.report import emit

    with Console(stderr=True).status(f"about {3 * seconds:.0f} s"):
        results = run(Flood(seconds, rate, budget, times))
    emit(results, as_json=as_json, title="fengsui bench fairness")
