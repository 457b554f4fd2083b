"""The files PostgreSQL reads at its start, written whole each time so that they never drift."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Mapping, Sequence
from pathlib import Path

from service.embedded.process import Identity

_MB = 1 << 20


def write_files(
    data: Path, settings: Mapping[str, str], *, identity: Identity | None, users: Sequence[str]
) -> None:
    """Write postgresql.conf, pg_hba.conf and pg_ident.conf into the cluster."""
    ourselves = pwd.getpwuid(os.geteuid()).pw_name
    lines = [f"{name} = '{value.replace(chr(39), 2 * chr(39))}'" for name, value in settings.items()]
    texts = {
        "postgresql.conf": "\n".join(lines),
        "pg_hba.conf": "local all all peer map=fengsui\nhost all all 127.0.0.1/32 scram-sha-256",
        "pg_ident.conf": "\n".join(f'fengsui "{ourselves}" {name}' for name in users),
    }
    for name, text in texts.items():
        path = data / name
        path.write_text(f"# Written by fengsui at every start.\n{text}\n", encoding="utf-8")
        if identity:
            os.chown(path, identity.uid, identity.gid)


def defaults(*, port: int, tcp: bool, socket_folder: Path) -> dict[str, str]:
    """Return the settings of an embedded server: durable, on loopback, sized by this machine's memory."""
    return {
        "listen_addresses": "127.0.0.1" if tcp else "",
        "port": str(port),
        "unix_socket_directories": str(socket_folder),
        "unix_socket_permissions": "0700",
        "max_connections": "100",
        "fsync": "on",
        "synchronous_commit": "on",
        "shared_buffers": f"{shared_buffers_mb(memory_bytes())}MB",
        "max_wal_size": "4GB",
        "min_wal_size": "256MB",
        "checkpoint_timeout": "15min",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %a ",
        "password_encryption": "scram-sha-256",
    }


def shared_buffers_mb(memory: int) -> int:
    """Return an eighth of the memory, between 128 MB and 1 GB."""
    return max(128, min(1024, memory // _MB // 8))


def memory_bytes() -> int:
    """Return this machine's memory, or the container's share of it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        memory = min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return memory
