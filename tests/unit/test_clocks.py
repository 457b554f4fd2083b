"""Q-06: a gateway whose clock is wrong is told once, and the alert clears itself."""

from dataclasses import replace

import numpy as np
import pytest
from fakes.one_enterprise import ONE_ENTERPRISE

from alerts.desk import Desk
from alerts.policy import Policy
from core.events import Kind, SubjectKind
from core.levels import Level
from core.time import SECOND
from detectors.bank import Bank
from ingest.skew import Estimates, Skew
from service.clocks import LOOK, Clocks, fastest_s
from service.config import Watch
from service.planning import plan_of
from service.town_catalog import catalog_of

NOW = 1_795_222_800 * SECOND
TOWN = ONE_ENTERPRISE
for _code, _period_s in (("one", 5), ("two", 300)):
    TOWN += f"""
[[gateway]]
code = "{_code}"
enterprise = "E1"
[[device]]
gateway = "{_code}"
code = "d"
name = "除尘器"
profile = "dry_dust_collector"
series = [{{ signal = "hopper_temperature", period_s = {_period_s} }}, {{ signal = "fan_running", period_s = 3600 }}]
"""
CATALOG = catalog_of(TOWN)
ONE, TWO = 1, 2
WATCH = Watch()


class Site:
    """A desk and the clocks it hears of; `skew` is what ingest estimates, s behind us."""

    def __init__(self, watch=WATCH):
        self.skew, self.now = {}, NOW
        self.clocks = Clocks(self.estimates, watch)
        self.bank = Bank(plan_of(CATALOG, watch))
        self.desk = Desk((), Policy(), CATALOG, self.bank.rules)

    def estimates(self):
        skew = np.array(list(self.skew.values()), np.float64)
        return Estimates(np.array(list(self.skew), np.int32), skew, np.zeros(len(skew)))

    def look(self, catalog=CATALOG, **skew_s):
        """Return [(kind, gateway, s)] of what the desk is told LOOK later."""
        self.skew = {{"one": ONE, "two": TWO}[name]: s for name, s in skew_s.items()}
        self.now += LOOK
        events = self.clocks.step(self.desk, catalog, self.now)
        self.desk.step(events, self.now)
        return list(
            zip(map(Kind, events.kind.tolist()), events.subject.tolist(), events.value.tolist(), strict=True)
        )

    def alert(self):
        (alert,) = self.desk.open_alerts()
        return alert


def test_a_wrong_clock_is_one_yellow_alert_of_its_gateway():
    site = Site()
    assert site.look(one=61.0 + 5, two=0.0) == [(Kind.RAISE, ONE, 66.0)]
    assert site.look(one=66.0) == site.look(one=500.0) == []
    alert = site.alert()
    assert (alert.rule, alert.subject_kind, alert.subject) == ("Q-06", SubjectKind.GATEWAY, ONE)
    assert (alert.level, alert.data_quality, alert.value, alert.limit) == (Level.YELLOW, True, 66.0, 60.0)
    assert site.clocks.n_wrong == 1


def test_a_clock_ahead_of_ours_is_wrong_too():
    assert Site().look(one=-61.0) == [(Kind.RAISE, ONE, -61.0)]
    assert Site().look(one=-60.0, two=60.0) == []


def test_who_sends_once_a_period_may_look_one_behind():
    assert Site().look(two=359.0) == []
    assert Site().look(two=361.0) == [(Kind.RAISE, TWO, 361.0)]
    assert fastest_s(CATALOG) == {ONE: 5.0, TWO: 300.0}


def test_it_clears_itself_with_a_deadband_and_comes_again():
    site = Site()
    site.look(one=100.0)
    assert site.look(one=56.0) == []
    assert site.look(one=54.0) == [(Kind.CLEAR, ONE, 54.0)]
    assert list(site.desk.open_alerts()) == []  # of data quality, and so nobody has to close it
    assert site.clocks.n_wrong == 0
    assert site.look(one=54.0) == []
    assert site.look(one=70.0) == [(Kind.RAISE, ONE, 70.0)]


def test_a_gateway_that_is_not_heard_any_more_stays_as_it_was():
    site = Site()
    site.look(one=100.0)
    assert site.look() == []
    assert site.alert().level_now == Level.YELLOW


def test_a_gateway_that_leaves_the_registry_takes_its_alert_along():
    site = Site()
    site.look(one=100.0)
    gone = replace(CATALOG, gateways={"two": CATALOG.gateways["two"]})
    assert [row[:2] for row in site.look(gone, one=100.0)] == [(Kind.CLEAR, ONE)]
    assert site.look(gone, one=100.0) == []


def test_after_a_restart_the_open_alerts_say_what_was_said():
    site = Site()
    site.look(one=100.0)
    site.clocks = Clocks(site.estimates, Watch())
    assert site.look(one=100.0) == []
    assert site.look(one=0.0) == [(Kind.CLEAR, ONE, 0.0)]


@pytest.mark.parametrize(("limit_s", "told"), [(0.0, 0), (30.0, 1), (200.0, 0)])
def test_the_limit_is_configuration(limit_s, told):
    assert len(Site(Watch(clock_skew_s=limit_s)).look(one=100.0)) == told


def test_it_looks_no_more_often_than_ages_are_kept():
    site = Site()
    site.look(one=0.0)
    site.now -= LOOK // 2
    assert site.look(one=100.0) == []
    assert len(site.look(one=100.0)) == 1


def test_from_the_ages_of_messages_to_the_alert():
    site, skew = Site(), Skew()
    site.clocks = Clocks(skew.estimates, Watch())
    heard = (np.array([ONE, TWO], np.int32), np.array([100, 1]) * SECOND)
    for _ in range(5):
        site.now += LOOK
        skew.step(heard, site.now)
    events = site.clocks.step(site.desk, CATALOG, site.now)
    assert (events.subject.tolist(), events.value.tolist()) == ([ONE], [100.0])
