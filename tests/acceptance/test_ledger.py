"""Laws 1, 2 and 3 at once: the same readings, once undisturbed and once with kill -9 everywhere, end in the same."""

import random
import time

import numpy as np
import psycopg
import pytest
from acceptance.story import DEVICES, GATEWAYS, SIGNALS, Gateways, messages, town
from acceptance.whole_service import WholeService, wait_for
from fakes.webhook import FakeWebhook

from storage import checkpoint as checkpoints
from storage.connection import connect

N_STEPS = 1000
N_READINGS = N_STEPS * GATEWAYS * DEVICES * len(SIGNALS)
VICTIMS = ("nats", "postgres", "pipeline", "notifier")
KILLS_OF_EACH = 3
# The story lies in the near past and must be live in both runs.
CONFIG = "[ingest]\nhistorical_after_s = 7200.0\n[checkpoint]\ninterval_s = 2.0\n"
# What waits is not to wait for the morning.
CONFIG += "[alerts.hold]\nquiet_start = ''\nblue_s = 5.0\nyellow_s = 5.0"
# What depends on when our processes ran, and not on the readings.
WALL_CLOCK = ("staleness", "mark/now")


def run(folder, start_ms, *, disturbed):
    """Publish the story; return what the service has made of it."""
    with FakeWebhook() as hook:
        service = WholeService(folder, town=town(), hook=hook.url, config=CONFIG)
        try:
            gateways = Gateways(service.nats.port, [f"g{g}" for g in range(GATEWAYS)])
            killer = Killer(service) if disturbed else None
            n = 0
            for gateway, topic, payload in messages(N_STEPS, start_ms):
                gateways.publish(gateway, topic, payload)
                n += 1
                # A bounded lead, so that kills fall into the stream and not behind it.
                wait_for(lambda n=n: n - gateways.acked < 400, 120, pause_s=0.002)
                if killer:
                    killer.perhaps(n)
            wait_for(lambda: gateways.acked >= n, 60)
            gateways.close()
            return Result(service, hook, killer)
        finally:
            service.close()


class Killer:
    """Kills at random points of the stream, each victim KILLS_OF_EACH times, and starts it again a moment later."""

    def __init__(self, service, seed=11):
        rng = random.Random(seed)
        n_messages = N_READINGS // 10
        victims = list(VICTIMS * KILLS_OF_EACH)
        rng.shuffle(victims)
        points = sorted(rng.sample(range(n_messages // 20, n_messages - n_messages // 20), len(victims)))
        self.service, self.plan, self.rng = service, list(zip(points, victims, strict=True)), rng
        self.kills = []

    def perhaps(self, n):
        if n % 50 == 0:
            self.service.revive()
        if not self.plan or n < self.plan[0][0]:
            return
        _, victim = self.plan.pop(0)
        self.service.kill(victim)
        self.kills.append(victim)
        time.sleep(self.rng.uniform(0.0, 0.3))  # how long it stays dead is part of the disturbance
        self.service.start(victim)


class Result:
    """What is left when everything has been taken in, sent, and ended in order."""

    def __init__(self, service, hook, killer):
        self.kills = killer.kills if killer else []
        wait_for(
            lambda: settled(service),
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


def settled(service):
    service.revive()
    try:
        taken = service.one("SELECT coalesce(sum(stored), 0) FROM ledger")
        waiting = service.one("SELECT count(*) FROM outbox WHERE state IN ('held', 'todo', 'leased')")
    except psycopg.OperationalError:
        return False
    return taken >= N_READINGS and waiting == 0


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    start_ms = (time.time_ns() // 10**9 - N_STEPS - 5) * 1000
    calm = run(tmp_path_factory.mktemp("calm"), start_ms, disturbed=False)
    killed = run(tmp_path_factory.mktemp("killed"), start_ms, disturbed=True)
    return calm, killed


@pytest.mark.slow
@pytest.mark.timeout(600)
class TestLedger:
    def test_each_of_the_four_was_killed_three_times(self, runs):
        _, killed = runs
        assert {victim: killed.kills.count(victim) for victim in VICTIMS} == dict.fromkeys(
            VICTIMS, KILLS_OF_EACH
        )

    def test_every_reading_is_stored_exactly_once_with_its_value(self, runs):
        for result in runs:
            assert result.samples == result.distinct == N_READINGS
            assert result.rejects == 0
        assert runs[0].checksum == runs[1].checksum

    def test_received_is_stored_plus_duplicate_plus_rejected_for_every_gateway(self, runs):
        for result in runs:
            assert len(result.ledger) == GATEWAYS
            for _, received, stored, duplicate, rejected in result.ledger:
                assert received == stored + duplicate + rejected

    def test_the_same_alerts_are_raised_once_and_live_the_same_lives(self, runs):
        calm, killed = runs
        assert len(calm.alerts) > 100, "the story must be worth telling"
        assert killed.alerts == calm.alerts
        assert killed.transitions == calm.transitions

    def test_every_notification_arrives_at_least_once_and_at_most_twice(self, runs):
        calm, killed = runs
        assert wanted(killed) == wanted(calm)
        for result in runs:
            sent = {key for key, state in result.notes.items() if state == "sent"}
            assert set(result.notes.values()) <= {"sent", "carried"}
            assert result.received.keys() == sent
            assert max(result.received.values()) <= 2

    def test_what_was_held_back_went_out_in_a_digest_that_was_sent(self, runs):
        for result in runs:
            digests = {key for key in result.notes if key.startswith("DIGEST:")}
            assert digests == result.carriers
            assert {result.notes[key] for key in digests} == {"sent"}

    def test_the_history_is_one_unbroken_chain_over_all_kills(self, runs):
        for result in runs:
            assert result.audit.startswith(f"good: {len(result.transitions)} lines")

    def test_the_detectors_end_in_the_same_state(self, runs):
        calm, killed = runs
        assert calm.state.keys() == killed.state.keys()
        for name, array in calm.state.items():
            assert same(array, killed.state[name]), name
