"""Orders, permits and calendars as step functions of time, and as samples in the flow."""

from dataclasses import replace
from datetime import datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from test_planning import TOWN

from core.batch import Batch
from core.time import HOUR, MINUTE, SECOND, from_datetime
from ingest.batcher import Delivery
from registry.facts import Fact
from service.facts import FactSeries, missing
from service.rules import read_rules
from service.town_catalog import catalog_of

CHINA = ZoneInfo("Asia/Shanghai")
ORDER = 5  # key of the series, behind the four of the town
T0 = from_datetime(datetime(2026, 11, 21, 10, tzinfo=CHINA))


def at(hour, minute=0, day=21):
    return from_datetime(datetime(2026, 11, day, hour, minute, tzinfo=CHINA))


def town(*facts, kind="shutdown_order"):
    """The town of the planning tests, where the collector has a series of one kind of fact."""
    catalog = catalog_of(TOWN)
    key, device = ("gw-1", "dc-1"), catalog.devices["gw-1", "dc-1"]
    devices = {**catalog.devices, key: replace(device, facts={kind: ORDER})}
    return replace(catalog, devices=devices, facts=facts, signal=(*catalog.signal, kind))


def order(begin, end=0, **more):
    return Fact(
        **{"id": 1, "kind": "shutdown_order", "enterprise": 1, "device": 0, "begin": begin, "end": end} | more
    )


def delivery(now, *, connected=True, samples=()):
    columns = [np.array(c) for c in zip(*samples, strict=True)] if samples else [np.empty(0)] * 3
    return Delivery(
        Batch.of(*columns), (), {1: len(samples)} if samples else {}, {}, 0, now, connected, now, lambda: None
    )


def said(series, now, **more):
    batch = series.join(delivery(now, **more)).batch
    return [(t, v) for s, t, v in zip(batch.series, batch.t, batch.value, strict=True) if s == ORDER]


def test_hours_of_the_day_over_midnight():
    fact = order(at(0, day=1), since=time(22), until=time(6))
    for now, holds in (
        (at(21, 59), False),
        (at(22), True),
        (at(23), True),
        (at(5, 59), True),
        (at(6), False),
    ):
        assert any(a <= now < b for a, b in fact.spans(now, "Asia/Shanghai")) is holds


def test_hours_of_the_day_end_with_the_validity():
    fact = order(at(9), at(10, 30), since=time(8), until=time(18))
    assert fact.spans(at(10), "Asia/Shanghai") == [(at(9), at(10, 30))]


def test_a_fact_is_said_when_it_begins_and_when_it_ends_at_these_instants():
    series = FactSeries(town(order(T0 + 90 * MINUTE, T0 + 3 * HOUR)))
    assert said(series, T0) == [(T0, 0.0)]
    assert said(series, T0 + 90 * MINUTE - SECOND) == []
    assert said(series, T0 + 90 * MINUTE + SECOND) == [(T0 + 90 * MINUTE, 1.0)]
    assert said(series, T0 + 91 * MINUTE) == []
    assert said(series, T0 + 3 * HOUR) == [(T0 + 3 * HOUR, 0.0)]


def test_what_is_entered_late_counts_from_now():
    series = FactSeries(town())
    said(series, T0)
    series.take(town(order(T0 - 5 * HOUR)))
    assert said(series, T0 + SECOND) == [(T0 + SECOND, 1.0)]


def test_two_orders_that_overlap_are_one():
    series = FactSeries(town(order(T0, T0 + HOUR), order(T0 + 30 * MINUTE, T0 + 2 * HOUR, id=2)))
    assert said(series, T0) == [(T0, 1.0)]
    assert said(series, T0 + HOUR) == []
    assert said(series, T0 + 2 * HOUR) == [(T0 + 2 * HOUR, 0.0)]


def test_a_fact_of_another_enterprise_or_device_says_nothing():
    series = FactSeries(town(order(T0, enterprise=2), order(T0, device=2, id=2)))
    assert said(series, T0) == [(T0, 0.0)]


def test_while_we_are_blind_nothing_is_said_and_then_it_counts_from_now():
    series = FactSeries(town(order(T0 + MINUTE)))
    said(series, T0)
    assert said(series, T0 + MINUTE, connected=False) == []
    assert said(series, T0 + HOUR) == [(T0 + HOUR, 1.0)]


def test_its_samples_join_the_batch_in_order_and_are_nobodys_in_the_ledger():
    joined = FactSeries(town(order(T0))).join(delivery(T0, samples=[(1, T0, 50.0), (1, T0 - SECOND, 49.0)]))
    assert joined.batch.series.tolist() == [1, 1, ORDER]
    assert joined.batch.t.tolist() == [T0 - SECOND, T0, T0]
    assert joined.received == {0: 1, 1: 2}


@pytest.mark.parametrize("how", ["snapshot", "log"])
def test_after_a_restart_nothing_is_said_twice_or_left_out(how):
    catalog = town(order(T0 + MINUTE, T0 + HOUR))
    before, after = FactSeries(catalog), FactSeries(catalog)
    units = [before.join(delivery(T0 + n * MINUTE)) for n in range(3)]
    if how == "snapshot":
        after.restore(before.snapshot())
    else:
        for unit in units:
            after.observe(unit.batch)
    for now in range(T0 + 3 * MINUTE, T0 + 2 * HOUR, 10 * MINUTE):
        assert said(after, now) == said(before, now)
    assert {k: v.tolist() for k, v in after.snapshot().items()} == {
        k: v.tolist() for k, v in before.snapshot().items()
    }


PACK = """\
pack: mine
rules:
  - id: X-1
    title: {zh: 甲, en: a}
    of: [dry_dust_collector, load_meter]
    when: shutdown_order and active_power > 5
    raise: [{level: red}]
    source: default of ours
  - id: X-2
    title: {zh: 乙, en: b}
    of: [load_meter]
    when: (declared_stop or holiday) and active_power > 5
    raise: [{level: orange}]
    source: default of ours
"""


def test_series_are_made_for_devices_of_which_rules_ask_and_only_when_a_fact_is_entered(tmp_path):
    (tmp_path / "mine.yaml").write_text(PACK)
    rules, catalog = read_rules([tmp_path / "mine.yaml"]), catalog_of(TOWN)
    assert missing(catalog, rules) == set()
    entered = replace(catalog, facts=(order(T0),))
    assert missing(entered, rules) == {(1, "shutdown_order"), (2, "shutdown_order")}
    # What nobody entered does not hold: its series is needed too, for a signal without one would be unknown.
    one = order(T0, kind="holiday", device=2)
    assert missing(replace(catalog, facts=(one,)), rules) == {(2, "holiday"), (2, "declared_stop")}
    assert missing(town(order(T0)), rules) == {(2, "shutdown_order")}
    assert missing(entered, ()) == set()
