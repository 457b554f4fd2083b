"""`fengsui gateway …`: credentials of gateways, and the settings that their installers need (docs/security.md)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.cli.options import ConfigFile, Json

if TYPE_CHECKING:
    import psycopg

    from registry.credentials import Issued
    from service.config import Config

app = typer.Typer(help="Credentials of gateways: add, rotate, revoke, test, list.", no_args_is_help=True)
Code = Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway's code in the registry.")]
Note = Annotated[str, typer.Option(help="For whom or where; shown by list.")]
Host = Annotated[
    str, typer.Option(help="Under which name gateways reach the broker; without it, [mqtt] host.")
]


@app.command()
def add(
    gateway: Code, *, days: Annotated[int, typer.Option(min=0, help="Valid for so many days; 0 = until revoked.")] = 0,
    note: Note = "", host: Host = "", config: ConfigFile = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Make credentials, and print once what the gateway's installer needs. Others stay valid.

    fengsui gateway add gw-e01 --note "cabinet in hall 2"
    """
    from registry import credentials

    settings = _load(config)
    with _database(settings) as (connection, now):
        expires = now + timedelta(days=days) if days else None
        issued = credentials.issue(connection, gateway, now, expires=expires, note=note)
        _show(connection, settings, issued, host=host, as_json=as_json)


@app.command()
def rotate(
    gateway: Code,
    *,
    overlap_hours: Annotated[
        float, typer.Option(min=0, help="So long the old ones stay valid: time to change the gateway.")
    ] = 72.0,
    note: Note = "", host: Host = "", config: ConfigFile = None, as_json: Json = False,
) -> None:  # fmt: skip
    """Make new credentials; all others of the gateway end after the overlap."""
    from registry import credentials

    settings = _load(config)
    with _database(settings) as (connection, now):
        until = now + timedelta(hours=overlap_hours)
        issued = credentials.rotate(connection, gateway, now, until=until, note=note)
        _show(connection, settings, issued, host=host, as_json=as_json)
        if not as_json:
            print(f"\n旧凭据有效至 the old ones end at {_local(until)}")


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="A user name (gw-e01~2), or a gateway's code: all of it.")],
    config: ConfigFile = None,
) -> None:
    """End credentials at once: the broker closes the connection and lets it in no more, within 5 s."""
    from registry import credentials

    with _database(_load(config)) as (connection, now):
        for user in credentials.revoke(connection, name, now):
            print(f"{user}: revoked")


@app.command("list")
def list_(
    gateway: Annotated[str | None, typer.Argument(help="Of this gateway only.")] = None,
    *,
    config: ConfigFile = None,
    as_json: Json = False,
) -> None:
    """Print credentials, ended ones too; secrets are kept nowhere and cannot be shown again."""
    from registry import credentials

    with _database(_load(config)) as (connection, now):
        rows = [
            {
                "gateway": one.gateway, "user": one.user, "state": one.state(now), "created": _local(one.created),
                "until": _local(one.revoked or one.expires), "note": one.note,
            }
            for one in credentials.listed(connection, gateway)
        ]  # fmt: skip
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
    else:
        _table(rows)


@app.command("test")
def try_(
    user: Annotated[str, typer.Argument(help="The user name, as `gateway add` printed it.")],
    *,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password; without it you are asked.")
    ] = None,
    gateway: Annotated[str, typer.Option(help="Topics of this gateway; without it, of the user's own.")] = "",
    config: ConfigFile = None,
) -> None:
    """Connect as a gateway and publish its status; say in words what is wrong. Exit code 1 when something is.

    fengsui gateway test gw-e01~1
    """
    from registry import credentials
    from service.gateway_trial import explain, try_out

    settings = _load(config)
    if password_file:
        password = password_file.read_text(encoding="utf-8").strip()
    else:
        password = typer.prompt("密码 password", hide_input=True)
    gateway = gateway or credentials.gateway_of(user) or user
    reader = (settings.mqtt.username, settings.mqtt.password) if settings.mqtt.username else None
    steps = list(try_out(settings.mqtt, user, password, gateway=gateway, reader=reader))
    for step in steps:
        print(f"{'✗' if step.remedy else '✓'} {step.what}: {step.found}")
        if step.remedy and step.remedy != "see below":
            print(f"  {step.remedy}")
    if not any(step.remedy for step in steps):
        return
    if steps[-1].remedy == "see below":
        with _database(settings) as (connection, now):
            print(f"  {explain(connection, user, password, now)}")
    raise typer.Exit(1)


@app.command("export-mosquitto")
def export_mosquitto(
    folder: Annotated[Path, typer.Argument(help="Gets `passwords` and `acl`.")], config: ConfigFile = None
) -> None:
    """Write password_file and acl_file for Mosquitto; then have it read them: kill -HUP.

    fengsui gateway export-mosquitto /etc/mosquitto/fengsui
    """
    from core.errors import ConfigError
    from registry import credentials
    from service.broker_auth import ServiceUser, access_of, mosquitto_acl, mosquitto_passwords
    from service.feeds import feeds_of
    from service.orm import write_secret

    settings = _load(config)
    mqtt = settings.mqtt
    if not (mqtt.username and mqtt.password):
        raise ConfigError(
            "configuration [mqtt] username, password", "are empty, and the pipeline needs them", "Set both"
        )
    service, feeds = ServiceUser(mqtt.username, credentials.pbkdf2_of(mqtt.password)), feeds_of(settings)
    with _database(settings) as (connection, now):
        grants = credentials.grants(connection, now)
    access = [(g, access_of(g.gateway, g.devices, feeds, shared=g.shared_topics)) for g in grants]
    write_secret(folder / "passwords", mosquitto_passwords(grants, service))
    write_secret(folder / "acl", mosquitto_acl(access, service))
    print(f"{folder}: {len(grants)} users")


# ── what they share ───────────────────────────────────────────────────────────
def _load(config: Path | None) -> Config:
    from service.config import load

    return load(config)


@contextmanager
def _database(settings: Config) -> Iterator[tuple[psycopg.Connection[Any], datetime]]:
    """Give a connection, and now; what was done is committed at the end."""
    import psycopg

    from core.time import clock_ns
    from registry.credentials import utc
    from service.orm import environment

    environment(settings)  # says what to do when no database is named
    with psycopg.connect(settings.database.dsn) as connection:
        yield connection, utc(clock_ns())


def _show(
    connection: psycopg.Connection[Any], settings: Config, issued: Issued, *, host: str, as_json: bool
) -> None:
    import secrets

    from service.gateway_settings import settings_of

    rows = connection.execute(
        "SELECT d.code FROM registry_device d JOIN registry_gateway g ON g.id = d.gateway_id "
        "WHERE g.code = %s AND d.active ORDER BY d.code",
        [issued.gateway],
    ).fetchall()
    mqtt = settings.mqtt
    found = settings_of(
        issued, host=host or mqtt.host, port=mqtt.port, tls=mqtt.tls, ca_file=mqtt.ca_file,
        random=secrets.token_hex(3), devices=[code for (code,) in rows],
    )  # fmt: skip
    if as_json:
        print(json.dumps(found.as_dict(), ensure_ascii=False))
        return
    print(f"网关 {issued.gateway} 的接入参数。密码只显示这一次。 The password is shown only now.\n")
    print(found.text())


def _local(moment: datetime | None) -> str:
    from core.time import from_datetime, local_text

    return local_text(from_datetime(moment)) if moment else ""


def _table(rows: list[dict[str, str]]) -> None:
    from rich.console import Console
    from rich.table import Table

    names = ("user", "state", "created", "until", "note")
    table = Table(*names, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*(row[name] for name in names))
    Console(highlight=False, markup=False).print(table)
