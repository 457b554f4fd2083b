"""What the supervisor watches: a server or a program, and when to start it again."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from service.embedded import process

HEALTHY_S = 60.0
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 30.0


class Runnable(Protocol):
    """A process of ours: `Nats`, `Postgres`, `Program`."""

    process: subprocess.Popen[bytes] | None
    log: Path

    @property
    def pid(self) -> int: ...
    def is_alive(self) -> bool: ...
    def start(self) -> None: ...
    def stop(self, timeout_s: float = ..., hurry: Callable[[], bool] = ...) -> None: ...


class Program:
    """A process that runs until SIGTERM tells it to end; our own death kills it.

    Killed, because law 2 holds then too, and a process that waits for a database that is gone would never end.
    """

    def __init__(
        self, command: Sequence[str], *, log: Path, env: Mapping[str, str], patience_s: float = 20.0
    ) -> None:
        self.command, self.log, self.env, self.patience_s = list(command), log, dict(env), patience_s
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The running process, 0 when there is none."""
        return self.process.pid if self.process else 0

    def is_alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        process.turn(self.log)
        self.process = process.spawn(self.command, log=self.log, env=self.env, death_signal=signal.SIGKILL)

    def stop(self, timeout_s: float = 0, hurry: Callable[[], bool] = bool) -> None:
        if self.process:
            process.stop(self.process, signal.SIGTERM, patience_s=timeout_s or self.patience_s, hurry=hurry)


def pause_s(deaths_in_a_row: int) -> float:
    """Return how long to wait before the next start: half a second, doubled each time, at most 30 s."""
    return float(min(FIRST_PAUSE_S * 2 ** min(deaths_in_a_row - 1, 16), LONGEST_PAUSE_S))


@dataclass(slots=True)
class Child:
    """One watched process; times are seconds of a monotonic clock, given by the caller.

    state     "starting", "running", "waiting" (for its next start), "stopped"
    restarts  since the supervisor's start
    """

    name: str
    runnable: Runnable
    state: str = "stopped"
    restarts: int = 0
    last_exit: str = ""
    due: float = 0.0
    started: float = 0.0
    _deaths: int = field(default=0, repr=False)

    def begins(self, now: float) -> None:
        self.state, self.started = "running", now

    def died(self, reason: str, now: float) -> float:
        """Note the death; return the pause before the next start."""
        self._deaths = 1 if now - self.started > HEALTHY_S else self._deaths + 1
        self.state, self.last_exit = "waiting", reason
        pause = pause_s(self._deaths)
        self.due = now + pause
        return pause


def reason(code: int | None) -> str:
    """Return an exit code in words: `exit code 1`, `SIGKILL`."""
    if code is None:
        return "did not start"
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"
