"""Budgets of gateways: who sends too much, and that nobody else feels it."""

import pytest
from fakes.steps import steps_of

from core.reject import Reason
from core.time import SECOND
from ingest.budget import Budgets
from ingest.columns import Message
from ingest.feed import Feed
from registry.catalog import Gateway

FEEDS = [
    Feed("fs/v1/+/+", "native"),
    Feed("hj/{gateway}/up", "hj212"),
    Feed("v1/gateway/telemetry", "thingsboard"),
]
NOW = 1_795_222_800 * SECOND


class Registry:
    """As much of a catalog as budgets look at."""

    def __init__(self, **budgets):
        self.gateways = {
            code: Gateway(key, code, key, messages_per_s=budget)
            for key, (code, budget) in enumerate(budgets.items(), 1)
        }


TWO = Registry(one=0, two=50)


def sent(n, gateway="one", topic="fs/v1/{}/dc", size=10):
    return [Message(topic.format(gateway), bytes([k % 256]) * size, NOW + k) for k in range(n)]


def test_what_fits_passes_untouched():
    budgets = Budgets(FEEDS, per_s=10, burst_s=10)
    messages = sent(100)
    assert budgets.admit(messages, TWO, NOW) == (messages, [])


def test_the_excess_of_a_gateway_is_one_reject_that_stands_for_all_of_it():
    budgets = Budgets(FEEDS, per_s=10, burst_s=10)
    kept, (reject,) = budgets.admit(sent(250), TWO, NOW)
    assert kept == sent(250)[:100]
    assert (reject.gateway, reject.reason, reject.n) == (1, Reason.TOO_FAST, 150)
    assert (reject.topic, reject.payload) == ("fs/v1/one/dc", sent(101)[-1].payload)


def test_others_in_the_same_batch_lose_nothing_and_keep_their_order():
    budgets = Budgets(FEEDS, per_s=10, burst_s=1)
    noise, quiet = sent(100), sent(30, "two")
    mixed = [message for pair in zip(noise, quiet, strict=False) for message in pair] + noise[30:]
    kept, rejects = budgets.admit(mixed, TWO, NOW)
    assert [message for message in kept if message.topic == "fs/v1/two/dc"] == quiet
    assert [message for message in kept if message.topic == "fs/v1/one/dc"] == noise[:10]
    assert [reject.n for reject in rejects] == [90]


def test_over_a_long_time_a_flood_gets_its_budget_and_no_more():
    budgets, taken, refused = Budgets(FEEDS, per_s=20, burst_s=2), 0, 0
    for tick in range(100):
        kept, rejects = budgets.admit(sent(20), TWO, NOW + tick * SECOND // 10)
        taken, refused = taken + len(kept), refused + sum(reject.n for reject in rejects)
    assert taken + refused == 2000
    assert 40 + 9.9 * 20 - 2 <= taken <= 40 + 9.9 * 20 + 2


def test_a_gateway_of_the_registry_may_have_a_budget_of_its_own():
    kept, _ = Budgets(FEEDS, per_s=10, burst_s=1).admit(sent(100, "two"), TWO, NOW)
    assert len(kept) == 50


def test_a_long_message_counts_by_its_length():
    kept, _ = Budgets(FEEDS, per_s=10, burst_s=10).admit(sent(100, size=10_240), TWO, NOW)
    assert len(kept) == 10


def test_strangers_share_one_bucket_however_many_names_they_use():
    messages = [Message(f"fs/v1/stranger-{k}/dc", b"{}", NOW) for k in range(50)]
    kept, (reject,) = Budgets(FEEDS, per_s=10, burst_s=1).admit(messages, TWO, NOW)
    assert (len(kept), reject.gateway, reject.n) == (10, 0, 40)


def test_topics_that_name_no_gateway_have_no_bucket():
    messages = sent(100, topic="v1/gateway/telemetry")
    assert Budgets(FEEDS, per_s=1, burst_s=1).admit(messages, TWO, NOW) == (messages, [])


def test_a_named_level_of_a_filter_is_the_gateway():
    kept, (reject,) = Budgets(FEEDS, per_s=5, burst_s=1).admit(sent(9, topic="hj/{}/up"), TWO, NOW)
    assert (len(kept), reject.gateway) == (5, 1)


def test_another_registry_keeps_what_is_in_the_buckets():
    budgets = Budgets(FEEDS, per_s=10, burst_s=1)
    budgets.admit(sent(10), TWO, NOW)
    budgets.admit(sent(1000, topic="v1/gateway/telemetry"), TWO, NOW)
    kept, _ = budgets.admit(sent(5) + sent(5, "three"), Registry(one=0, two=0, three=0), NOW)
    assert [message.topic for message in kept] == ["fs/v1/three/dc"] * 5


def test_a_clock_that_goes_back_gives_nobody_more():
    budgets = Budgets(FEEDS, per_s=10, burst_s=1)
    budgets.admit(sent(10), TWO, NOW)
    assert budgets.admit(sent(1), TWO, NOW - 3600 * SECOND)[0] == []
    assert len(budgets.admit(sent(20), TWO, NOW + SECOND)[0]) == 10


def test_the_look_costs_next_to_nothing():
    """Law of the intake: one line of Python for each message (0.2 µs where nothing else runs)."""
    registry = Registry(**{f"g{k}": 0 for k in range(3000)})
    budgets = Budgets(FEEDS, per_s=1e6, burst_s=10)
    messages = [Message(f"fs/v1/g{k % 3000}/dc", b"x" * 200, NOW) for k in range(5000)]
    budgets.admit(messages, registry, NOW)
    n, (kept, _) = steps_of(budgets.admit, messages, registry, NOW)
    assert kept is messages
    assert n < 3 * len(messages)


@pytest.mark.parametrize("topic", ["", "/", "fs/v1", "fs/v1/one", "fs/v1/one/dc/x", "other/one"])
def test_topics_of_no_feed_count_for_strangers(topic):
    kept, (reject,) = Budgets(FEEDS, per_s=2, burst_s=1).admit([Message(topic, b"", NOW)] * 5, TWO, NOW)
    assert (len(kept), reject.gateway) == (2, 0)
