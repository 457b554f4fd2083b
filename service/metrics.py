"""What the service tells Prometheus about itself; the names are a contract (docs/operations.md)."""

from __future__ import annotations

import time
from collections import Counter as Count
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from alerts.changes import Changes
from core.time import SECOND, clock_ns
from ingest.batcher import Delivery
from storage.unit import Outcome

# From one message to a full batch, and from half a millisecond to a slow disk.
_COUNTS = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 300_000)
_SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class PipelineMetrics:
    """Counters of one pipeline process; the ledger of law 1 summed over gateways."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.received = Counter("fengsui_received", "Readings taken from the broker", registry=registry)
        self.stored = Counter("fengsui_stored", "Readings stored for the first time", registry=registry)
        self.duplicate = Counter("fengsui_duplicate", "Readings that were stored already", registry=registry)
        self.rejected = Counter(
            "fengsui_rejected", "Readings or messages kept as rejects", ["reason"], registry=registry
        )
        self.in_flight = Gauge(
            "fengsui_in_flight", "Readings received and not yet committed", registry=registry
        )
        self.batch = Histogram(
            "fengsui_batch_readings", "Readings per committed batch", buckets=_COUNTS, registry=registry
        )
        self.stage = Histogram(
            "fengsui_stage_seconds",
            "Time per batch and stage",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.lag = Gauge(
            "fengsui_lag_seconds",
            "Age of the oldest message of the newest batch at its commit",
            registry=registry,
        )
        self.queue = Gauge("fengsui_queue_messages", "Messages waiting for the worker", registry=registry)
        self.connected = Gauge("fengsui_broker_connected", "1 while the broker is reached", registry=registry)
        self.reconnects = Gauge(
            "fengsui_broker_reconnects", "Connections made to the broker", registry=registry
        )
        self.commit_retries = Counter(
            "fengsui_commit_retries", "Commits tried again after a lost database", registry=registry
        )
        self.alerts_open = Gauge(
            "fengsui_alerts_open", "Alerts nobody has closed", ["level", "state"], registry=registry
        )
        self.alerts_raised = Counter("fengsui_alerts_raised", "Alerts opened", ["level"], registry=registry)
        self.findings = Counter(
            "fengsui_findings", "What historical samples would have raised", registry=registry
        )
        self.checkpoint_age = Gauge(
            "fengsui_checkpoint_age_seconds", "Age of the newest durable checkpoint", registry=registry
        )
        self.catalog_loads = Counter(
            "fengsui_catalog_loads", "Times the registry was taken over anew", ["result"], registry=registry
        )
        self.rule_loads = Counter(
            "fengsui_rule_loads", "Times changed rule packs were read", ["result"], registry=registry
        )
        self.rules_refused = Gauge(
            "fengsui_rules_refused", "1 while rule packs on disk are not in force", registry=registry
        )

        self.source_loads = Counter(
            "fengsui_source_loads",
            "Times changed sources, mappings or names were read",
            ["result"],
            registry=registry,
        )
        self.sources_refused = Gauge(
            "fengsui_sources_refused", "1 while sources on disk are not in force", registry=registry
        )
        self.clocks_wrong = Gauge(
            "fengsui_clocks_wrong_gateways", "Gateways whose clock is wrong (Q-06)", registry=registry
        )
        self.broker_refused = Counter(
            "fengsui_broker_refused", "What the broker did not let a client do", ["what"], registry=registry
        )

        self.totals: Count[str] = Count()
        self.reasons: Count[str] = Count()

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stage.labels(stage).observe(time.perf_counter() - start)

    def count(self, delivery: Delivery, changes: Changes, outcome: Outcome) -> None:
        """Take one committed unit into all counters."""
        part = {
            "received": sum(delivery.received.values()),
            "stored": sum(outcome.stored.values()),
            "duplicate": sum(outcome.duplicate.values()),
        }
        for name, n in part.items():
            getattr(self, name).inc(n)
        reasons: Count[str] = Count()
        for reject in delivery.rejects:
            reasons[reject.reason] += reject.n
        self.totals.update(part, rejected=reasons.total(), messages_committed=delivery.messages)
        self.reasons.update(reasons)
        for reason, n in reasons.items():
            self.rejected.labels(reason).inc(n)
        if delivery.messages:
            self.batch.observe(len(delivery.batch))
            self.lag.set((clock_ns() - delivery.first_arrived) / SECOND)
        self._count_changes(delivery.now, changes)

    def _count_changes(self, now: int, changes: Changes) -> None:
        self.findings.inc(len(changes.findings))
        for alert in changes.alerts:
            if alert.opened == now:
                self.alerts_raised.labels(alert.level.en).inc()

    def status(self) -> dict[str, Any]:
        """Return what was counted since the start, for people."""
        return {
            "messages_committed": self.totals["messages_committed"],
            "rejects": dict(self.reasons),
            "ledger": {name: self.totals[name] for name in ("received", "stored", "duplicate", "rejected")},
        }


class NotifierMetrics:
    """Counters of one notifier process."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.notifications = Counter(
            "fengsui_notifications",
            "Attempts to notify, by what came of them",
            ["channel", "result"],
            registry=registry,
        )
        self.outbox_age = Gauge(
            "fengsui_outbox_age_seconds", "Age of the oldest note that waits", registry=registry
        )
        self.outbox_depth = Gauge("fengsui_outbox_notes", "Notes by state", ["state"], registry=registry)
        self.delay = Histogram(
            "fengsui_notify_seconds",
            "From the decision to the channel's answer",
            buckets=_SECONDS,
            registry=registry,
        )
        self.unknown = Counter(
            "fengsui_notifications_unknown",
            "Attempts after which nobody knows whether the note arrived",
            ["channel"],
            registry=registry,
        )
        self.heartbeat_delay = Gauge(
            "fengsui_heartbeat_seconds",
            "From writing the newest test note that got through to the channel's answer",
            ["channel"],
            registry=registry,
        )
        self.heartbeat_ok = Gauge(
            "fengsui_heartbeat_ok", "1 while test notes get through", ["channel"], registry=registry
        )
