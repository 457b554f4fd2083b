"""One supervisor per folder: the lock goes with its holder, however that ends."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from core.errors import ServerError

_NAME = "up.lock"


class Lock:
    """Holds a folder as long as the `with` lasts.  Raises ServerError naming the process that holds it."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / _NAME
        self._fd = -1

    def __enter__(self) -> Self:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Python's descriptors are not inherited: a child that outlives us does not hold the lock.
            fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise ServerError(
                f"{self.path.parent} cannot be used ({error.strerror}). Choose another folder with --data"
            ) from error
        if not _take(fd):
            os.close(fd)
            raise ServerError(
                f"{self.path.parent} is in use by process {_pid(self.path)}. "
                f"Stop that one (kill {_pid(self.path)}), or choose another folder with --data"
            )
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


def holder(folder: Path) -> int:
    """Return the pid of the process that holds the folder, 0 when none does."""
    path = folder / _NAME
    try:
        fd = os.open(path, os.O_RDONLY)
    except OSError:
        return 0
    try:
        return 0 if _take(fd) else _pid(path)
    finally:
        os.close(fd)


def _take(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _pid(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii").strip() or 0)
    except (OSError, ValueError):
        return 0
