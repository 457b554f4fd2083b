"""The pipeline as a process: everything it needs is made here, joined, run, and ended in order."""

from __future__ import annotations

import gc
import signal
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
import structlog

from alerts.desk import Desk
from core.time import clock_ns
from detectors.bank import Bank
from ingest.settings import BrokerSettings, IngestSettings
from ingest.source import Source
from registry.load import load_catalog, registry_version
from service.clocks import Clocks
from service.config import Config
from service.feeds import feeds_of
from service.intake import Intake
from service.keeper import Keeper
from service.metrics import PipelineMetrics
from service.pipeline import Pace, Pipeline, Terms
from service.planning import plan_of
from service.probe import Probe, serve
from service.refusals import Connections, Refusals
from service.routes import duty_of, tree_of
from service.rules import RuleFiles
from service.sources import SourceFiles
from storage.alerts import memory as alert_memory
from storage.maintenance import Keep
from storage.store import Store

log = structlog.get_logger("pipeline")

# Four threads share the interpreter.  The one that commits waits for the database a dozen times per batch, and each
# time up to so long until another gives way: with Python's 5 ms that is as long as the database itself needs.
SWITCH_S = 0.001


def run(config: Config, path: Path | None = None) -> None:
    """Restore, work until SIGTERM or SIGINT, leave a checkpoint.

    path : the configuration's file, whose sources are followed while running
    Raises FencedError while another pipeline has the database, psycopg.OperationalError when there is none at
    the start: whoever started us starts us again.
    """
    store = Store(config.database.dsn)
    try:
        work(config, store, path)
    finally:
        store.close()


def work(config: Config, store: Store, path: Path | None = None) -> None:
    """Do as `run` over a store that somebody else closes."""
    with psycopg.connect(config.database.dsn, autocommit=True) as connection:
        row_version, catalog = registry_version(connection), load_catalog(connection)
        memory = alert_memory(connection, config.policy, clock_ns())
    sys.setswitchinterval(SWITCH_S)
    metrics, clock = PipelineMetrics(), SteadyClock()
    rules, sources = RuleFiles(config.rules, metrics), SourceFiles(path, config, metrics)
    keeper = Keeper(
        config.database.dsn, catalog=catalog, version=row_version, keep=keep_of(config),
        metrics=metrics, policy=config.policy, rules=rules, sources=sources,
    )  # fmt: skip
    refusals = refusals_of(config, metrics)
    source = Source(
        ingest_settings(config), broker_settings(config), catalog, clock=clock, refused=refusals.take,
        news=sources.take,
    )  # fmt: skip
    pipeline = Pipeline(
        source=source, bank=Bank(now=clock()), desk=Desk((), config.policy, catalog, (), memory=memory), store=store,
        inbox=keeper, terms=terms_of(config, rules), metrics=metrics,
        clocks=Clocks(source.skew.estimates, config.watch),
        intake=Intake(config.watch, lambda: source.decoder.gaps),
    )  # fmt: skip
    clock.at_least(pipeline.restore())
    pipeline.take_over(catalog, clock())
    # The registry as dictionaries is a million objects that live for ever: let no collection walk them again.
    gc.collect()
    gc.freeze()
    server = serve(probe_of(pipeline, source), host=config.metrics.host, port=config.metrics.pipeline_port)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: source.stop())
    keeper.start()
    refusals.start()
    n_open = sum(not alert.closed for alert in memory.alerts)
    log.info("working", series=int(catalog.active.sum()), open_alerts=n_open, seq=pipeline.seq)
    try:
        pipeline.run()
    finally:
        keeper.stop()
        refusals.stop()
        server.shutdown()
    log.info("ended", seq=pipeline.seq)


class SteadyClock:
    """The wall clock, except that it never goes back: detectors count on it, over restarts too."""

    def __init__(self) -> None:
        self._newest = 0

    def at_least(self, now: int) -> None:
        """Stay at or after an instant, ns."""
        self._newest = max(self._newest, now)

    def __call__(self) -> int:
        self.at_least(clock_ns())
        return self._newest


def terms_of(config: Config, rules: RuleFiles) -> Terms:
    """Return what the pipeline needs of the configuration."""
    pace = Pace(checkpoint_s=config.checkpoint.interval_s)
    return Terms(
        plan=lambda catalog: plan_of(catalog, config.watch, rules.rules), policy=config.policy, pace=pace,
        tree=tree_of(config), duty=duty_of(config),
    )  # fmt: skip


def keep_of(config: Config) -> Keep:
    """Return for how long things are kept."""
    days = config.retention
    return Keep(
        samples_days=days.raw_days,
        minutes_days=days.rollup_days,
        hours_days=days.rollup_days,
        rejects_days=days.rejects_days,
    )


def ingest_settings(config: Config) -> IngestSettings:
    """Return what ingest needs of the configuration."""
    chosen = config.ingest
    return IngestSettings(
        filters=feeds_of(config),
        batch_messages=chosen.batch_messages,
        batch_readings=chosen.batch_readings,
        batch_bytes=chosen.batch_bytes,
        flush_s=chosen.flush_s,
        tick_s=chosen.tick_s,
        historical_after_s=chosen.historical_after_s,
        future_tolerance_s=chosen.future_tolerance_s,
        too_old_days=chosen.too_old_days,
        queue_messages=chosen.queue_messages,
        queue_bytes=chosen.queue_bytes,
        max_payload_bytes=chosen.max_payload_bytes,
        gateway_messages_per_s=chosen.gateway_messages_per_s,
        gateway_burst_s=chosen.gateway_burst_s,
        # What is held back must leave the broker room to send what it waits for.
        held_messages=min(1_000, config.mqtt.max_ack_pending // 4),
        identified=not config.mqtt.anonymous,
    )


def refusals_of(config: Config, metrics: PipelineMetrics) -> Refusals:
    """Return what reads the broker's log; without one it finds nothing."""
    mqtt = config.mqtt
    file = Path(mqtt.log_file) if mqtt.log_file else None
    return Refusals(
        file, Connections(mqtt.monitor_url), lambda what, n: metrics.broker_refused.labels(what).inc(n)
    )


def broker_settings(config: Config) -> BrokerSettings:
    """Return where the broker is."""
    mqtt = config.mqtt
    return BrokerSettings(
        host=mqtt.host,
        port=mqtt.port,
        client_id=mqtt.client_id,
        username=mqtt.username,
        password=mqtt.password,
        tls=mqtt.tls,
        ca_file=mqtt.ca_file if mqtt.tls else "",
        cert_file=mqtt.cert_file,
        key_file=mqtt.key_file,
        keepalive_s=mqtt.keepalive_s,
        settle_s=mqtt.settle_s,
    )


def probe_of(pipeline: Pipeline, source: Source) -> Probe:
    """Return the process's HTTP face; gauges are set when somebody asks."""

    def ready() -> str:
        return "" if source.session.connected else "the broker cannot be reached"

    def status() -> Mapping[str, Any]:
        return pipeline.metrics.status() | {
            "in_flight": sum(source.in_flight().values()),
            "waiting_messages": source.n_waiting,
            "broker_connected": source.session.connected,
            "seq": pipeline.seq,
            "alerts_open": {" ".join(key): n for key, n in _counted(pipeline.desk).items()},
        }

    def refresh() -> None:
        metrics, statistics = pipeline.metrics, source.session.statistics
        metrics.in_flight.set(sum(source.in_flight().values()))
        metrics.queue.set(source.n_waiting)
        metrics.connected.set(source.session.connected)
        metrics.reconnects.set(statistics.connections)
        metrics.alerts_open.clear()
        for (level, state), n in _counted(pipeline.desk).items():
            metrics.alerts_open.labels(level, state).set(n)

    return Probe(pipeline.metrics.registry, ready, status, refresh)


def _counted(desk: Desk) -> Counter[tuple[str, str]]:
    """Count open alerts by level and state; the worker may change the desk meanwhile, hence the copy."""
    return Counter((alert.level.en, str(alert.state)) for alert in list(desk.open_alerts()))
