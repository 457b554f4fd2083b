"""A pipeline in the test's own process: real database, real keeper, deliveries by hand."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psycopg

from alerts.desk import Desk
from alerts.policy import Policy
from core.batch import Batch
from core.time import SECOND
from detectors.bank import Bank
from ingest.batcher import Delivery
from ingest.order import Order
from ingest.skew import Skew
from registry.load import load_catalog, registry_version
from service.clocks import Clocks
from service.config import Rules, Watch
from service.intake import Intake
from service.keeper import Keeper, Rounds
from service.metrics import PipelineMetrics
from service.pipeline import Pipeline, Terms
from service.planning import plan_of
from service.rules import RuleFiles
from storage import read
from storage.alerts import memory
from storage.maintenance import Keep
from storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20


def import_town(dsn, file="simulators/town.toml"):
    """Put a town into the registry."""
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "registry", "import", str(file)],
        cwd=ROOT, env=os.environ | {"FENGSUI_DATABASE__DSN": dsn}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def until(condition):
    """Wait until a condition holds; fail when it never does."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


class Feed:
    """A source of hand-made deliveries; order and marks are the real ones."""

    def __init__(self, catalog):
        self.catalog, self.order = catalog, Order()

    def delivery(self, samples, now, rejects=()):
        series, t, value = (
            (np.array(column) for column in zip(*samples, strict=True)) if samples else ([], [], [])
        )
        batch = Batch.of(*(np.asarray(column) for column in (series, t, value)))
        owner = self.catalog.gateway[batch.series]
        received = {int(g): int(n) for g, n in zip(*np.unique(owner, return_counts=True), strict=True)}
        self.order.observe(batch)
        return Delivery(
            batch,
            tuple(rejects),
            received,
            {},
            len(batch),
            now,
            connected=True,
            first_arrived=now,
            ack=lambda: None,
        )


class Running:
    """A pipeline in this process, over a real database, with a real keeper."""

    def __init__(self, dsn, *packs, now=0):
        with psycopg.connect(dsn, autocommit=True) as connection:
            version, catalog = registry_version(connection), load_catalog(connection)
            remembered = memory(connection, Policy(), now or time.time_ns())
        self.dsn, self.metrics = dsn, PipelineMetrics()
        self.rules = RuleFiles(Rules(packs=tuple(map(str, packs))), self.metrics)
        self.keeper = Keeper(
            dsn, catalog=catalog, version=version, keep=Keep(), metrics=self.metrics, rules=self.rules,
            rounds=Rounds(look_s=0.05),
        )  # fmt: skip
        self.store, self.feed, self.skew, self.missing = Store(dsn), Feed(catalog), Skew(), {}
        desk = Desk((), Policy(), catalog, (), memory=remembered)
        self.pipeline = Pipeline(
            source=self.feed, bank=Bank(), desk=desk, store=self.store, inbox=self.keeper,
            terms=Terms(plan=lambda c: plan_of(c, Watch(), self.rules.rules), policy=Policy()), metrics=self.metrics,
            clocks=Clocks(self.skew.estimates, Watch()), intake=Intake(Watch(), lambda: self.missing),
        )  # fmt: skip
        seen = self.pipeline.restore()
        self.now = max(seen, now or time.time_ns() // 10**9 * 10**9)
        self.pipeline.take_over(catalog, self.now)
        self.keeper.start()

    def key(self, name):
        """Return the series' key of DEVICE/SIGNAL behind the first gateway."""
        device, _, signal = name.partition("/")
        return self.feed.catalog.devices["gw-01", device].series[signal]

    def second(self, n, device="dc-1", **values):
        """Let n seconds pass in which a device's signals show this, every 10 s."""
        for _ in range(n // 10):
            self.now += 10 * SECOND
            samples = [(self.key(f"{device}/{s}"), self.now, value) for s, value in values.items()]
            self.pipeline.step(self.feed.delivery(samples, self.now))

    def sql(self, text, *values):
        """Run a statement in a transaction of its own; return its rows."""
        with psycopg.connect(self.dsn, autocommit=True) as connection:
            found = connection.execute(text, values)
            return found.fetchall() if found.description else []

    def alerts(self):
        with psycopg.connect(self.dsn) as connection:
            found = read.recent_alerts(connection, since=0)
        return {alert.rule: alert for alert in found}

    def close(self):
        self.keeper.stop()
        self.keeper.join(PATIENCE_S)
        self.store.close()
