"""Child processes that cannot outlive us: start, stop, and tell why one died."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = str(Path(__file__).with_name("launch.py"))
_LOG_LIMIT_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Identity:
    """The unprivileged user that a child runs as; `capability` is what it keeps of root, "" for nothing."""

    uid: int
    gid: int
    capability: str = ""


def spawn(
    command: Sequence[str],
    *,
    log: Path,
    death_signal: signal.Signals,
    identity: Identity | None = None,
    folder: Path | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a direct child in a session of its own, so that Ctrl-C on our terminal reaches only us.

    On Linux the child gets `death_signal` when we end, even by kill -9; "we" is the calling *thread*, so call
    this from a thread that lives as long as the service does.  Output is appended to `log`.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        return subprocess.Popen(
            wrap(command, identity=identity, folder=folder, death_signal=death_signal),
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=None if env is None else dict(env),
        )


def wrap(
    command: Sequence[str],
    *,
    identity: Identity | None = None,
    folder: Path | None = None,
    death_signal: signal.Signals | None = None,
) -> list[str]:
    """Return the command that starts `command` through launch.py."""
    wish: dict[str, object] = {"parent": os.getpid()}
    if death_signal:
        wish["death_signal"] = int(death_signal)
    if identity:
        wish |= {"uid": identity.uid, "gid": identity.gid, "capability": identity.capability}
    if folder:
        wish["folder"] = str(folder)
    return [sys.executable, "-I", "-S", _LAUNCHER, json.dumps(wish), *command]


def stop(
    process: subprocess.Popen[bytes],
    gently: signal.Signals,
    *,
    patience_s: float,
    hurry: Callable[[], bool] = bool,
    harshly: signal.Signals = signal.SIGKILL,
) -> bool:
    """End a child: the gentle signal; after `patience_s`, or at once in a hurry, the harsh one.

    Returns whether gentleness sufficed.  A child that the harsh signal does not end within 5 s is killed.
    """
    if process.poll() is not None:
        return True
    process.send_signal(gently)
    deadline = time.monotonic() + patience_s
    while process.poll() is None and time.monotonic() < deadline and not hurry():
        time.sleep(0.01)
    if process.poll() is not None:
        return True
    process.send_signal(harshly)
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return False


def is_running(pid: int) -> bool:
    """Return whether a process has this pid; a zombie has ended."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with contextlib.suppress(OSError):
        # The state stands behind the command name, which may hold spaces and parentheses.
        return (
            Path(f"/proc/{pid}/stat")
            .read_text(encoding="utf-8", errors="replace")
            .rpartition(")")[2]
            .split()[0]
            != "Z"
        )
    return True


def command_of(pid: int) -> str:
    """Return a process's command line, "" when it has none or has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    with contextlib.suppress(OSError):
        shown = subprocess.run(
            ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
        )
        return shown.stdout
    return ""


def wait_gone(pid: int, patience_s: float) -> bool:
    """Wait for a process that is not our child; return whether it has ended."""
    deadline = time.monotonic() + patience_s
    while is_running(pid):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def said_since(log: Path, mark: int) -> str:
    """Return what was written to a log behind the byte `mark` (`length` of it before the start)."""
    try:
        with log.open("rb") as file:
            file.seek(mark)
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def length(log: Path) -> int:
    """Return the size of a log in bytes, 0 when there is none."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def last_lines(log: Path, n_lines: int = 8) -> str:
    """Return the end of a log for an error message."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - 8192))
            return "\n".join(file.read().decode("utf-8", "replace").splitlines()[-n_lines:])
    except OSError:
        return ""


def turn(log: Path) -> None:
    """Put a log that has grown long aside, one generation; call before a start."""
    with contextlib.suppress(OSError):
        if log.stat().st_size > _LOG_LIMIT_BYTES:
            log.replace(log.with_suffix(log.suffix + ".1"))
