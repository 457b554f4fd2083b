"""The flow: from deliveries of readings to committed samples, alerts and notes.  Start reading here.

    source ─▶ bank (detectors) ─▶ desk (alerts) ─▶ store (one transaction) ─▶ ack

One worker runs it.  The network thread feeds the source, a keeper thread brings news of the registry and of
what people asked; neither touches what the worker owns.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import psycopg
import structlog
from ingest.batcher import Delivery
from ingest.order import Order
from numpy.typing import NDArray
from storage.store import Outcome, Store

from alerts.changes import Changes, Command
from alerts.desk import Desk
from core.batch import Batch
from core.events import Events
from core.time import seconds
from detectors.bank import Bank
from registry.catalog import Catalog
from service.metrics import PipelineMetrics

log = structlog.get_logger("pipeline")
T = TypeVar("T")


class Source(Protocol):
    """Where deliveries come from: MQTT in the service, a list in a test."""

    order: Order
    catalog: Catalog

    def deliveries(self) -> Iterator[Delivery]: ...


class Inbox(Protocol):
    """What the keeper thread has for the worker; each call empties the slot."""

    def commands(self) -> Sequence[Command]: ...
    def catalog(self) -> Catalog | None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often what is not part of every batch is done."""

    checkpoint_s: float = 30.0
    retry_s: float = 0.2
    retry_max_s: float = 5.0


class Pipeline:
    """Owns the detectors' and the desk's state between restore() and the last commit."""

    def __init__(
        self,
        *,
        source: Source,
        bank: Bank,
        desk: Desk,
        store: Store,
        inbox: Inbox,
        metrics: PipelineMetrics,
        configure: Callable[[Catalog], None],
        pace: Pace = Pace(),
    ) -> None:
        self.source, self.bank, self.desk, self.store = source, bank, desk, store
        self.inbox, self.metrics, self.configure, self.pace = inbox, metrics, configure, pace
        self.seq = 0
        self._checkpoint_due = 0

    def restore(self) -> None:
        """Become what the process before us was: newest checkpoint, then the log since, by the same steps."""
        restored = self.store.restore()
        if restored.state is not None:
            self.bank.restore(_part(restored.state, "bank/"))
            self.source.order.restore(_part(restored.state, "order/"))
        self.seq = restored.seq
        n_replayed = 0
        for entry in restored.log:
            self.bank.replay(entry.batch, entry.nows, connected=entry.connected)
            self.source.order.observe(entry.batch)
            self.seq, n_replayed = entry.seq, n_replayed + 1
        log.info("restored", seq=self.seq, replayed_batches=n_replayed, checkpoint=restored.state is not None)

    def run(self) -> None:
        """Work until the source ends; then leave a checkpoint, so that the next start is quick."""
        for delivery in self.source.deliveries():
            self.step(delivery)
        self.checkpoint(wait=True)

    def step(self, delivery: Delivery) -> None:
        """Take one delivery from detection to acknowledgement."""
        self._take_over_registry()
        commands = self.inbox.commands()
        with self._stage("detect"):
            events = self._detect(delivery)
        with self._stage("decide"):
            changes = self.desk.step(events, delivery.now, commands)
        with self._stage("commit"):
            outcome = self._commit(delivery, changes)
        delivery.ack()
        self._count(delivery, changes, outcome)
        if delivery.now >= self._checkpoint_due:
            self.checkpoint()
            self._checkpoint_due = delivery.now + seconds(self.pace.checkpoint_s)

    def _detect(self, delivery: Delivery) -> Events:
        """Time stands still for the bank while the broker is away: our blindness is not a sensor's silence."""
        if not delivery.connected:
            return Events.empty()
        return self.bank.step(delivery.batch.live(), delivery.now)

    def checkpoint(self, *, wait: bool = False) -> None:
        """Hand a copy of the state to the store; the log before it goes once it is durable."""
        state = {f"bank/{name}": array for name, array in self.bank.snapshot().items()}
        state |= {f"order/{name}": array for name, array in self.source.order.snapshot().items()}
        self._until_durable(lambda: self.store.checkpoint(self.seq, state, wait=wait))

    def _take_over_registry(self) -> None:
        """Reconfigure between two batches, with a checkpoint so that no log is replayed under other limits."""
        catalog = self.inbox.catalog()
        if catalog is None:
            return
        self.checkpoint(wait=True)
        self.configure(catalog)
        self.checkpoint(wait=True)

    def _commit(self, delivery: Delivery, changes: Changes) -> Outcome:
        """Commit one unit; one whose answer was lost on the way back is found again by its seq."""
        seq = self.seq + 1
        outcome = self._until_durable(
            lambda: self.store.commit(seq, delivery, changes, self.source.catalog.gateway)
        )
        self.seq = outcome.seq
        return outcome

    def _until_durable(self, write: Callable[[], T]) -> T:
        """Try again, ever slower, until the database answers; meanwhile nothing is acknowledged (law 10)."""
        pause_s = self.pace.retry_s
        while True:
            try:
                return write()
            except psycopg.OperationalError as lost:
                log.warning("database lost, waiting", error=str(lost).strip(), pause_s=round(pause_s, 2))
                self.metrics.commit_retries.inc()
                time.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, self.pace.retry_max_s)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.metrics.stage.labels(name).observe(time.perf_counter() - start)

    def _count(self, delivery: Delivery, changes: Changes, outcome: Outcome) -> None:
        metrics = self.metrics
        if len(delivery.batch) or delivery.rejects:
            metrics.batch.observe(len(delivery.batch))
        metrics.received.inc(sum(delivery.received.values()))
        metrics.stored.inc(sum(outcome.stored.values()))
        metrics.duplicate.inc(sum(outcome.duplicate.values()))
        for reject in delivery.rejects:
            metrics.rejected.labels(reject.reason).inc()
        metrics.findings.inc(len(changes.findings))
        for alert in changes.alerts:
            if alert.opened == delivery.now:
                metrics.alerts_raised.labels(alert.level.en).inc()


def _part(state: Mapping[str, NDArray[np.generic]], prefix: str) -> dict[str, NDArray[np.generic]]:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


__all__ = ["Batch", "Inbox", "Pace", "Pipeline", "Source"]
