"""The gatekeeper: keeps the broker's list of users as the registry has it.

A process of its own, so that a credential can be revoked while the pipeline is down, and gateways come in while
the gatekeeper is: the broker has the list in a file.

At a change nats-server closes the connections of those who are gone within a tenth of a second, and then checks the
password of everybody who is connected, 1.2 ms each, while new connections wait.  So additions are gathered, and
removals are not (docs/adr/0006).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import psycopg
import structlog

from core.errors import ConfigError
from core.time import clock_ns
from ingest.feed import Feed
from registry import credentials
from registry.credentials import Grant
from registry.load import registry_version
from service.broker_auth import Access, ServiceUser, access_of, everyone, nats_users
from service.config import Config
from service.embedded import process
from service.feeds import feeds_of
from service.orm import write_secret
from service.sources import SourceFiles

log = structlog.get_logger("gatekeeper")

LOOK_S = 1.0
RETRY_S = 1.0
# Of one core at most half goes into checking passwords again.
CHECK_S = 2 * 0.0012
LEAST_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Terms:
    """What does not change while the process lives.

    anonymous   somebody without credentials may publish
    users_file  written whole or not at all; nats.conf includes it
    pid_file    of nats-server, None = somebody else tells it to read again
    """

    feeds: Sequence[Feed]
    service: ServiceUser
    anonymous: bool
    users_file: Path
    pid_file: Path | None = None

    def text(self, grants: Sequence[Grant]) -> str:
        """Return what the file says for these grants."""
        access = [(g, access_of(g.gateway, g.devices, self.feeds, shared=g.shared_topics)) for g in grants]
        return nats_users(access, self.service, anonymous=self.nobody())

    def nobody(self) -> Access | None:
        """Return what somebody without credentials may do, None = not even connect."""
        return everyone(self.feeds) if self.anonymous else None


class Gatekeeper:
    """Runs until `stop`; see the module.

    sources : where topics come from that gateways may use; None = they stay those of the terms
    """

    def __init__(self, dsn: str, terms: Terms, sources: SourceFiles | None = None) -> None:
        self._dsn, self._terms, self._sources = dsn, terms, sources
        self._ending = threading.Event()
        self._users: frozenset[str] | None = None
        self._version = ""
        self._expires: datetime | None = None
        self._due_s = 0.0
        self.n_reloads = 0

    def stop(self) -> None:
        """End soon; from any thread or a signal handler."""
        self._ending.set()

    def run(self) -> None:
        """Follow the registry; a database that is away leaves in force what the file says."""
        while not self._ending.is_set():
            try:
                with psycopg.connect(
                    self._dsn, autocommit=True, application_name="fengsui-gatekeeper"
                ) as line:
                    line.execute("LISTEN fengsui_registry")
                    self._follow(line)
            except psycopg.OperationalError as lost:
                log.warning("database lost, looking again", error=str(lost).strip())
                self._ending.wait(RETRY_S)

    def _follow(self, line: psycopg.Connection) -> None:
        while not self._ending.is_set():
            self.look(line)
            for _ in line.notifies(timeout=LOOK_S, stop_after=1):
                pass

    def look(self, line: psycopg.Connection) -> None:
        """Bring the broker to what the registry says now, unless it is too early for mere additions."""
        if self._sources and self._sources.look():
            self._terms, self._version = replace(self._terms, feeds=self._sources.feeds), ""
            self._due_s = 0.0
        version, now = registry_version(line), credentials.utc(clock_ns())
        if version == self._version and (self._expires is None or now < self._expires):
            return
        grants = credentials.grants(line, now)
        users = frozenset(grant.user for grant in grants)
        gone = (self._users or frozenset()) - users
        if not gone and self._users is not None and time.monotonic() < self._due_s:
            return
        self._version, self._users, self._expires = version, users, credentials.next_expiry(grants)
        self._write(self._terms.text(grants), n_users=len(users), n_gone=len(gone))

    def _write(self, text: str, *, n_users: int, n_gone: int) -> None:
        """Replace the file and have it read, when it says something else than before."""
        path = self._terms.users_file
        if path.exists() and path.read_text(encoding="utf-8") == text:
            return
        write_secret(path, text)
        self._due_s = time.monotonic() + max(LEAST_PAUSE_S, n_users * CHECK_S)
        self.n_reloads += 1
        told = self._terms.pid_file is not None and tell(self._terms.pid_file)
        log.info("users of the broker written", users=n_users, gone=n_gone, broker_told=told)


def terms_of(config: Config) -> Terms:
    """Return what the configuration says.  Raises ConfigError when it names no file, or no password of ours."""
    mqtt = config.mqtt
    if not mqtt.users_file:
        raise ConfigError(
            "configuration [mqtt] users_file",
            "is empty, so there is nothing to keep",
            "Name the file that nats.conf includes",
        )
    if not (mqtt.username and mqtt.password):
        raise ConfigError(
            "configuration [mqtt] username, password", "are empty, and the pipeline needs them", "Set both"
        )
    return Terms(
        feeds=feeds_of(config),
        service=ServiceUser(mqtt.username, credentials.bcrypt_of(mqtt.password)),
        anonymous=mqtt.anonymous,
        users_file=Path(mqtt.users_file),
        pid_file=Path(mqtt.pid_file) if mqtt.pid_file else None,
    )


def run(config: Config, path: Path | None = None) -> None:
    """Keep the list until SIGTERM or SIGINT.

    path : the configuration's file, whose sources are followed while running
    """
    keeper = Gatekeeper(config.database.dsn, terms_of(config), SourceFiles(path, config))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: keeper.stop())
    keeper.run()


def tell(pid_file: Path) -> bool:
    """Have nats-server read its configuration again; return False when it does not run, and reads it at its start."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return False
    # After a crash the number may be anybody's by now.
    if "nats-server" not in process.command_of(pid):
        return False
    os.kill(pid, signal.SIGHUP)
    return True
