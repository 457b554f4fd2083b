"""What waits, why, until when, and what carries it."""

import json
from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from fakes.desk_store import DeskStore
from fakes.town import COUNTY, RULES, STREET, catalog, contact, down, events, up
from hypothesis import given
from hypothesis import strategies as st

from alerts.changes import Command, CommandKind, Reached
from alerts.desk import Desk
from alerts.hold import quiet_until
from alerts.policy import Holding, Inhibition, Policy
from core.events import Events, SubjectKind
from core.levels import Level
from core.time import HOUR, MINUTE, SECOND, from_datetime, to_datetime
from registry.catalog import Subject

NOW = 1_795_222_800 * SECOND  # 2026-11-21 09:00 in China
NIGHT = NOW + 14 * HOUR
STEADY = Holding(settle_s=0.0)
AT_ONCE = replace(STEADY, orange_s=0.0, yellow_s=0.0, blue_s=0.0)
PEOPLE = (
    contact("so1", "safety_officer", enterprise=1, sms="1", log="so1"),
    contact("pr1", "principal", enterprise=1, sms="2"),
    contact("so2", "safety_officer", enterprise=2, sms="3"),
    contact("si2", "street_inspector", area=STREET, sms="4"),
    contact("ops", "platform_admin", area=COUNTY, sms="5"),
)
POWER = replace(RULES[0], code="E-00", title_zh="全厂停电")


def town(n=40):
    """Enterprise 1 has the subjects 1 … n but 2, which is of enterprise 2."""
    subjects = {
        (SubjectKind.SERIES, k): Subject(2 if k == 2 else 1, "企业", 3, "村", f"{k}号", f"no {k}")
        for k in range(1, n)
    }
    subjects |= {(SubjectKind.ENTERPRISE, k): Subject(k, "企业", 3, "村", "企业", "firm") for k in (1, 2)}
    subjects |= {(SubjectKind.GATEWAY, 1): Subject(1, "企业", 3, "村", "网关", "gateway")}
    return catalog(PEOPLE, subjects)


class Service:
    """A desk with its store, and a clock that a test moves."""

    def __init__(self, hold=STEADY, now=NOW, **policy):
        self.policy = Policy(hold=hold, **policy)
        self.store, self.now = DeskStore(self.policy), now
        self.desk = self.new_desk()
        self.n = 0

    def new_desk(self):
        return Desk((), self.policy, town(), (*RULES, POWER), memory=self.store.memory(self.now))

    def at(self, offset, *rows, asked=(), reached=()):
        """Step at NOW or its own start + offset."""
        self.now = max(self.now, offset if offset > NOW // 2 else NOW + offset)
        changes = self.desk.step(events(*rows) if rows else Events.empty(), self.now, asked, reached)
        self.store.write(changes, self.now)
        return changes

    def ask(self, kind, alert, offset, *, by="安全员", note="更换传感器", **detail):
        self.n += 1
        command = Command(self.n, kind, alert, by, note, NOW + offset, json.dumps(detail))
        return self.at(offset, asked=[command])


def sms(changes):
    """What goes out now by SMS: `RECIPIENT:STEP`."""
    held = {one.note.key for one in changes.held}
    now = [note for note in changes.notes if note.key not in held and note.channel == "sms"]
    return sorted(f"{note.recipient}:{note.step}" for note in now)


def test_red_goes_out_at_once_and_lower_levels_wait_for_their_group():
    service = Service()
    assert sms(service.at(0, up(1, Level.RED))) == ["pr1:raise-1", "si2:raise-1", "so1:raise-1"]
    yellow = service.at(SECOND, up(2, Level.YELLOW, subject=3))
    assert sms(yellow) == []
    assert [(one.reason, one.until - service.now) for one in yellow.held] == [("group", MINUTE)]


def test_what_waited_alone_goes_out_as_it_is():
    service = Service()
    note = service.at(0, up(1, Level.YELLOW)).notes[0]
    assert not service.at(59 * SECOND)
    done = service.at(MINUTE)
    assert (done.released, done.digests) == ((note.key,), ())


def test_what_waited_together_goes_out_as_one_message_and_nothing_is_left_out():
    service = Service()
    for n in range(10):
        service.at(n * SECOND, up(n + 1, Level.ORANGE, subject=n + 3))
    done = service.at(10 * SECOND)
    (first, second) = done.digests
    assert {first.note.recipient, second.note.recipient} == {"so1", "pr1"}
    assert len(first.carries) == 10
    assert "10 起预警" in first.note.title
    assert all(f"{n}号" in first.note.text_zh for n in range(3, 13))
    assert not service.store.held


def test_enterprises_and_levels_are_groups_of_their_own():
    service = Service()
    service.at(0, up(1, Level.YELLOW), up(1, Level.YELLOW, subject=2), up(1, Level.ORANGE, subject=3))
    untils = {(one.note.recipient, one.note.level): one.until - NOW for one in service.store.held.values()}
    assert untils[("so1", Level.ORANGE)] == 10 * SECOND
    assert untils[("so1", Level.YELLOW)] == untils[("so2", Level.YELLOW)] == MINUTE


def test_the_log_waits_for_nothing():
    changes = Service().at(0, up(1, Level.BLUE))
    assert [note.channel for note in changes.notes] == ["log"]
    assert not changes.held


def test_a_flood_holds_yellow_and_lets_orange_and_red_through():
    service = Service(AT_ONCE)
    out = [sms(service.at(n * SECOND, up(n + 1, Level.YELLOW, subject=n + 3))) for n in range(15)]
    assert [len(names) for names in out] == [1] * 10 + [0] * 5
    assert {one.reason for one in service.store.held.values()} == {"flood"}
    assert sms(service.at(20 * SECOND, up(50, Level.ORANGE, subject=30))) == ["pr1:raise-1", "so1:raise-1"]
    assert len(sms(service.at(21 * SECOND, up(51, Level.RED, subject=31)))) == 3
    done = service.at(11 * MINUTE)
    assert [len(digest.carries) for digest in done.digests] == [5]
    assert "so1:raise-1" in sms(service.at(22 * MINUTE, up(60, Level.YELLOW, subject=32))), (
        "the flood is over"
    )


def test_chattering_is_said_once_and_then_comes_as_a_digest():
    service = Service(AT_ONCE)
    out = []
    for n in range(9):
        raised = service.at(2 * n * SECOND, up(NOW + 2 * n * SECOND, Level.ORANGE))
        cleared = service.at((2 * n + 1) * SECOND, down(NOW + (2 * n + 1) * SECOND))
        out.append((len(sms(raised)), len(sms(cleared))))
    assert out == [(2, 2)] * 5 + [(2, 0)] + [(0, 0)] * 3
    notice = next(note for note in service.store.wanted.values() if note.step == "raise-6")
    assert "频繁" in notice.text_zh
    digests = service.at(2 * HOUR).digests
    assert sorted(len(digest.carries) for digest in digests) == [7, 7]


def test_a_red_alert_is_told_however_often_it_comes():
    service = Service(AT_ONCE)
    for n in range(9):
        assert sms(service.at(2 * n * SECOND, up(NOW + 2 * n * SECOND, Level.RED)))
        service.at((2 * n + 1) * SECOND, down(NOW + (2 * n + 1) * SECOND))


def test_quiet_hours_hold_yellow_until_the_morning_and_let_orange_through():
    service = Service(AT_ONCE, now=NIGHT)
    yellow = service.at(NIGHT, up(NIGHT, Level.YELLOW))
    assert {to_datetime(one.until).hour for one in yellow.held} == {23}  # 07:00 in China
    assert len(sms(service.at(NIGHT, up(NIGHT, Level.ORANGE, subject=3)))) == 2
    assert service.at(NIGHT + 8 * HOUR).released


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2028, 12, 31)),  # noqa: DTZ001 - UTC, below
    st.times(),
    st.times(),
    st.sampled_from(
        ["Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Chatham"]
    ),
)
def test_quiet_hours_are_those_of_the_clock_on_the_wall(moment, begin, end, zone):
    """Across midnight, month ends, leap days and clocks that change: inside they end at `end`, outside they are none."""
    begin, end = begin.replace(second=0, microsecond=0), end.replace(second=0, microsecond=0)
    hold = replace(STEADY, quiet_start=begin.isoformat(), quiet_end=end.isoformat())
    policy = Policy(hold=hold, zone=ZoneInfo(zone))
    now = from_datetime(moment.replace(tzinfo=ZoneInfo("UTC")))
    at = to_datetime(now).astimezone(policy.zone).time()
    inside = begin <= at < end if begin < end else (at >= begin or at < end) and begin != end
    until = quiet_until(now, policy)
    assert bool(until) == inside
    if until:
        assert now < until <= now + 26 * HOUR
        local = to_datetime(until).astimezone(policy.zone)
        # An hour that the clocks skip is shown as the one after it.
        skipped = (
            datetime.combine(local.date(), end, policy.zone)
            .astimezone(ZoneInfo("UTC"))
            .astimezone(policy.zone)
        )
        assert local.time() in (end, skipped.time())


def test_blue_waits_for_the_daily_digest_where_one_is_wanted():
    hold = replace(AT_ONCE, daily="10:30")
    service = Service(hold, blue=Policy().yellow)
    changes = service.at(0, up(1, Level.BLUE), up(1, Level.BLUE, subject=3))
    assert {(one.reason, one.until - NOW) for one in changes.held} == {("daily", 90 * MINUTE)}
    assert [len(digest.carries) for digest in service.at(90 * MINUTE).digests] == [2]


def test_after_a_start_data_quality_settles_first():
    service = Service(replace(AT_ONCE, settle_s=60.0))
    changes = service.at(
        0, up(1, Level.ORANGE, rule=1), up(1, Level.ORANGE, rule=1, subject=3), up(1, Level.ORANGE)
    )
    assert {one.reason for one in changes.held} == {"settle"}
    assert sms(changes) == ["pr1:raise-1", "so1:raise-1"], "the plant's alert goes out"
    service.at(30 * SECOND, down(2, rule=1), down(2, rule=1, subject=3))
    (digest,) = service.at(MINUTE).digests
    assert len(digest.carries) == 4
    assert sms(service.at(61 * SECOND, up(9, Level.ORANGE, rule=1))) == ["so1:raise-1"]


def test_an_inhibited_alert_waits_until_its_source_is_gone():
    rules = (Inhibition(("E-00",), ("D-*",), "enterprise"),)
    service = Service(replace(AT_ONCE, inhibit=rules))
    power = list(up(1, Level.ORANGE, rule=2, subject=1))
    power[3] = SubjectKind.ENTERPRISE
    service.at(0, tuple(power))
    hidden = service.at(SECOND, up(2, Level.ORANGE, subject=3), up(2, Level.ORANGE, subject=2))
    assert sms(hidden) == ["so2:raise-1"], "another enterprise has its power"
    alert = next(alert for alert in hidden.alerts if alert.subject == 3)
    assert alert.suppression == "by_design"
    assert [line.cause for line in hidden.transitions if line.alert == alert.id] == ["open", "inhibit"]
    assert len(sms(service.at(2 * SECOND, up(3, Level.RED, subject=4)))) == 3, "red is not inhibited"
    assert not [n for n in service.at(2 * HOUR).notes if n.alert == alert.id], "its ladder stands still"
    back = list(down(9, Level.ORANGE, rule=2))
    back[3] = SubjectKind.ENTERPRISE
    done = service.at(2 * HOUR + SECOND, tuple(back))
    assert sorted(done.released) == sorted(f"{alert.id}:raise-1:{who}:sms" for who in ("so1", "pr1"))
    assert next(a for a in done.alerts if a.id == alert.id).expected == service.now


def test_a_shelved_alert_is_told_of_when_the_shelf_ends():
    service = Service(AT_ONCE)
    alert = service.at(0, up(1, Level.RED)).alerts[0]
    assert (
        "理由" in service.ask(CommandKind.SHELVE, alert.id, 1, note="", until=NOW + HOUR).answers[0].problem
    )
    assert "until" in service.ask(CommandKind.SHELVE, alert.id, 1).answers[0].problem
    assert "24" in service.ask(CommandKind.SHELVE, alert.id, 1, until=NOW + 30 * HOUR).answers[0].problem
    assert not service.ask(CommandKind.SHELVE, alert.id, 1, until=NOW + HOUR).answers[0].problem
    assert not sms(service.at(MINUTE, down(NOW + MINUTE)))
    assert not sms(service.at(2 * MINUTE, up(NOW + 2 * MINUTE)))
    service.desk = service.new_desk()
    assert not service.at(59 * MINUTE).notes, "the ladder stands still"
    done = service.at(HOUR)
    assert set(sms(done)) == {f"{who}:unshelve-{done.transitions[0].seq}" for who in ("so1", "pr1", "si2")}
    assert [len(digest.carries) for digest in done.digests] == [2, 2, 2]
    assert [line.cause for line in done.transitions] == ["unshelve"]
    assert service.at(HOUR + 5 * MINUTE).transitions[0].cause == "unreached"


def test_a_maintenance_window_covers_what_lies_below_and_inspectors_hear_of_it():
    service = Service(AT_ONCE)
    begin = service.ask(
        CommandKind.MAINTAIN, "", 0, subject="enterprise:1", **{"from": NOW + MINUTE, "until": NOW + HOUR}
    )
    assert sms(begin) == ["si2:shelve"]
    assert "更换传感器" in begin.notes[0].text_zh
    assert sms(service.at(SECOND, up(1, Level.ORANGE, subject=3))), "it has not begun"
    assert [line.cause for line in service.at(MINUTE).transitions] == ["shelve"]
    during = service.at(2 * MINUTE, up(2, Level.RED, subject=4), up(2, Level.ORANGE, subject=2))
    assert sms(during) == ["so2:raise-1"]
    assert {alert.suppression for alert in during.alerts if alert.enterprise == 1} == {"out_of_service"}
    assert service.ask(CommandKind.MAINTAIN, "", 180, subject="town:1", until=NOW + HOUR).answers[0].problem
    service.desk = service.new_desk()
    done = service.at(HOUR)
    assert [line.cause for line in done.transitions].count("unshelve") == 2
    assert "so1:raise-1" not in sms(done)
    assert [shelf.ended for shelf in done.shelves] == [NOW + HOUR]
    assert not service.store.held


def test_the_watchdog_alarms_the_operator_unless_somebody_was_reached_or_answered():
    reached, silent, answered = Service(AT_ONCE), Service(AT_ONCE), Service(AT_ONCE)
    for service in (reached, silent, answered):
        alert = service.at(0, up(1, Level.RED)).alerts[0]
    reached.at(MINUTE, reached=[Reached(alert.id, NOW + MINUTE), Reached("NONE", NOW)])
    answered.ask(CommandKind.ACK, alert.id, 60 * SECOND)
    at = {name: service.at(2 * MINUTE) for name, service in (("r", reached), ("s", silent), ("a", answered))}
    assert (sms(at["r"]), sms(at["a"])) == ([], [])
    assert sms(at["s"]) == ["ops:unreached-2"]
    assert "电话" in at["s"].notes[0].text_zh
    silent.desk = silent.new_desk()
    assert not [line for line in silent.at(4 * MINUTE).transitions if line.cause == "unreached"], (
        "once is enough"
    )


def test_a_fact_about_an_older_raising_reaches_nobody():
    service = Service(AT_ONCE)
    alert = service.at(0, up(1, Level.RED)).alerts[0]
    service.at(MINUTE, down(NOW + 1), up(NOW + 2))
    service.at(MINUTE + SECOND, reached=[Reached(alert.id, NOW + SECOND)])
    assert service.at(3 * MINUTE).transitions[0].cause == "unreached"


def test_who_is_missing_on_a_rung_is_looked_for_on_the_next_and_then_with_the_operator():
    service = Service(AT_ONCE)
    service.at(0, up(1, Level.ORANGE))
    assert "si2:escalate-1-3-2" in sms(service.at(30 * MINUTE))
    later = service.at(2 * HOUR)
    assert set(sms(later)) == {f"{who}:escalate-1-3-3" for who in ("so1", "pr1", "si2", "ops")}
    assert any("无人应答" in note.text_zh for note in later.notes if note.recipient == "ops")


def test_after_a_long_absence_all_steps_are_taken_and_people_get_one_message():
    service = Service(AT_ONCE)
    service.at(0, up(1, Level.RED))
    late = service.at(HOUR + MINUTE)
    assert [line.note for line in late.transitions if line.cause == "escalate"] == [
        "tier 1", "tier 2", "tier 3", "tier 4",
    ]  # fmt: skip
    assert sum(name.startswith("so1:escalate") for name in sms(late)) == 1
    assert not service.at(HOUR + 2 * MINUTE)


def test_local_midnight_is_no_hole_in_the_night():
    policy = Policy(hold=STEADY)
    for hour, quiet in ((21, False), (22, True), (23, True), (0, True), (6, True), (7, False)):
        moment = datetime(2026, 12, 31, hour, tzinfo=policy.zone)
        assert bool(quiet_until(from_datetime(moment), policy)) == quiet
