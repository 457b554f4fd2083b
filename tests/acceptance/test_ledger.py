"""Laws 1, 2 and 3 at once: the same readings, once undisturbed and once with kill -9 everywhere, end in the same.

On Mosquitto too, in small: what depends on event time alone is compared, and no note is waited for.  It acknowledges a message a moment before it writes its file, so kill -9 of it may lose what
it had acknowledged (docs/deployment.md); there the broker is ended with SIGTERM, and the other three with kill -9.
"""

import random
import time
from dataclasses import dataclass

import numpy as np
import psycopg
import pytest
from acceptance.story import DEVICES, GATEWAYS, SIGNALS, Gateways, messages, town
from acceptance.whole_service import WholeService, wait_for
from conftest import mosquitto_program
from fakes.webhook import FakeWebhook

from storage import checkpoint as checkpoints
from storage.connection import connect

VICTIMS = ("broker", "postgres", "pipeline", "notifier")
# The story lies in the near past and must be live in both runs.
CONFIG = "[ingest]\nhistorical_after_s = 7200.0\n[checkpoint]\ninterval_s = 2.0\n"
# What waits is not to wait for the morning.
CONFIG += "[alerts.hold]\nquiet_start = ''\nblue_s = 5.0\nyellow_s = 5.0"
# What depends on when our processes ran, and not on the readings.
WALL_CLOCK = ("staleness", "mark/now")


@dataclass(frozen=True)
class Trial:
    """How long the story is, and what is done to whom how often; `gently` are ended with SIGTERM.

    whole : go on until the last note that was held is sent, and all detectors have come to rest
    """

    broker: str
    n_steps: int
    kills_of_each: int
    gently: frozenset = frozenset()
    whole: bool = True

    @property
    def n_readings(self):
        return self.n_steps * GATEWAYS * DEVICES * len(SIGNALS)


ON_NATS = Trial("nats", n_steps=1000, kills_of_each=3)
ON_MOSQUITTO = Trial("mosquitto", n_steps=200, kills_of_each=1, gently=frozenset({"broker"}), whole=False)


def run(folder, start_ms, trial, *, disturbed):
    """Publish the story; return what the service has made of it."""
    with FakeWebhook() as hook:
        service = WholeService(folder, town=town(), hook=hook.url, config=CONFIG, broker=trial.broker)
        try:
            gateways = Gateways(service.broker.port, [f"g{g}" for g in range(GATEWAYS)])
            killer = Killer(service, trial) if disturbed else None
            n = 0
            for gateway, topic, payload in messages(trial.n_steps, start_ms):
                gateways.publish(gateway, topic, payload)
                n += 1
                # A bounded lead, so that kills fall into the stream and not behind it.
                wait_for(lambda n=n: n - gateways.acked < 400, 120, pause_s=0.002)
                if killer:
                    killer.perhaps(n)
            wait_for(lambda: gateways.acked >= n, 60)
            gateways.close()
            return Result(service, hook, killer, trial)
        finally:
            service.close()


class Killer:
    """Kills at random points of the stream, each victim as often as told, and starts it again a moment later."""

    def __init__(self, service, trial, seed=11):
        rng = random.Random(seed)
        n_messages = trial.n_readings // 10
        victims = list(VICTIMS * trial.kills_of_each)
        rng.shuffle(victims)
        points = sorted(rng.sample(range(n_messages // 20, n_messages - n_messages // 20), len(victims)))
        self.service, self.plan, self.rng = service, list(zip(points, victims, strict=True)), rng
        self.kills, self.gently = [], trial.gently

    def perhaps(self, n):
        if n % 50 == 0:
            self.service.revive()
        if not self.plan or n < self.plan[0][0]:
            return
        _, victim = self.plan.pop(0)
        end = self.service.stop if victim in self.gently else self.service.kill
        end(victim)
        self.kills.append(victim)
        time.sleep(self.rng.uniform(0.0, 0.3))  # how long it stays dead is part of the disturbance
        self.service.start(victim)


class Result:
    """What is left when everything has been taken in, sent, and ended in order."""

    def __init__(self, service, hook, killer, trial):
        self.trial = trial
        self.kills = killer.kills if killer else []
        wait_for(
            lambda: settled(service, trial),
            120,
            lambda: service.log("pipeline") + service.log("notifier"),
            pause_s=0.2,
        )
        service.stop("pipeline")
        service.stop("notifier")
        self.samples = service.one("SELECT count(*) FROM sample")
        self.distinct = service.one("SELECT count(*) FROM (SELECT DISTINCT series_id, time FROM sample) s")
        self.checksum = service.one(
            "SELECT sum(hashtextextended(series_id || time::text || value, 0)) FROM sample"
        )
        self.ledger = service.rows("SELECT * FROM ledger ORDER BY gateway")
        self.rejects = service.one("SELECT count(*) FROM reject")
        self.alerts = service.rows(
            "SELECT id, rule, subject, level, state, times, raised_ns FROM alert ORDER BY id"
        )
        self.transitions = service.rows(
            "SELECT alert, seq, cause, old, new, level, t_ns FROM transition ORDER BY 1, 2"
        )
        self.limits = service.rows(
            "SELECT a.id, a.subject, t.seq, t.cause, t.old, t.new, t.level, t.t_ns FROM transition t "
            "JOIN alert a ON a.id = t.alert WHERE a.rule = 'LIMIT' ORDER BY 1, 3"
        )
        self.notes = dict(service.rows("SELECT key, state FROM outbox"))
        self.carriers = {key for (key,) in service.rows("SELECT DISTINCT carried_by FROM outbox")} - {""}
        self.audit = service.fengsui("audit", "verify", "--config", str(service.config))
        self.received = dict(hook.keys)
        with connect(service.dsn, name="test") as connection:
            self.state = {
                name: array
                for name, array in checkpoints.newest(connection).state.items()
                if not name.startswith("storage/") and not any(word in name for word in WALL_CLOCK)
            }


def wanted(result):
    """Who was to hear what by which channel; which of it a digest carried depends on when our processes ran."""
    return {key for key in result.notes if not key.startswith("DIGEST:")}


def same(a, b):
    """Say whether two arrays of states are equal: but for rounding, where batches of other sizes add in another order."""
    if a.dtype.kind == "f":
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
    return np.array_equal(a, b)


def settled(service, trial):
    service.revive()
    try:
        taken = service.one("SELECT coalesce(sum(stored), 0) FROM ledger")
        waiting = service.one("SELECT count(*) FROM outbox WHERE state IN ('held', 'todo', 'leased')")
    except psycopg.OperationalError:
        return False
    return taken >= trial.n_readings and (waiting == 0 or not trial.whole)


@pytest.fixture(scope="module")
def on_nats(tmp_path_factory):
    return both(ON_NATS, tmp_path_factory)


@pytest.fixture(scope="module")
def on_mosquitto(tmp_path_factory):
    if not mosquitto_program():
        pytest.skip("mosquitto is not installed (apt-get install mosquitto)")
    return both(ON_MOSQUITTO, tmp_path_factory)


@pytest.fixture(params=["on_nats", "on_mosquitto"])
def runs(request):
    return request.getfixturevalue(request.param)


def both(trial, tmp_path_factory):
    """Return the undisturbed run and the disturbed one."""
    start_ms = (time.time_ns() // 10**9 - trial.n_steps - 5) * 1000
    calm = run(tmp_path_factory.mktemp("calm"), start_ms, trial, disturbed=False)
    killed = run(tmp_path_factory.mktemp("killed"), start_ms, trial, disturbed=True)
    return calm, killed


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestLedger:
    def test_each_of_the_four_was_killed_as_often_as_planned(self, runs):
        _, killed = runs
        found = {victim: killed.kills.count(victim) for victim in VICTIMS}
        assert found == dict.fromkeys(VICTIMS, killed.trial.kills_of_each)

    def test_every_reading_is_stored_exactly_once_with_its_value(self, runs):
        for result in runs:
            assert result.samples == result.distinct == result.trial.n_readings
            assert result.rejects == 0
        assert runs[0].checksum == runs[1].checksum

    def test_received_is_stored_plus_duplicate_plus_rejected_for_every_gateway(self, runs):
        for result in runs:
            assert len(result.ledger) == GATEWAYS
            for _, received, stored, duplicate, rejected in result.ledger:
                assert received == stored + duplicate + rejected

    def test_limits_are_exceeded_at_the_same_instants(self, runs):
        calm, killed = runs
        assert len(calm.limits) > 100, "the story must be worth telling"
        assert killed.limits == calm.limits

    def test_the_same_alerts_are_raised_once_and_live_the_same_lives(self, on_nats):
        calm, killed = on_nats
        assert len(calm.alerts) > 100, "the story must be worth telling"
        assert killed.alerts == calm.alerts
        assert killed.transitions == calm.transitions

    def test_every_notification_arrives_at_least_once_and_at_most_twice(self, on_nats):
        calm, killed = on_nats
        assert wanted(killed) == wanted(calm)
        for result in on_nats:
            sent = {key for key, state in result.notes.items() if state == "sent"}
            assert set(result.notes.values()) <= {"sent", "carried"}
            assert result.received.keys() == sent
            assert max(result.received.values()) <= 2

    def test_what_was_held_back_went_out_in_a_digest_that_was_sent(self, on_nats):
        for result in on_nats:
            digests = {key for key in result.notes if key.startswith("DIGEST:")}
            assert digests == result.carriers
            assert {result.notes[key] for key in digests} == {"sent"}

    def test_the_history_is_one_unbroken_chain_over_all_kills(self, on_nats):
        for result in on_nats:
            assert result.audit.startswith(f"good: {len(result.transitions)} lines")

    def test_the_detectors_end_in_the_same_state(self, on_nats):
        calm, killed = on_nats
        assert calm.state.keys() == killed.state.keys()
        for name, array in calm.state.items():
            assert same(array, killed.state[name]), name
