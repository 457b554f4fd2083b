"""`fengsui bench decode`: how fast each format is read, on one core."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.bench import app as bench


def register(_app: typer.Typer) -> None:
    """The command hangs below `bench`, which adds itself."""


@bench.command()
def decode(
    cases: Annotated[
        list[str] | None, typer.Argument(help="rows-10 columnar-50 sparkplug-10 hj212-10 …")
    ] = None,
    *,
    rounds: Annotated[int, typer.Option(help="Each case is run so often; the best counts.", min=1)] = 7,
    worst: Annotated[
        bool, typer.Option("--worst", help="What the worst messages cost instead, in ms.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Readings per second and core, from the messages' bytes to checked columns; without broker and database.

    fengsui bench decode rows-10 sparkplug-10
    """
    from rich.console import Console

    from service.bench import decode as bench_decode
    from service.bench import worst as bench_worst
    from service.bench.report import emit

    known = list(bench_worst.MESSAGES) if worst else bench_decode.names()
    run = bench_worst.run if worst else bench_decode.run
    chosen = cases or known
    for case in chosen:
        if case not in known:
            raise typer.BadParameter(f"{case} is no case: {', '.join(known)}")
    results = []
    with Console(stderr=True).status("…") as status:
        for case in chosen:
            status.update(case)
            results += list(run([case], rounds=rounds))
    emit(results, as_json=as_json, title="fengsui bench decode")
