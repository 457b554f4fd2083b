"""Loopback ports: the customary one when it is free, another when it is not."""

from __future__ import annotations

import random
import socket
import sys
from collections.abc import Collection

from core.errors import ServerError

_TRIES = 200
_QUIET_PORTS = (15_000, 32_000)


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


class Claims:
    """Ports that this process is going to use, so that two `fengsui up` that start at once do not choose the same.

    A claim is an abstract unix socket of Linux: it is seen by whoever shares our ports, and goes when we go.
    Elsewhere nothing is claimed, and the later of the two fails to listen.
    """

    def __init__(self) -> None:
        self._held: dict[int, socket.socket] = {}

    def claim(self, port: int, host: str = "127.0.0.1") -> bool:
        """Return whether the port is free and ours from now on."""
        if port in self._held or not is_free(port, host):
            return False
        sign = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            if sys.platform.startswith("linux"):
                sign.bind(f"\0fengsui-port-{port}")
        except OSError:
            sign.close()
            return False
        self._held[port] = sign
        return True

    def close(self) -> None:
        """Give all of them back."""
        while self._held:
            self._held.popitem()[1].close()


def free_port(
    preferred: int = 0, *, host: str = "127.0.0.1", taken: Collection[int] = (), claims: Claims | None = None
) -> int:
    """Return `preferred` or one of the next 200, else any that is free; 0 = any.

    taken     ports that will not do
    claims    claims the port as well
    Raises ServerError when the host is not an address of this machine.
    """

    def fits(port: int, host: str) -> bool:
        return port not in taken and (claims.claim(port, host) if claims else is_free(port, host))

    for port in range(preferred, min(preferred + _TRIES, 65536)) if preferred else ():
        if fits(port, host):
            return port
    for _ in range(_TRIES):
        port = _any_port(host)
        if fits(port, host):
            return port
    raise ServerError(
        f"no free port on {host}. Close programs that hold ports, or name ports in the configuration"
    )


def _any_port(host: str) -> int:
    """Return a port at random, below those that the system gives to outgoing connections: they come and go."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise ServerError(
                f"cannot listen on {host}: {error}. Use 127.0.0.1 or an address of this machine"
            ) from error
    return random.randrange(*_QUIET_PORTS)
