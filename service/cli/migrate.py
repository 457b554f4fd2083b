"""`fengsui migrate`: the database's tables, and the first user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import ConfigFile


def register(app: typer.Typer) -> None:
    app.command()(migrate)


def migrate(
    config: ConfigFile = None,
    *,
    admin_password_file: Annotated[
        Path | None,
        typer.Option(help="When there is no superuser: make `admin`, and write its password into this file."),
    ] = None,
    demo_town: Annotated[
        bool, typer.Option("--demo-town", help="Import the simulated town, if there is none.")
    ] = False,
    demo_credentials: Annotated[
        Path | None, typer.Option(help="Give the town's gateways credentials, and write them into this file.")
    ] = None,
) -> None:
    """Bring the database to this version's tables. Safe to run again; run it before the new version starts.

    fengsui migrate --config fengsui.toml --admin-password-file admin_password
    """
    from service import orm
    from service.config import load

    settings = load(config)
    orm.setup(settings)
    orm.migrate()
    print("tables: up to date")
    if admin_password_file and orm.make_admin(admin_password_file):
        print(f"user {orm.ADMIN}: made, its password is in {admin_password_file}")
    if demo_town:
        print(
            "demo town: "
            + ("imported" if orm.import_demo_town() else "not imported, the registry is not empty")
        )
    if demo_credentials:
        from service.demo import give_credentials

        n = give_credentials(settings.database.dsn, demo_credentials)
        print(f"credentials of the demo town: {n} made, in {demo_credentials}")
