"""Q-03, Q-08, Q-09: a gateway that sends much that is no reading is told once per cause, and the alert clears itself."""

from dataclasses import replace

import pytest
from fakes.one_enterprise import ONE_ENTERPRISE

from alerts.desk import Desk
from alerts.policy import Policy
from core.batch import Batch
from core.events import Kind
from core.levels import Level
from core.reject import Reason, Reject
from core.time import MINUTE, SECOND
from detectors.bank import Bank
from ingest.batcher import Delivery
from service.config import Watch
from service.intake import LOOK, Intake
from service.planning import plan_of
from service.town_catalog import catalog_of

NOW = 1_795_222_800 * SECOND
TOWN = ONE_ENTERPRISE
for _code in ("one", "two"):
    TOWN += f"""
[[gateway]]
code = "{_code}"
enterprise = "E1"
[[device]]
gateway = "{_code}"
code = "d"
name = "除尘器"
profile = "dry_dust_collector"
series = [{{ signal = "hopper_temperature", period_s = 5 }}]
"""
CATALOG = catalog_of(TOWN)
ONE, TWO, NOBODY = 1, 2, 0
WATCH = Watch()


class Site:
    """A desk, and the intake it hears of."""

    def __init__(self, watch=WATCH):
        self.missing, self.now, self.watch = {}, NOW, watch
        self.in_service = {ONE, TWO}
        bank = Bank(plan_of(CATALOG, watch))
        self.desk = Desk((), Policy(), CATALOG, bank.rules)
        self.intake = Intake(watch, lambda: self.missing)

    def restarted(self):
        """A new process: the desk remembers its alerts, the intake nothing."""
        self.intake = Intake(self.watch, lambda: self.missing)
        self.missing = {}

    def take(self, *rejects, received=100, after=LOOK):
        """Let a delivery come; return [(rule, kind, gateway, value)] of what the desk is told."""
        self.now += after
        came = tuple(Reject(gateway, "t", b"", self.now, reason, n=n) for gateway, reason, n in rejects)
        counts = dict.fromkeys(self.in_service, received)
        for reject in came:
            counts[reject.gateway] = counts.get(reject.gateway, 0) + reject.n
        delivery = Delivery(
            Batch.empty(),
            came,
            counts,
            {},
            1,
            self.now,
            connected=True,
            first_arrived=self.now,
            ack=lambda: None,
        )
        events = self.intake.step(self.desk, delivery, self.in_service)
        assert set(events.level.tolist()) <= {Level.BLUE}
        self.desk.step(events, self.now)
        codes = [self.desk.rules[row].code for row in events.rule]
        kinds = map(Kind, events.kind.tolist())
        return list(zip(codes, kinds, events.subject.tolist(), events.value.tolist(), strict=True))

    def quiet(self, minutes):
        """Let minutes pass in which only readings come."""
        return [event for _ in range(minutes * 6) for event in self.take()]


@pytest.fixture
def site():
    return Site()


def test_a_reading_out_of_its_range_is_told_once_and_clears_after_ten_minutes(site):
    assert site.take((ONE, Reason.OUT_OF_RANGE, 1)) == [("Q-03", Kind.RAISE, ONE, 1.0)]
    assert site.take((ONE, Reason.SENTINEL, 5)) == []
    assert site.quiet(9) == []
    found = site.quiet(3)
    assert [event[:3] for event in found] == [("Q-03", Kind.CLEAR, ONE)]
    assert site.take((ONE, Reason.OUT_OF_RANGE, 2))[0][:2] == ("Q-03", Kind.RAISE)


def test_messages_that_cannot_be_read_are_told_beyond_their_share_and_number(site):
    site.quiet(1)
    assert site.take((ONE, Reason.BAD_JSON, 2), received=10) == [], "two are too few, whatever their share"
    assert site.take((ONE, Reason.BAD_CHECKSUM, 4)) == [], "six of 716 are less than a hundredth"
    ((rule, kind, gateway, percent),) = site.take((ONE, Reason.BAD_LENGTH, 4))
    assert (rule, kind, gateway) == ("Q-09", Kind.RAISE, ONE)
    assert percent == pytest.approx(100 * 10 / (6 * 100 + 12 + 104 + 104))


def test_what_others_send_does_not_dilute_it(site):
    found = site.take((ONE, Reason.BAD_JSON, 3), (TWO, Reason.BAD_JSON, 1))
    assert [event[:3] for event in found] == [("Q-09", Kind.RAISE, ONE)]


def test_missing_messages_are_told_by_what_has_grown(site):
    site.missing = {ONE: 2}
    assert site.take() == [("Q-08", Kind.RAISE, ONE, 2.0)]
    assert site.quiet(8) == []
    site.missing = {ONE: 3}
    assert site.quiet(9) == []
    assert [event[:3] for event in site.quiet(3)] == [("Q-08", Kind.CLEAR, ONE)]


@pytest.mark.parametrize(
    "reject",
    [
        (NOBODY, Reason.OUT_OF_RANGE, 9),
        (ONE, Reason.WRONG_OWNER, 9),
        (ONE, Reason.TOO_FAST, 9),
        (ONE, Reason.TOO_OLD, 9),
    ],
)
def test_what_has_another_cause_or_no_sender_is_not_told(site, reject):
    assert site.take(reject) == []


def test_a_restart_repeats_nothing_and_clears_nothing_before_a_whole_window(site):
    site.quiet(20)
    site.take((ONE, Reason.OUT_OF_RANGE, 1))
    site.restarted()
    assert site.quiet(9) == []
    assert [event[:3] for event in site.quiet(3)] == [("Q-03", Kind.CLEAR, ONE)]


def test_a_gateway_that_is_no_longer_in_service_is_cleared_at_once(site):
    site.take((ONE, Reason.OUT_OF_RANGE, 1))
    site.in_service = {TWO}
    assert [event[:3] for event in site.take()] == [("Q-03", Kind.CLEAR, ONE)]


def test_zero_switches_each_off():
    site = Site(replace(WATCH, implausible_count=0, missing_count=0, unreadable_count=0))
    site.missing = {ONE: 9}
    assert site.take((ONE, Reason.OUT_OF_RANGE, 9), (ONE, Reason.BAD_JSON, 99)) == []


def test_it_is_judged_every_ten_seconds_at_most_and_counts_all(site):
    site.take()
    assert site.take((ONE, Reason.OUT_OF_RANGE, 1), after=SECOND) == []
    assert site.take((ONE, Reason.OUT_OF_RANGE, 1), after=LOOK) == [("Q-03", Kind.RAISE, ONE, 2.0)]


def test_a_night_without_deliveries_leaves_no_old_minutes(site):
    site.take((ONE, Reason.OUT_OF_RANGE, 1))
    assert [event[:3] for event in site.take(after=600 * MINUTE)] == [("Q-03", Kind.CLEAR, ONE)]
