"""Is everything there that the service needs?  Each finding is fine, or says what to do."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from core.errors import RuleError
from core.time import SECOND, clock_ns
from service.config import Config
from service.config_channel import Channel, Email, LogChannel
from service.rules import packs_of, rules_of, unknown_parameters
from service.status import addresses, ready

OLDEST_POSTGRES = 14
LARGEST_CLOCK_DIFFERENCE_S = 2.0
LEAST_FREE_BYTES = 5 << 30
_CONNACK = {1: "it does not speak MQTT 3.1.1", 2: "it refuses our client id", 3: "it is not available",
            4: "user or password is wrong", 5: "we are not authorised"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at; `remedy` is "" when it is fine."""

    what: str
    found: str
    remedy: str = ""


def examine(config: Config, folder: Path) -> list[Finding]:
    """Look at everything; nothing is changed, and nothing raises."""
    looks: list[Callable[[], Iterator[Finding]]] = [
        lambda: _broker(config),
        lambda: _database(config),
        lambda: _rules(config),
        _clock,
        lambda: _disk(folder),
        lambda: _channels(config),
        lambda: _processes(config),
    ]
    return [finding for look in looks for finding in look()]


# ── broker ────────────────────────────────────────────────────────────────────
def _broker(config: Config) -> Iterator[Finding]:
    mqtt = config.mqtt
    where = f"{mqtt.host}:{mqtt.port}"
    try:
        code = connect(config)
    except OSError as error:
        yield Finding(
            "broker",
            f"{where} does not answer ({error})",
            "Start it, or set [mqtt] host, port and tls",
        )
        return
    if code == 0:
        yield Finding("broker", f"{where} takes us in")
    else:
        problem = _CONNACK.get(code, f"code {code}")
        yield Finding("broker", f"{where} refuses us: {problem}", "Set [mqtt] username and password")


def connect(config: Config, timeout_s: float = 5.0) -> int:
    """Return the broker's CONNACK code for our credentials, 0 = accepted.  Raises OSError when none comes."""
    import paho.mqtt.client as paho
    from paho.mqtt.enums import CallbackAPIVersion

    mqtt = config.mqtt
    answered: list[int] = []
    client = paho.Client(
        CallbackAPIVersion.VERSION2,
        client_id=f"{mqtt.client_id}-doctor",
        protocol=paho.MQTTv311,
    )
    client.on_connect = lambda _c, _u, _f, reason, _p: answered.append(_code(reason.value))
    if mqtt.username:
        client.username_pw_set(mqtt.username, mqtt.password)
    if mqtt.tls:
        client.tls_set(mqtt.ca_file or None, mqtt.cert_file or None, mqtt.key_file or None)
    client.connect_timeout = timeout_s
    client.connect(mqtt.host, mqtt.port, keepalive=10)
    deadline = time.monotonic() + timeout_s
    while not answered and time.monotonic() < deadline:
        client.loop(0.1)
    client.disconnect()
    client.loop(0.05)
    if not answered:
        raise TimeoutError("no CONNACK")
    return answered[0]


def _code(reason: int) -> int:
    """Return the 3.1.1 code of a reason that paho has translated to MQTT 5."""
    return {0: 0, 132: 1, 133: 2, 136: 3, 134: 4, 135: 5}.get(reason, reason)


# ── database ──────────────────────────────────────────────────────────────────
def _database(config: Config) -> Iterator[Finding]:
    if not config.database.dsn:
        yield Finding("database", "none is named", "Set [database] dsn, or start `fengsui up`")
        return
    try:
        with psycopg.connect(
            config.database.dsn, connect_timeout=config.database.connect_timeout_s, autocommit=True
        ) as connection:
            yield from _inside(config, connection)
    except psycopg.Error as error:
        yield Finding("database", str(error).strip().splitlines()[0], "Start it, or set [database] dsn")


def _inside(config: Config, connection: psycopg.Connection) -> Iterator[Finding]:
    version = connection.info.server_version // 10_000
    too_old = version < OLDEST_POSTGRES
    yield Finding(
        "database", f"PostgreSQL {version}", f"Use PostgreSQL {OLDEST_POSTGRES} or newer" if too_old else ""
    )
    tables = _tables(connection)
    yield tables
    if not tables.remedy:
        yield from _parameters(config, connection)
    yield _extension(connection)
    row = connection.execute("SELECT extract(epoch FROM clock_timestamp())").fetchone()
    assert row
    behind_s = clock_ns() / SECOND - float(row[0])
    yield Finding(
        "database's clock",
        f"{abs(behind_s):.3f} s from ours",
        "Keep both machines on NTP" if abs(behind_s) > LARGEST_CLOCK_DIFFERENCE_S else "",
    )


def _tables(connection: psycopg.Connection) -> Finding:
    from service.orm import missing_migrations

    if connection.execute("SELECT to_regclass('django_migrations')").fetchone() == (None,):
        return Finding("tables", "there are none", "Run `fengsui migrate`")
    applied = {tuple(row) for row in connection.execute("SELECT app, name FROM django_migrations")}
    missing = missing_migrations(applied)
    if missing:
        return Finding("tables", f"older than this version, by {', '.join(missing)}", "Run `fengsui migrate`")
    return Finding("tables", "up to date")


def _parameters(config: Config, connection: psycopg.Connection) -> Iterator[Finding]:
    """Look for numbers of devices that no rule asks for: the registry does not know the rules."""
    try:
        rules = rules_of(config.rules)
    except RuleError:
        return
    names = [row[0] for row in connection.execute("SELECT DISTINCT parameter FROM registry_deviceparameter")]
    unknown = unknown_parameters(rules, names)
    yield Finding(
        "parameters of devices",
        f"no rule has {', '.join(unknown)}" if unknown else f"{len(names)} different, all of rules in force",
        "Correct them in the registry; `fengsui rules explain` names a rule's" if unknown else "",
    )


def _extension(connection: psycopg.Connection) -> Finding:
    row = connection.execute("SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'").fetchone()
    if row:
        return Finding("TimescaleDB", f"{row[0]}: hypertables, compression, continuous aggregates")
    return Finding("TimescaleDB", "not installed: native partitions and summaries of our own are used")


def _rules(config: Config) -> Iterator[Finding]:
    try:
        rules = rules_of(config.rules)
    except RuleError as error:
        yield Finding("rules", f"{error.where}: {error.problem}", error.remedy)
    else:
        yield Finding("rules", f"{len(rules)} in {len(packs_of(config.rules))} packs")


# ── this machine ──────────────────────────────────────────────────────────────
def _clock() -> Iterator[Finding]:
    wall, steady = time.time(), time.monotonic()
    time.sleep(0.2)
    jump_s = (time.time() - wall) - (time.monotonic() - steady)
    if abs(jump_s) > 0.05:
        yield Finding("clock", f"jumped by {jump_s:.2f} s while we looked", "Let NTP slew it, not step it")
    elif wall < 1_735_689_600:
        yield Finding("clock", time.strftime("%Y-%m-%d", time.gmtime(wall)), "Set it; keep it on NTP")
    else:
        yield Finding("clock", time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall)))


def _disk(folder: Path) -> Iterator[Finding]:
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(place).free
    found = f"{free / (1 << 30):.1f} GiB free below {place}"
    yield Finding("disk", found, "" if free > LEAST_FREE_BYTES else "Make room, or shorten [retention]")


# ── what sends and what runs ──────────────────────────────────────────────────
def _channels(config: Config) -> Iterator[Finding]:
    for name, channel in config.channels.items():
        yield _channel(f"channel {name}", channel)
    if set(config.channels) == {"log"}:
        yield Finding("channels", "only the log", "Define [channels.…] so that people hear of alerts")
    else:
        yield _links(config)


def _links(config: Config) -> Finding:
    """Messages carry links: do phones reach them, and do they answer without an account?"""
    if not config.console.public_url:
        remedy = "Set [console] public_url to the address under which phones reach the console"
        return Finding("links in messages", f"{config.console_url}: this machine only", remedy)
    if not config.console.secret_key:
        return Finding(
            "links in messages", "ask for an account", "Set [console] secret_key, the same for all processes"
        )
    return Finding(
        "links in messages", f"{config.console_url}, signed, good for {config.console.link_hours:g} h"
    )


def _channel(what: str, channel: Channel) -> Finding:
    if isinstance(channel, LogChannel):
        return Finding(what, channel.kind)
    if isinstance(channel, Email):
        return _reached(what, channel.kind, channel.host, channel.port)
    if not channel.url:
        return Finding(what, f"{channel.kind}: the contacts' own addresses are used")
    address = urlsplit(channel.url)
    if not address.hostname or address.scheme not in ("http", "https"):
        return Finding(what, f"{channel.kind}: {channel.url!r} is no web address", "Write it with https://")
    port = address.port or (443 if address.scheme == "https" else 80)
    return _reached(what, channel.kind, address.hostname, port)


def _reached(what: str, kind: str, host: str, port: int) -> Finding:
    try:
        socket.create_connection((host, port), 3).close()
    except OSError as error:
        return Finding(
            what, f"{kind}: {host}:{port} is not reached ({error})", "Let us out through the firewall"
        )
    return Finding(what, f"{kind}: {host}:{port} is reached")


def _processes(config: Config) -> Iterator[Finding]:
    for name, address in addresses(config).items():
        waiting = ready(address)
        yield Finding(
            name, waiting or f"{address} is ready", waiting and f"Start `fengsui run {name}`, or read its log"
        )
