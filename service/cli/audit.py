"""`fengsui audit …`: is the history of alerts what was written? (docs/alerts.md, docs/adr/0005)."""

from __future__ import annotations

from typing import Annotated

import typer

from service.cli.options import ConfigFile

app = typer.Typer(help="The chain over the history of alerts.", no_args_is_help=True)
_BROKEN = 1
_SHOWN = 20


@app.command()
def verify(
    anchor: Annotated[
        str,
        typer.Option(
            "--anchor", metavar="N:HASH", help="A place in the chain that was kept outside the database."
        ),
    ] = "",
    config: ConfigFile = None,
) -> None:
    """Hash every line of history again; find lines altered, missing, added or moved.  Exit code 1: there are some.

    fengsui audit verify --anchor 1207:9f2c…
    """
    from service.cli.asking import database_of
    from service.config import load
    from storage.audit import verified

    n, _, digest = anchor.partition(":")
    if anchor and not (n.isdigit() and digest):
        raise typer.BadParameter("write N:HASH as `fengsui audit anchors` prints it", param_hint="--anchor")
    with database_of(load(config)) as connection:
        result = verified(connection, {int(n): digest} if anchor else {})
    for problem in result.problems[:_SHOWN]:
        print(problem)
    if result.problems:
        print(f"{len(result.problems)} problems in {result.n_lines} lines")
        raise typer.Exit(_BROKEN)
    older = f"; {result.n_older} lines are older than the chain" if result.n_older else ""
    print(f"good: {result.n_lines} lines, head {result.head.n}:{result.head.hash or '-'}{older}")


@app.command()
def anchors(config: ConfigFile = None) -> None:
    """Print the first place in the chain of each day: keep them where this database cannot be reached."""
    from service.cli.asking import database_of
    from service.config import load

    with database_of(load(config)) as connection:
        for day, n, digest in connection.execute("SELECT day, n, hash FROM anchor ORDER BY day"):
            print(f"{day} {n}:{digest}")
