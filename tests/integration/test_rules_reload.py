"""A pipeline whose rule pack is edited while it works: other rules at once, unchanged ones keep their state."""

import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psycopg
import pytest

from alerts.desk import Desk
from alerts.policy import Policy
from core.batch import Batch
from core.time import SECOND
from detectors.bank import Bank
from ingest.batcher import Delivery
from ingest.order import Order
from registry.load import load_catalog, registry_version
from service.config import Rules, Watch
from service.keeper import Keeper, Rounds
from service.metrics import PipelineMetrics
from service.pipeline import Pipeline, Terms
from service.planning import plan_of
from service.rules import RuleFiles
from storage import read
from storage.maintenance import Keep
from storage.store import Store

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 20
PACK = """\
pack: mine
rules:
  - id: X-1
    title: {zh: 甲, en: a}
    of: [dry_dust_collector]
    signal: hopper_temperature
    unit: ℃
    raise: [{level: yellow, above: 40}]
    source: default of ours
"""


class Feed:
    """A source of hand-made deliveries; order and marks are the real ones."""

    def __init__(self, catalog):
        self.catalog, self.order = catalog, Order()

    def delivery(self, samples, now):
        series, t, value = (
            (np.array(column) for column in zip(*samples, strict=True)) if samples else ([], [], [])
        )
        batch = Batch.of(*(np.asarray(column) for column in (series, t, value)))
        owner = self.catalog.gateway[batch.series]
        received = {int(g): int(n) for g, n in zip(*np.unique(owner, return_counts=True), strict=True)}
        self.order.observe(batch)
        return Delivery(
            batch, (), received, {}, len(batch), now, connected=True, first_arrived=now, ack=lambda: None
        )


class Running:
    """A pipeline in this process, over a real database, with a real keeper."""

    def __init__(self, dsn, pack):
        with psycopg.connect(dsn, autocommit=True) as connection:
            version, catalog = registry_version(connection), load_catalog(connection)
        self.dsn, self.pack, self.metrics = dsn, pack, PipelineMetrics()
        self.rules = RuleFiles(Rules(packs=(str(pack),)), self.metrics)
        self.keeper = Keeper(
            dsn, catalog=catalog, version=version, keep=Keep(), metrics=self.metrics, rules=self.rules,
            rounds=Rounds(look_s=0.05),
        )  # fmt: skip
        self.store, self.feed = Store(dsn), Feed(catalog)
        self.pipeline = Pipeline(
            source=self.feed, bank=Bank(), desk=Desk((), Policy(), catalog, ()), store=self.store, inbox=self.keeper,
            terms=Terms(plan=lambda c: plan_of(c, Watch(), self.rules.rules), policy=Policy()), metrics=self.metrics,
        )  # fmt: skip
        self.pipeline.restore()
        self.now = time.time_ns() // 10**9 * 10**9
        self.pipeline.take_over(catalog, self.now)
        self.keeper.start()
        self.series = {
            (d.code, s): key
            for d in catalog.devices.values()
            if d.gateway == 1
            for s, key in d.series.items()
        }

    def second(self, n, **values):
        """Let n seconds pass in which a device's signals show this, every 10 s."""
        for _ in range(n // 10):
            self.now += 10 * SECOND
            samples = [(self.series["dc-1", signal], self.now, value) for signal, value in values.items()]
            self.pipeline.step(self.feed.delivery(samples, self.now))

    def rewrite(self, text):
        """Save another pack, and go on until the pipeline has seen it."""
        before = self.loads()
        self.pack.write_text(text)
        deadline = time.monotonic() + PATIENCE_S
        while self.loads() == before:
            assert time.monotonic() < deadline, "the pack was not read again"
            time.sleep(0.02)
        while self.keeper._catalog is not None and time.monotonic() < deadline:
            self.second(10, hopper_temperature=20)

    def loads(self):
        return sum(self.metrics.registry.get_sample_value("fengsui_rule_loads_total", {"result": r}) or 0
                   for r in ("loaded", "failed"))  # fmt: skip

    def alerts(self):
        with psycopg.connect(self.dsn) as connection:
            found = read.recent_alerts(connection, since=0)
        return {alert.rule: alert for alert in found}

    def close(self):
        self.keeper.stop()
        self.keeper.join(PATIENCE_S)
        self.store.close()


@pytest.fixture
def running(database, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "service.cli", "registry", "import", "simulators/town.toml"],
        cwd=ROOT, env=os.environ | {"FENGSUI_DATABASE__DSN": database}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pack = tmp_path / "mine.yaml"
    pack.write_text(PACK)
    pipeline = Running(database, pack)
    yield pipeline
    pipeline.close()


def test_production_without_the_collector_is_red_after_its_delay(running):
    running.second(50, production_running=1, fan_running=0)
    assert "D-10" not in running.alerts()
    running.second(30, production_running=1, fan_running=0)
    alert = running.alerts()["D-10"]
    assert (alert.level, alert.level_now) == (4, 4)
    running.second(10, production_running=1, fan_running=1)
    assert running.alerts()["D-10"].level_now == 0


def test_a_pack_edited_while_running_and_what_it_does_not_change_goes_on(running):
    running.second(50, production_running=1, fan_running=0)
    running.rewrite(PACK.replace("above: 40", "above: 30").replace("X-1", "X-2"))
    running.second(10, production_running=1, fan_running=0, hopper_temperature=35)
    alerts = running.alerts()
    assert alerts["X-2"].limit == 30
    assert "X-1" not in alerts
    running.second(10, production_running=1, fan_running=0)
    assert "D-10" in running.alerts(), "the delay that ran when the rules were read again ran on"


def test_a_bad_pack_changes_nothing(running):
    running.rewrite(PACK.replace("above: 40", "above: hot"))
    running.second(10, hopper_temperature=45)
    assert running.alerts()["X-1"].limit == 40
    running.rewrite(PACK.replace("above: 40", "above: 50"))
    running.second(10, hopper_temperature=45)
    assert running.alerts()["X-1"].level_now == 0
