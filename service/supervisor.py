"""The supervisor behind `fengsui up`: starts everything in order, watches it, stops it in reverse.

One thread: signals only set a flag, and the loop looks at it.  Children are started from this thread because
Linux ties them to it (`process.spawn`).
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import FrameType

import structlog

from core.errors import ServerError
from service import up
from service.child import Child, reason
from service.config import Config
from service.embedded import process
from service.embedded.port import Claims
from service.lock import Lock
from service.logs import said_last
from service.sources import SourceFiles

log = structlog.get_logger("up")
OnChange = Callable[[Config, list[Child]], None]

LOOK_S = 0.1
MIGRATE_TIMEOUT_S = 600.0
ONE_WISH_S = 0.5


@dataclass
class Wish:
    """How often we were asked to stop: once = in order, again = at once; see `heard`."""

    n_signals: int = 0
    _last: float = field(default=-ONE_WISH_S, repr=False)

    def stop(self) -> bool:
        return self.n_signals > 0

    def hurry(self) -> bool:
        return self.n_signals > 1

    def count(self, now: float) -> None:
        """Note a signal; those within half a second are one wish: `make` passes on what the terminal sends too."""
        if now - self._last >= ONE_WISH_S:
            self.n_signals += 1
        self._last = now

    @contextlib.contextmanager
    def heard(self) -> Iterator[None]:
        """Count SIGINT, SIGTERM and SIGHUP as wishes."""

        def hear(_number: int, _frame: FrameType | None) -> None:
            self.count(time.monotonic())

        wanted = [signal.SIGINT, signal.SIGTERM]
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # nohup
            wanted.append(signal.SIGHUP)
        before = {number: signal.signal(number, hear) for number in wanted}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


@dataclass
class Supervisor:
    """Runs children until it is asked to stop.

    prepare   called once the servers run, before the programs start; raises FengsuiError to end it all
    programs  made after `prepare`, because only then are the addresses known
    tell      called after every change, with all children; writes up.json
    """

    servers: list[Child]
    prepare: Callable[[], None]
    programs: Callable[[], list[Child]]
    tell: Callable[[list[Child]], None]
    wish: Wish = field(default_factory=Wish)
    children: list[Child] = field(default_factory=list)

    def run(self, on_round: Callable[[], None] = lambda: None) -> None:
        """Start, watch until the wish to stop, stop.  Raises FengsuiError when the first start fails."""
        with self.wish.heard():
            try:
                self._start_all()
                while not self.wish.stop():
                    self._watch()
                    on_round()
                    time.sleep(LOOK_S)
            finally:
                self._stop_all()

    def _start_all(self) -> None:
        self._start_each(self.servers)
        if not self.wish.stop():
            self.prepare()
            self._start_each(self.programs())

    def _start_each(self, children: Sequence[Child]) -> None:
        for child in children:
            if self.wish.stop():
                return
            self.children.append(child)
            self._start(child)

    def _start(self, child: Child) -> None:
        child.state = "starting"
        self.tell(self.children)
        child.runnable.start()
        child.begins(time.monotonic())
        log.info("started", what=child.name, pid=child.runnable.pid)
        self.tell(self.children)

    def _watch(self) -> None:
        now = time.monotonic()
        for child in self.children:
            if child.state == "running" and not child.runnable.is_alive():
                self._died(child, _reason(child), now)
            elif child.state == "waiting" and now >= child.due:
                self._restart(child)

    def _died(self, child: Child, why: str, now: float) -> None:
        pause_s = child.died(why, now)
        log.warning(
            "died, starting again",
            what=child.name,
            why=why,
            in_s=pause_s,
            said=said_last(process.last_lines(child.runnable.log, 1))[:400],
            log=str(child.runnable.log),
        )
        self.tell(self.children)

    def _restart(self, child: Child) -> None:
        child.restarts += 1
        try:
            self._start(child)
        except (ServerError, OSError) as error:
            self._died(child, str(error).splitlines()[0], time.monotonic())

    def _stop_all(self) -> None:
        """Stop in reverse, so that nobody misses what it needs while it ends."""
        for child in reversed(self.children):
            if child.runnable.is_alive():
                log.info("stopping", what=child.name)
            child.runnable.stop(hurry=self.wish.hurry)
            child.state = "stopped"
            self.tell(self.children)


def _reason(child: Child) -> str:
    running = child.runnable.process
    return reason(running.returncode if running else None)


def run(
    config: Config,
    data: Path,
    *,
    demo: bool = False,
    on_change: OnChange = lambda _config, _children: None,
    on_round: Callable[[], None] = lambda: None,
    written: Path | None = None,
) -> None:
    """Run everything in `data` until SIGINT or SIGTERM.

    written : the configuration that a person keeps; its sources are followed while running
    Raises ServerError when another process holds the folder, or when a first start fails.
    """
    folder = up.Folder(data.absolute())
    with Lock(folder.path), contextlib.closing(Claims()) as claims:
        wish = Wish()
        watched = up.watched(config) if demo else config
        state = State(folder, up.settle(watched, folder, claims), on_change)
        broker, database = up.servers(state.config, folder, claims, wish.stop)
        state.config = up.with_broker(state.config, broker)
        supervisor = Supervisor(
            servers=[Child("postgres", database), Child("nats", broker)],
            prepare=lambda: state.prepare(database.dsn(), demo=demo, give_up=wish.stop),
            programs=lambda: up.programs(folder, demo=demo),
            tell=state.tell,
            wish=wish,
        )
        sources = SourceFiles(written, config)

        def each_round() -> None:
            on_round()
            state.follow(sources)

        try:
            supervisor.run(each_round)
        finally:
            # Other commands look for a running service here.
            folder.config.unlink(missing_ok=True)
            folder.state.unlink(missing_ok=True)


@dataclass
class State:
    """What is written into the folder for our programs and for `fengsui status`."""

    folder: up.Folder
    config: Config
    on_change: OnChange

    def prepare(self, dsn: str, *, demo: bool, give_up: Callable[[], bool]) -> None:
        """Write the configuration; make tables, first user and town.  Raises ServerError when that fails."""
        self.config = replace(self.config, database=replace(self.config.database, dsn=dsn))
        up.write_config(self.config, self.folder)
        once = up.preparation(self.folder, demo=demo)
        once.start()
        deadline = time.monotonic() + MIGRATE_TIMEOUT_S
        while once.is_alive() and not give_up() and time.monotonic() < deadline:
            time.sleep(0.02)
        once.stop()
        if once.process and once.process.returncode and not give_up():
            said = process.last_lines(once.log)
            raise ServerError(f"the database could not be prepared.\n{said}\nThe whole is in {once.log}")

    def follow(self, sources: SourceFiles) -> None:
        """Write the configuration again when a person has changed its sources; our programs look at it."""
        if sources.look():
            self.config = replace(self.config, sources=sources.written)
            up.write_config(self.config, self.folder)

    def tell(self, children: list[Child]) -> None:
        """Write up.json: a reader sees the old or the new one, never half of it."""
        text = json.dumps(up.describe(self.config, self.folder, children), indent=1, ensure_ascii=False)
        fresh = self.folder.state.with_suffix(".new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(self.folder.state)
        self.on_change(self.config, children)
