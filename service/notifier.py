"""The notifier process: outbox ─▶ channel ─▶ receipt; several notes on their way at once.

A note is marked after the channel's answer.  Killed in between, it is sent a second time under the same key
when its lease has run out, and never not at all.  A lost database does not undo a send: what became of it is
kept and marked as soon as the database is back.
Where the provider cannot tell repeats (SMS), it is asked what became of the attempt before, and a note that
arrived after all is marked instead of sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict

import httpx
import psycopg
import structlog

from alerts.changes import Note
from alerts.link import Signer
from alerts.notify import build
from alerts.notify.contract import Channel, ChannelError, ErrorKind, Receipt, Traceable
from alerts.notify.limits import Budget, Limits
from alerts.notify.sender import Dead, Patience, Retry, after
from core.levels import Level
from core.time import MINUTE, SECOND, clock_ns, seconds
from service.config import Config
from service.heartbeat import Heart
from service.metrics import NotifierMetrics
from service.probe import Probe, serve
from service.undelivered import Successors
from storage.outbox import Claim, Outbox

log = structlog.get_logger("notifier")
Mark = Callable[[Outbox], Awaitable[None]]
OBSERVE_S = 5.0
# Kinds of channels that no person reads: a flood of messages wears nobody out.
_MACHINES = frozenset({"log", "webhook"})


def run(config: Config) -> None:
    """Send until SIGTERM or SIGINT; notes on their way are finished first."""
    asyncio.run(_run(config))


async def _run(config: Config) -> None:
    metrics = NotifierMetrics()
    async with httpx.AsyncClient(timeout=config.notify.timeout_s) as client:
        notifier = Notifier(config, channels_of(config, client), metrics)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, notifier.stop)
        probe = Probe(metrics.registry, notifier.ready, notifier.status)
        server = serve(probe, host=config.metrics.host, port=config.metrics.notifier_port)
        log.info("working", channels=sorted(notifier.channels))
        await notifier.work()
        server.shutdown()
    log.info("ended")


def channels_of(config: Config, client: httpx.AsyncClient) -> dict[str, Channel]:
    """Return the channels by their names in the configuration."""
    channels = {}
    for name, settings in config.channels.items():
        keywords = asdict(settings)
        channels[name] = build(keywords.pop("kind"), client, keywords)
    return channels


class Notifier:
    """Claims what is due, sends it, marks what became of it."""

    def __init__(self, config: Config, channels: Mapping[str, Channel], metrics: NotifierMetrics) -> None:
        self.config, self.channels, self.metrics = config, channels, metrics
        self._limits = Limits()
        self._patience = _patience(config)
        self._signer = Signer(config.console_url, config.console.secret_key, config.console.link_hours * 3600)
        self._machines = machines(config)
        self._successors = Successors(config.database.dsn, config.policy)
        self._on_their_way: set[asyncio.Task[None]] = set()
        self._to_mark: deque[Mark] = deque()
        self._wake = asyncio.Event()
        self._ending = asyncio.Event()
        self._connected = False
        self._remembered = False
        self._observed = 0

    def stop(self) -> None:
        """Claim nothing more; finish what is on its way."""
        self._ending.set()
        self._wake.set()

    def ready(self) -> str:
        """Return what is waited for, "" when nothing is."""
        return "" if self._connected else "the database cannot be reached"

    def status(self) -> Mapping[str, object]:
        """Return what was sent since the start, by channel and result."""
        samples = next(iter(self.metrics.notifications.collect())).samples
        counted = {
            f"{sample.labels['channel']} {sample.labels['result']}": int(sample.value)
            for sample in samples
            if sample.name.endswith("_total")
        }
        return {"notifications": counted}

    # ── claim and mark ────────────────────────────────────────────────────────
    async def work(self) -> None:
        """Work until told to stop; a lost database is waited for."""
        heart = asyncio.create_task(self._beat())
        try:
            await self._work()
        finally:
            heart.cancel()
            await asyncio.gather(heart, return_exceptions=True)

    async def _work(self) -> None:
        while not self._ending.is_set():
            try:
                outbox = await Outbox.connect(self.config.database.dsn, _worker_name())
                await self._work_with(outbox)
            except psycopg.OperationalError as lost:
                self._connected = False
                log.warning("database lost, looking again", error=str(lost).strip())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._ending.wait(), self.config.notify.poll_s)

    async def _work_with(self, outbox: Outbox) -> None:
        """Mark, claim, wait for something to do; until the end, or until the database is lost."""
        await self._remember(outbox)
        self._connected = True
        self._wake.set()
        ear = asyncio.create_task(self._listen(outbox))
        try:
            while not (self._ending.is_set() and not self._on_their_way and not self._to_mark):
                await self._wake.wait()
                self._wake.clear()
                if ear.done():
                    ear.result()
                await self._mark(outbox)
                await self._claim(outbox)
                await self._observe(outbox)
        finally:
            ear.cancel()
            await asyncio.gather(ear, return_exceptions=True)
            await outbox.close()

    async def _remember(self, outbox: Outbox) -> None:
        """Take from the budgets what was sent before we were killed: the provider has not forgotten."""
        if self._remembered:
            return
        for note, at in await outbox.lately(clock_ns() - MINUTE):
            if channel := self.channels.get(note.channel):
                self._limits.take_all(self._budgets(note, channel), level=Level.RED, now=at)
        self._remembered = True

    async def _listen(self, outbox: Outbox) -> None:
        """Wake the loop when notes were written, and every poll_s: something may have fallen due."""
        try:
            while True:
                await outbox.wait(self.config.notify.poll_s)
                self._wake.set()
        finally:
            self._wake.set()

    async def _mark(self, outbox: Outbox) -> None:
        while self._to_mark:
            await self._to_mark[0](outbox)
            self._to_mark.popleft()

    async def _claim(self, outbox: Outbox) -> None:
        room = self.config.notify.senders - len(self._on_their_way)
        if self._ending.is_set() or room <= 0:
            return
        for claim in await outbox.claim(room, lease_s=self.config.notify.lease_s, now=clock_ns()):
            task = asyncio.create_task(self._deliver(claim))
            self._on_their_way.add(task)
            task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._on_their_way.discard(task)
        self._wake.set()
        if not task.cancelled() and (fault := task.exception()):
            log.error("a fault of ours, the note's lease will run out", error=repr(fault), exc_info=fault)

    # ── send ──────────────────────────────────────────────────────────────────
    async def _deliver(self, claim: Claim) -> None:
        """Send one note once, within the channel's limits; leave in `_to_mark` what became of it."""
        note = claim.note
        channel = self.channels.get(note.channel)
        if channel is None:
            self._give_up(claim, f"no channel {note.channel!r} is configured: add [channels.{note.channel}]")
            return
        budgets = self._budgets(note, channel)
        try:
            if receipt := await self._find(claim, channel):
                self._sent(claim, receipt, "found")
            elif wait := self._limits.take_all(budgets, level=note.level, now=clock_ns()):
                at = clock_ns() + wait
                self._to_mark.append(lambda outbox: outbox.postpone(claim, at=at))
            else:
                self._sent(claim, await channel.send(self._signed(note)), "sent")
        except ChannelError as error:
            self._failed(claim, error, channel, budgets[0][0])

    def _budgets(self, note: Note, channel: Channel) -> list[tuple[str, Budget]]:
        """Return what may stop a note: the provider's limit for a credential first, then the recipient's."""
        budgets = [(f"{note.channel}:{channel.credential(note)}", Budget(channel.per_minute))]
        if note.channel not in self._machines:
            most = Budget(self.config.notify.recipient_per_minute)
            budgets.append((f"to:{note.channel}:{note.recipient}", most))
        return budgets

    def _signed(self, note: Note) -> Note:
        """A file of messages must not be a file of keys."""
        return note if note.channel in self._machines else self._signer.sign(note)

    async def _find(self, claim: Claim, channel: Channel) -> Receipt | None:
        """Ask what became of the attempts before; a provider that may not be asked knows of none."""
        if claim.attempt == 1 or not isinstance(channel, Traceable):
            return None
        try:
            return await channel.find(claim.note)
        except ChannelError as error:
            if error.kind in (ErrorKind.RETRY, ErrorKind.REFRESH):
                raise
            log.warning("the provider does not say what it sent", key=claim.note.key, code=error.code)
            return None

    def _sent(self, claim: Claim, receipt: Receipt, result: str) -> None:
        now = clock_ns()
        self._to_mark.append(lambda outbox: outbox.sent(claim, receipt=receipt.id or receipt.detail, now=now))
        self.metrics.notifications.labels(claim.note.channel, result).inc()
        self.metrics.delay.observe((now - claim.note.created) / SECOND)

    def _failed(self, claim: Claim, error: ChannelError, channel: Channel, limit: str) -> None:
        now, reason = clock_ns(), f"{error.code}: {error.text}"
        self.metrics.notifications.labels(claim.note.channel, str(error.kind)).inc()
        if error.kind == ErrorKind.RETRY and error.retry_after_s:
            self._limits.block(limit, now + seconds(error.retry_after_s))
        if error.maybe_sent:
            self.metrics.unknown.labels(claim.note.channel).inc()
            if isinstance(channel, Traceable):
                error.retry_after_s = max(error.retry_after_s, self.config.notify.ask_s)
        match after(claim.note, claim.attempt, error, now=now, patience=self._patience, rng=random.random):
            case Retry(at):
                log.warning("not sent, again later", key=claim.note.key, code=error.code, error=error.text)
                self._to_mark.append(lambda outbox: outbox.retry(claim, at=at, reason=reason, now=now))
            case Dead(reason):
                self._give_up(claim, reason)

    def _give_up(self, claim: Claim, reason: str) -> None:
        """Bury a note; what is sent instead is written in the same transaction (law 7)."""
        log.error("given up", key=claim.note.key, reason=reason)
        self.metrics.notifications.labels(claim.note.channel, "dead").inc()

        async def mark(outbox: Outbox) -> None:
            now = clock_ns()
            successor = await self._successors.of(claim.note, reason, now=now)
            instead = [successor] if successor else []
            await outbox.dead(claim, reason=reason, now=now, instead=instead)

        self._to_mark.append(mark)

    # ── heartbeat and gauges ──────────────────────────────────────────────────
    async def _beat(self) -> None:
        """Keep the heartbeat going, with a connection of its own, until cancelled."""
        chosen = self.config.heartbeat
        if not chosen.recipients:
            return
        heart = Heart(chosen, self.config.policy, self.metrics)
        pause_s = min(15.0, chosen.interval_s / 4, chosen.timeout_s / 4)
        while True:
            with contextlib.suppress(psycopg.OperationalError):
                connection = await psycopg.AsyncConnection.connect(self.config.database.dsn, autocommit=True)
                async with connection:
                    while True:
                        await heart.step(connection, clock_ns())
                        await asyncio.sleep(pause_s)
            await asyncio.sleep(pause_s)

    async def _observe(self, outbox: Outbox) -> None:
        now = clock_ns()
        if now < self._observed + seconds(OBSERVE_S):
            return
        self._observed = now
        depth = await outbox.depth()
        for state in ("todo", "leased", "dead"):
            self.metrics.outbox_depth.labels(state).set(getattr(depth, state))
        self.metrics.outbox_age.set((now - depth.oldest) / SECOND if depth.oldest else 0.0)


def machines(config: Config) -> frozenset[str]:
    """Return the names of channels that no person reads."""
    kinds = {name for name, settings in config.channels.items() if settings.kind in _MACHINES}
    return frozenset(kinds) | getattr(config.alerts, "machines", frozenset())


def _patience(config: Config) -> Patience:
    chosen = config.notify
    return Patience(
        retry_s=chosen.retry_s,
        retry_max_s=chosen.retry_max_s,
        attempts=chosen.attempts,
        max_age_s=chosen.max_age_s,
        red_max_s=chosen.red_max_s,
        red_age_s=chosen.red_age_s,
    )


def _worker_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"
