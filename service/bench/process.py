"""A measured child process: its peak memory and CPU time, read while it lives."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any


class Child:
    """One of our own processes, ended by its pid."""

    def __init__(self, name: str, arguments: Sequence[str], *, log: Path, pipes: bool = False) -> None:
        self.name = name
        self.log_file = log
        self._log = log.open("ab")
        pipe = subprocess.PIPE if pipes else None
        self.process = subprocess.Popen(
            [sys.executable, *arguments], stdin=pipe, stdout=pipe or self._log, stderr=self._log
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def stop(self, *, patience_s: float = 20.0) -> None:
        """Ask it to end, then make it."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()
        self._log.close()

    def line(self) -> dict[str, Any]:
        """Return the next JSON line of its output; raises RuntimeError when it ended instead."""
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        if not text:
            raise RuntimeError(f"{self.name} ended with {self.process.wait()}; see {self._log.name}")
        answer: dict[str, Any] = json.loads(text)
        return answer

    def go(self) -> None:
        """Give it the word it waits for."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"go\n")
        self.process.stdin.flush()


def peak_rss_mib(pid: int) -> float:
    """Return the largest resident set so far; for PostgreSQL use `postgres_rss_mib`."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return round(int(line.split()[1]) / 1024, 1)
    return float("nan")


def cpu_s(pid: int) -> float:
    """Return user and system seconds used so far, its waited-for children included; 0 when it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(fields[k]) for k in (11, 12, 13, 14)) / float(os.sysconf("SC_CLK_TCK"))


def children_of(pid: int) -> list[int]:
    """Return the pids of a process's direct children."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        if parent == pid:
            found.append(int(folder.name))
    return found


def busy_s() -> float:
    """Return the seconds that all cores together were not idle, since the machine started."""
    fields = [int(field) for field in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / float(os.sysconf("SC_CLK_TCK"))


def get_json(url: str) -> dict[str, Any]:
    """Return a JSON answer from loopback."""
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - loopback
        body: dict[str, Any] = json.load(answer)
        return body


def wait_until(url: str, *, of: Child, timeout_s: float = 60.0) -> None:
    """Wait until an address of a child answers 200; raises TimeoutError, and RuntimeError when the child ended."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if of.process.poll() is not None:
            raise RuntimeError(f"{of.name} ended with {of.process.returncode}; see {of.log_file}")
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - loopback
                return
        except OSError:
            time.sleep(0.05)
    raise TimeoutError(f"{url} did not become ready within {timeout_s:.0f} s")
