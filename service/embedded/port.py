"""Loopback ports: the customary one when it is free, another when it is not."""

from __future__ import annotations

import socket
from collections.abc import Collection

from core.errors import ServerError

_TRIES = 200


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Return whether we could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # As servers do: a port in TIME_WAIT after a restart is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def free_port(preferred: int = 0, *, host: str = "127.0.0.1", taken: Collection[int] = ()) -> int:
    """Return `preferred` or one of the next 200, else any that is free; 0 = any.

    Raises ServerError when the host is not an address of this machine.  Nothing reserves the port: whoever
    listens first has it.
    """
    for port in range(preferred, min(preferred + _TRIES, 65536)) if preferred else ():
        if port not in taken and is_free(port, host):
            return port
    for _ in range(_TRIES):
        port = _any_port(host)
        if port not in taken:
            return port
    raise ServerError(
        f"no free port on {host}. Close programs that hold ports, or name ports in the configuration"
    )


def _any_port(host: str) -> int:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise ServerError(
                f"cannot listen on {host}: {error}. Use 127.0.0.1 or an address of this machine"
            ) from error
        return int(probe.getsockname()[1])
