"""`fengsui config …` and `fengsui check-config`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

sub = typer.Typer(help="The configuration: every key, and what is in force.", no_args_is_help=True)
File = Annotated[
    Path | None, typer.Argument(help="TOML file; without it, the one that the service would read.")
]


def register(app: typer.Typer) -> None:
    app.add_typer(sub, name="config")
    app.command("check-config")(check_config)


@sub.command()
def example() -> None:
    """Print every key with its meaning and default.

    fengsui config example > fengsui.toml
    """
    from service.config_text import example

    print(example(), end="")


@sub.command()
def show(file: File = None) -> None:
    """Print what is in force: file and environment put together, secrets hidden."""
    from service.config import find, load
    from service.config_text import to_toml

    print(f"# {file or find() or 'defaults and environment'}")
    print(to_toml(load(file), hide_secrets=True), end="")


def check_config(file: File = None) -> None:
    """Read the configuration as the service would, and say what is wrong with it.

    fengsui check-config fengsui.toml
    """
    from service.cli.route import holes_of
    from service.config import find, load
    from service.routes import tree_of
    from service.rules import rules_of

    config = load(file)
    n_rules = len(rules_of(config.rules))
    tree = tree_of(config)
    place = file or find() or "defaults and environment"
    channels = ", ".join(config.channels) or "none"
    print(f"{place}: good. {len(config.sources)} sources, {n_rules} rules, channels: {channels}")
    print(f"{len(tree)} routes; people missing in the registry: {holes_of(config)}")
