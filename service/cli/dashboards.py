"""`fengsui dashboards …`: Grafana dashboards as code."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Grafana dashboards: written as JSON, or sent to a Grafana.", no_args_is_help=True)


@app.command()
def build(
    folder: Annotated[
        Path | None, typer.Argument(help="Without it: the folder that deployments read.")
    ] = None,
) -> None:
    """Write every dashboard as JSON, for Grafana's provisioning.

    fengsui dashboards build /var/lib/grafana/dashboards
    """
    from dashboards.build import FOLDER, write

    for path in write(folder or FOLDER):
        print(path)


@app.command()
def push(
    url: Annotated[str, typer.Argument(help="Address of the Grafana.")],
    token_file: Annotated[
        Path, typer.Option(help="File with the token of a service account that may write dashboards.")
    ],
) -> None:
    """Create or overwrite the dashboards of a running Grafana.

    fengsui dashboards push https://grafana.example.org --token-file token
    """
    from dashboards.push import push as send

    if not token_file.is_file():
        raise typer.BadParameter(f"{token_file} is not there", param_hint="--token-file")
    for address in send(url, token_file.read_text("utf-8").strip()):
        print(address)
