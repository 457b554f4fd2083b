"""What `fengsui up` runs: from the configuration and a folder to addresses, servers and programs."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.errors import ServerError
from service.broker_auth import ANONYMOUS
from service.child import Child, Program
from service.config import Config, Console, Embedded, Metrics, Mqtt
from service.config_text import to_toml
from service.embedded.nats import Nats, NatsSettings
from service.embedded.port import Claims, free_port
from service.embedded.postgres import Postgres
from service.gatekeeper import terms_of
from service.orm import write_secret
from service.status import addresses, reachable

LOOPBACK = "127.0.0.1"
SERVICE_USER = "fengsui"
USERS_FILE = "users.conf"


@dataclass(frozen=True, slots=True)
class Folder:
    """Everything that `fengsui up` keeps."""

    path: Path

    @property
    def config(self) -> Path:
        return self.path / "config.toml"

    @property
    def state(self) -> Path:
        return self.path / "up.json"

    @property
    def town_credentials(self) -> Path:
        return self.path / "town_credentials.json"

    @property
    def admin_password(self) -> Path:
        return self.path / "admin_password"

    def log(self, name: str) -> Path:
        return self.path / "log" / f"{name}.log"

    def secret(self, name: str) -> str:
        """Return a random text, made once and kept."""
        path = self.path / name
        if not path.exists():
            write_secret(path, secrets.token_urlsafe(48))
        return path.read_text(encoding="utf-8")


def settle(config: Config, folder: Folder, claims: Claims) -> Config:
    """Return the configuration with ports that are free now, and with secrets of the folder's own.

    A customary port that is taken gives way to the next; one that the configuration names is insisted on.
    Raises ServerError when such a port is taken.
    """

    def settled(key: str, wanted: int, customary: int, host: str) -> int:
        if wanted == customary:
            return free_port(wanted, host=host, claims=claims)
        if not claims.claim(wanted, host):
            raise ServerError(f"port {wanted} on {host} ({key}) is taken. Free it, or name another")
        return wanted

    mqtt, console, metrics, embedded = config.mqtt, config.console, config.metrics, config.embedded
    return replace(
        config,
        mqtt=replace(
            mqtt,
            port=settled("[mqtt] port", mqtt.port, Mqtt().port, embedded.mqtt_host),
            **_identity(config, folder),
        ),
        console=replace(
            console,
            port=settled("[console] port", console.port, Console().port, console.host),
            secret_key=console.secret_key or folder.secret("secret_key"),
        ),
        metrics=replace(
            metrics,
            pipeline_port=settled(
                "[metrics] pipeline_port", metrics.pipeline_port, Metrics().pipeline_port, metrics.host
            ),
            notifier_port=settled(
                "[metrics] notifier_port", metrics.notifier_port, Metrics().notifier_port, metrics.host
            ),
        ),
        embedded=replace(
            embedded,
            postgres_port=embedded.postgres_port
            and settled(
                "[embedded] postgres_port", embedded.postgres_port, Embedded().postgres_port, LOOPBACK
            ),
        ),
        # Our programs write into files.
        log=replace(config.log, format="json" if config.log.format == "auto" else config.log.format),
    )


def watched(config: Config) -> Config:
    """Return the configuration of a demonstration: with no other channel, who sits at the terminal reads the log.

    Without this every red alert would soon be followed by one that it reached nobody.
    """
    if any(channel.kind != "log" for channel in config.channels.values()):
        return config
    return replace(config, alerts=replace(config.alerts, machines=frozenset()))


def _identity(config: Config, folder: Folder) -> dict[str, Any]:
    """Return how our own programs reach the broker and who they are there."""
    mqtt, embedded = config.mqtt, config.embedded
    tls = bool(embedded.mqtt_cert_file)
    # Whoever knows the client id of a session can end it, with all that it holds.
    secret_id = f"{mqtt.client_id}-{folder.secret('mqtt_client_id')[:16]}"
    return {
        "host": mqtt.host if tls else reachable(embedded.mqtt_host),
        "username": mqtt.username or SERVICE_USER,
        "password": mqtt.password or folder.secret("mqtt_password"),
        "client_id": secret_id if mqtt.client_id == Mqtt().client_id else mqtt.client_id,
        "tls": tls,
        "ca_file": (mqtt.ca_file or embedded.mqtt_cert_file) if tls else "",
        "users_file": str(folder.path / "nats" / USERS_FILE),
    }


def servers(
    config: Config, folder: Folder, claims: Claims, give_up: Callable[[], bool]
) -> tuple[Nats, Postgres]:
    """Return broker and database of the folder, not started."""
    _first_users(config)
    broker = Nats(
        folder.path / "nats",
        host=config.embedded.mqtt_host,
        port=config.mqtt.port,
        monitor_port=free_port(8222, claims=claims),
        settings=NatsSettings(
            max_ack_pending=config.mqtt.max_ack_pending,
            ack_wait_s=config.mqtt.ack_wait_s,
            users_file=USERS_FILE,
            anonymous=ANONYMOUS if config.mqtt.anonymous else "",
            cert_file=_absolute(config.embedded.mqtt_cert_file),
            key_file=_absolute(config.embedded.mqtt_key_file),
            client_ca_file=_absolute(config.embedded.mqtt_client_ca_file),
        ),
        log=folder.log("nats"),
        give_up=give_up,
    )
    database = Postgres(
        folder.path / "postgres",
        tcp_port=config.embedded.postgres_port,
        log=folder.log("postgres"),
        give_up=give_up,
    )
    return broker, database


def with_broker(config: Config, broker: Nats) -> Config:
    """Return the configuration with where the broker says what it does."""
    mqtt = replace(
        config.mqtt,
        pid_file=str(broker.pid_file),
        log_file=str(broker.log),
        monitor_url=broker.monitor_url,
    )
    return replace(config, mqtt=mqtt)


def _first_users(config: Config) -> None:
    """Let our own programs in before the gatekeeper has read the registry for the first time."""
    file = Path(config.mqtt.users_file)
    # The one of last time stays: gateways need not wait for the gatekeeper.
    if file.exists() and (not config.mqtt.anonymous or f'"{ANONYMOUS}"' in file.read_text(encoding="utf-8")):
        return
    write_secret(file, terms_of(config).text(()))


def _absolute(file: str) -> str:
    """Return a file's whole path: the broker has a folder of its own."""
    return str(Path(file).absolute()) if file else ""


def write_config(config: Config, folder: Folder) -> None:
    """Write what our programs and the other commands read while we run; it holds secrets."""
    write_secret(folder.config, "# Written by `fengsui up`, gone when it ends.\n\n" + to_toml(config))


def preparation(folder: Folder, *, demo: bool) -> Program:
    """Return the program that makes tables, first user and demo town, and ends."""
    words = ["migrate", "--config", str(folder.config), "--admin-password-file", str(folder.admin_password)]
    town = ["--demo-town", "--demo-credentials", str(folder.town_credentials)]
    return _program("migrate", words + (town if demo else []), folder)


def programs(folder: Folder, *, demo: bool) -> list[Child]:
    """Return what runs beside the servers, in the order of starting."""
    children = [
        Child(name, _program(name, ["run", name, "--config", str(folder.config)], folder))
        for name in ("gatekeeper", "pipeline", "notifier", "console")
    ]
    if demo:
        backlog = str(folder.path / "town.backlog")
        words = ["run", "town", "--config", str(folder.config), "--backlog", backlog]
        words += ["--credentials", str(folder.town_credentials)]
        children.append(Child("town", _program("town", words, folder)))
    return children


def _program(name: str, words: list[str], folder: Folder) -> Program:
    # -P: a folder `core` where the user happens to stand must not be taken for ours.
    command = [sys.executable, "-P", "-m", "service.cli", *words]
    return Program(command, log=folder.log(name), env=_environment(os.environ))


def _environment(env: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of our programs: what ours said is in the written configuration already."""
    return {name: value for name, value in env.items() if not name.startswith("FENGSUI_")}


def describe(config: Config, folder: Folder, children: Sequence[Child]) -> dict[str, object]:
    """Return what `fengsui status` starts from; no secrets in it."""
    embedded = config.embedded
    return {
        "pid": os.getpid(),
        "data": str(folder.path),
        "addresses": {
            **addresses(config),
            "mqtt": f"mqtt://{embedded.mqtt_host}:{config.mqtt.port}",
            "postgres": f"{LOOPBACK}:{embedded.postgres_port}" if embedded.postgres_port else "unix socket",
        },
        "children": [_describe(child) for child in children],
    }


def _describe(child: Child) -> dict[str, object]:
    return {
        "name": child.name,
        "state": child.state,
        "pid": child.runnable.pid if child.runnable.is_alive() else 0,
        "restarts": child.restarts,
        "last_exit": child.last_exit,
        "log": str(child.runnable.log),
    }
