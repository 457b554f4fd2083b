"""The flow: from deliveries of readings to committed samples, alerts and notes.  Start reading here.

    source ─▶ bank (detectors) ─▶ desk (alerts) ─▶ store (one transaction) ─▶ ack

One worker runs it up to the store; a second one commits and acknowledges, so that the next unit is decoded and
decided while the database works on this one.  Units are committed one at a time and in order, and the state is
saved only while none is under way.  The network thread feeds the source, a keeper thread brings news of the registry
and of what people asked; neither touches what the worker owns.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray

from alerts.changes import Changes, Command, Reached
from alerts.desk import Desk
from alerts.duty import Duty
from alerts.policy import Policy
from alerts.tree import Tree
from core.batch import Batch
from core.errors import FengsuiError
from core.events import Events
from core.time import seconds
from detectors.bank import Bank
from detectors.plan import Plan
from ingest.batcher import Delivery
from ingest.order import Order
from registry.catalog import Catalog
from service.clocks import Clocks
from service.facts import FactSeries
from service.intake import Intake
from service.metrics import PipelineMetrics
from storage.store import Store
from storage.unit import Outcome

log = structlog.get_logger("pipeline")
T = TypeVar("T")

# Counted up when what bank or facts keep changes its meaning: a version does not restore the state of another.
FORMAT = 1


class RefusedError(FengsuiError):
    """A registry that cannot be taken over; the one in force stays in force."""


class Source(Protocol):
    """Where deliveries come from: MQTT in the service, a list in a test."""

    order: Order
    catalog: Catalog

    def deliveries(self) -> Iterator[Delivery]: ...


class Inbox(Protocol):
    """What the keeper has for the worker; each call empties the slot."""

    def commands(self) -> Sequence[Command]: ...
    def reached(self) -> Sequence[Reached]: ...
    def catalog(self) -> Catalog | None: ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a checkpoint is taken, and how patiently a lost database is waited for."""

    checkpoint_s: float = 30.0
    retry_s: float = 0.2
    retry_max_s: float = 5.0


@dataclass(frozen=True, slots=True)
class Terms:
    """What stays as it is while the process lives: how a registry becomes a plan, and who is told."""

    plan: Callable[[Catalog], Plan]
    policy: Policy
    pace: Pace = Pace()
    tree: Tree | None = None
    duty: Callable[[Catalog], Duty | None] = lambda _catalog: None


class Pipeline:
    """Owns the detectors' and the desk's state from `restore` to the last commit."""

    def __init__(
        self, *, source: Source, bank: Bank, desk: Desk, store: Store, inbox: Inbox,
        terms: Terms, metrics: PipelineMetrics, clocks: Clocks | None = None, intake: Intake | None = None,
    ) -> None:  # fmt: skip
        self.source, self.bank, self.desk, self.store, self.inbox = source, bank, desk, store, inbox
        self.terms, self.metrics, self.clocks, self.intake = terms, metrics, clocks, intake
        self.facts = FactSeries(source.catalog)
        self.seq = 0
        self._checkpoint_due = 0
        self._under_way: Future[None] | None = None

    # ── the flow ──────────────────────────────────────────────────────────────
    def run(self) -> None:
        """Work until the source ends; then leave a checkpoint, so that the next start is quick."""
        with ThreadPoolExecutor(1, thread_name_prefix="commit") as committer:
            for delivery in self.source.deliveries():
                unit, changes = self._decide(delivery)
                self._settle()
                self._under_way = committer.submit(self._finish, unit, changes)
                self._between_batches(unit.now)
            self._settle()
        self.checkpoint(wait=True)

    def step(self, delivery: Delivery) -> None:
        """Take one delivery from detection to acknowledgement, and wait for that."""
        self._finish(*self._decide(delivery))
        self._between_batches(delivery.now)

    def _decide(self, delivery: Delivery) -> tuple[Delivery, Changes]:
        """Return what is to be committed; the state is one unit ahead of the database until that is done."""
        delivery = self.with_facts(delivery)
        with self.metrics.timed("detect"):
            events = self._detect(delivery)
        with self.metrics.timed("decide"):
            changes = self.desk.step(events, delivery.now, self.inbox.commands(), self.inbox.reached())
        return delivery, changes

    def _finish(self, delivery: Delivery, changes: Changes) -> None:
        with self.metrics.timed("commit"):
            outcome = self._commit(delivery, changes)
        with self.metrics.timed("ack"):
            delivery.ack()
        self.metrics.count(delivery, changes, outcome)

    def _settle(self) -> None:
        """Wait until nothing is under way; raises what its commit raised."""
        if self._under_way is not None:
            self._under_way.result()
            self._under_way = None

    def with_facts(self, delivery: Delivery) -> Delivery:
        """Return the delivery with what orders, permits and calendars say anew."""
        joined = self.facts.join(delivery)
        if joined is not delivery:
            self.source.order.observe(joined.batch)
        return joined

    def _detect(self, delivery: Delivery) -> Events:
        """While the broker is away time stands still for the bank: our blindness is no sensor's silence."""
        if not delivery.connected:
            return Events.empty()
        found = [self.bank.step(delivery.batch.live(), delivery.now)]
        catalog = self.source.catalog
        if self.clocks is not None:
            found.append(self.clocks.step(self.desk, catalog, delivery.now))
            self.metrics.clocks_wrong.set(self.clocks.n_wrong)
        if self.intake is not None:
            in_service = (gateway.id for gateway in catalog.gateways.values())
            found.append(self.intake.step(self.desk, delivery, in_service))
        return Events.concat(found)

    def _commit(self, delivery: Delivery, changes: Changes) -> Outcome:
        """Commit one unit; one whose answer was lost on the way back is found again by its seq."""
        gateway_of = self.source.catalog.gateway
        outcome = self._until_durable(lambda: self.store.commit(self.seq + 1, delivery, changes, gateway_of))
        self.seq = outcome.seq
        return outcome

    def _between_batches(self, now: int) -> None:
        catalog = self.inbox.catalog()
        if catalog is not None:
            self._settle()
            self._reload(catalog, now)
        elif now >= self._checkpoint_due:
            self._settle()
            self.checkpoint()
            self._checkpoint_due = now + seconds(self.terms.pace.checkpoint_s)

    def _reload(self, catalog: Catalog, now: int) -> None:
        try:
            self.take_over(catalog, now)
        except RefusedError as refused:
            log.error("registry not taken over", error=str(refused))  # noqa: TRY400 - an operator reads it
            self.metrics.catalog_loads.labels("refused").inc()

    # ── restart and reload ────────────────────────────────────────────────────
    def restore(self) -> int:
        """Become what the process before us was: newest checkpoint, then the log since, by the same steps.

        Returns the newest `now` seen, ns: time must not go back behind it.
        """
        restored = self.store.restore()
        if restored.state is not None:
            self._become(restored.state, same_format=restored.meta.get("format") == FORMAT)
        self.seq, newest, n_replayed = restored.seq, restored.now, 0
        for entry in restored.log:
            for tick in entry.nows[:-1]:
                self.bank.step(Batch.empty(), tick)
            newest = entry.nows[-1]
            if entry.connected:
                self.bank.step(entry.batch.live(), newest)
            self.source.order.observe(entry.batch)
            self.facts.observe(entry.batch)
            self.seq, n_replayed = entry.seq, n_replayed + 1
        log.info("restored", seq=self.seq, replayed=n_replayed, from_checkpoint=restored.state is not None)
        return newest

    def _become(self, state: Mapping[str, NDArray[np.generic]], *, same_format: bool) -> None:
        self.source.order.restore(_part(state, "order/"))
        if not same_format:
            log.error(
                "the state is of another version: detectors start fresh", see="docs/operations.md, Upgrade"
            )
            return
        self.bank.restore(_part(state, "bank/"))
        self.facts.restore(_part(state, "facts/"))

    def take_over(self, catalog: Catalog, now: int) -> None:
        """Go on under another registry.

        What the change of limits itself clears is committed as a unit of its own.  Then the state is
        checkpointed before the next batch, so that no part of the log is ever replayed under other limits.
        Raises RefusedError, and changes nothing, when the registry contradicts itself (a negative deadband).
        """
        try:
            events = self.bank.configure(self.terms.plan(catalog), now)
        except ValueError as contradiction:
            raise RefusedError(f"the registry cannot be watched as it is: {contradiction}") from contradiction
        self.desk.reload(
            catalog, self.bank.rules, self.terms.policy, tree=self.terms.tree, duty=self.terms.duty(catalog)
        )
        self.source.catalog = catalog
        self.facts.take(catalog)
        if len(events):
            unit = _nothing_came(now)
            self._commit(unit, self.desk.step(events, now))
        self.checkpoint(wait=True)

    def checkpoint(self, *, wait: bool = False) -> None:
        """Hand a copy of the state to the store; the log before it goes once it is durable."""
        state = {f"bank/{name}": array for name, array in self.bank.snapshot().items()}
        state |= {f"order/{name}": array for name, array in self.source.order.snapshot().items()}
        state |= {f"facts/{name}": array for name, array in self.facts.snapshot().items()}
        self._until_durable(
            lambda: self.store.checkpoint(self.seq, state, meta={"format": FORMAT}, wait=wait)
        )

    def _until_durable(self, write: Callable[[], T]) -> T:
        """Try again, ever slower, until the database answers; meanwhile nothing is acknowledged (law 10)."""
        pause_s = self.terms.pace.retry_s
        while True:
            try:
                return write()
            except psycopg.OperationalError as lost:
                log.warning("database lost, waiting", error=str(lost).strip(), pause_s=round(pause_s, 2))
                self.metrics.commit_retries.inc()
                time.sleep(pause_s * random.uniform(0.5, 1.0))
                pause_s = min(2 * pause_s, self.terms.pace.retry_max_s)


def _part(state: Mapping[str, NDArray[np.generic]], prefix: str) -> dict[str, NDArray[np.generic]]:
    return {name.removeprefix(prefix): array for name, array in state.items() if name.startswith(prefix)}


def _nothing_came(now: int) -> Delivery:
    """A unit for decisions that no reading caused; no tick either: a replay does not step the bank with it."""
    return Delivery(Batch.empty(), (), {}, {}, 0, now, connected=False, first_arrived=now, ack=lambda: None)
