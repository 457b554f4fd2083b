"""The duty rota on days that people know: New Year, National Day with its make-up days, nights, months, summer time."""

from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from fakes.town import catalog

from alerts.rota import next_handover, on_duty, shifts
from alerts.rota_days import WorkDays, announced
from alerts.rota_duty import RotaDuty
from alerts.rota_ical import export, read
from core.time import CHINA, DAY, HOUR, from_datetime, to_datetime
from registry.rota import Layer, Override, Rota, text_of, turns_of
from registry.words import DutyDays, TurnUnit

WORK_DAYS = WorkDays()
BERLIN = "Europe/Berlin"


def at(text, zone="Asia/Shanghai"):
    return from_datetime(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)))


def rota(*layers, overrides=(), zone="Asia/Shanghai"):
    return Rota("r", "值班", "safety_officer", 1, 0, zone, layers, tuple(overrides))


DAYS = Layer("白班", date(2026, 1, 5), TurnUnit.WEEK, (("li",), ("wang",)), begin=time(8), end=time(20))
NIGHTS = Layer("夜班", date(2026, 1, 5), TurnUnit.DAY, (("zhao",), ("sun",)), begin=time(20), end=time(8))
WORKED = Layer(
    "工作日", date(2026, 1, 1), TurnUnit.WEEK, (("li",),), begin=time(8), end=time(8), days=DutyDays.WORK
)
FREE = Layer(
    "节假日", date(2026, 1, 1), TurnUnit.WEEK, (("boss",),), begin=time(8), end=time(8), days=DutyDays.REST
)


def test_a_week_begins_on_the_day_the_rota_began_and_at_its_hour():
    one = rota(DAYS, NIGHTS)
    assert on_duty(one, at("2026-01-05 08:00"), WORK_DAYS) == ("li",)
    assert on_duty(one, at("2026-01-11 19:59"), WORK_DAYS) == ("li",)
    assert on_duty(one, at("2026-01-12 08:00"), WORK_DAYS) == ("wang",)
    assert on_duty(one, at("2026-01-05 07:59"), WORK_DAYS) == (), "before it began"


def test_a_night_belongs_to_the_day_it_began_on():
    one = rota(DAYS, NIGHTS)
    assert on_duty(one, at("2026-01-05 23:59"), WORK_DAYS) == ("zhao",)
    assert on_duty(one, at("2026-01-06 00:00"), WORK_DAYS) == ("zhao",)
    assert on_duty(one, at("2026-01-06 07:59"), WORK_DAYS) == ("zhao",)
    assert on_duty(one, at("2026-01-06 20:00"), WORK_DAYS) == ("sun",)


def test_national_day_is_free_on_weekdays_and_made_up_for_on_weekends():
    one = rota(WORKED, FREE)
    holidays = [date(2026, 10, d) for d in range(1, 8)]
    made_up = [date(2026, 9, 20), date(2026, 10, 10)]  # a Sunday and a Saturday
    for day in holidays:
        assert on_duty(one, from_datetime(datetime.combine(day, time(12), CHINA)), WORK_DAYS) == ("boss",), (
            day
        )
    for day in made_up:
        assert day.weekday() >= 5
        assert on_duty(one, from_datetime(datetime.combine(day, time(12), CHINA)), WORK_DAYS) == ("li",), day


def test_the_night_after_the_last_working_day_is_still_that_days():
    one = rota(replace(WORKED, begin=time(17), end=time(8)), replace(FREE, begin=time(17), end=time(8)))
    assert on_duty(one, at("2026-10-01 07:59"), WORK_DAYS) == ("li",), "the evening of 30 September"
    assert on_duty(one, at("2026-10-01 17:00"), WORK_DAYS) == ("boss",)


def test_years_that_are_not_announced_yet_are_weekends_unless_people_say_more():
    assert announced(2026)
    assert not announced(2099)
    assert WorkDays()(date(2099, 1, 1)), "a Thursday; the library does not know 2099"
    named = WorkDays.of(work=["2099-02-08"], rest=["2099-01-01"])
    assert not named(date(2099, 1, 1))
    assert named(date(2099, 2, 8)), "a Sunday that is worked"
    with pytest.raises(ValueError, match="isoformat"):
        WorkDays.of(work=["soon"])


def test_where_clocks_change_the_handover_stays_on_the_wall_clock():
    days = Layer("", date(2026, 3, 1), TurnUnit.DAY, (("a",), ("b",)), begin=time(8), end=time(8))
    found = shifts(
        rota(days, zone=BERLIN), at("2026-03-27 08:00", BERLIN), at("2026-03-31 08:00", BERLIN), WORK_DAYS
    )
    hours = [(shift.end - shift.begin) // HOUR for shift in found]
    assert hours == [24, 23, 24, 24], "the clocks go forward on 29 March"
    autumn = shifts(
        rota(days, zone=BERLIN), at("2026-10-23 08:00", BERLIN), at("2026-10-26 08:00", BERLIN), WORK_DAYS
    )
    assert [(shift.end - shift.begin) // HOUR for shift in autumn] == [24, 25, 24]


def test_a_handover_in_the_hour_that_is_skipped_comes_after_it():
    days = Layer("", date(2026, 3, 1), TurnUnit.DAY, (("a",), ("b",)), begin=time(2, 30), end=time(2, 30))
    handover = next_handover(rota(days, zone=BERLIN), at("2026-03-28 12:00", BERLIN), WORK_DAYS)
    assert to_datetime(handover).astimezone(ZoneInfo(BERLIN)).strftime("%d %H:%M") == "29 03:30"


def test_months_begin_on_the_last_day_where_they_are_shorter():
    months = Layer("", date(2026, 1, 31), TurnUnit.MONTH, (("a",), ("b",), ("c",)))
    one, when, found = rota(months), at("2026-01-31 09:00"), []
    for _ in range(4):
        when = next_handover(one, when, WORK_DAYS)
        found.append(to_datetime(when).astimezone(CHINA).strftime("%m-%d"))
    assert found == ["02-28", "03-31", "04-30", "05-31"]


def test_a_later_layer_hides_the_earlier_ones_only_where_it_has_somebody():
    one = rota(DAYS, NIGHTS, FREE)
    assert on_duty(one, at("2026-01-06 12:00"), WORK_DAYS) == ("li",)
    assert on_duty(one, at("2026-01-10 12:00"), WORK_DAYS) == ("boss",), "a Saturday"


def test_overrides_replace_all_or_one_and_swaps_swap():
    begin, end = at("2026-01-06 00:00"), at("2026-01-07 00:00")
    both = replace(DAYS, turns=(("li", "wang"),))
    noon = at("2026-01-06 12:00")

    def duty(*overrides):
        return on_duty(rota(both, overrides=overrides), noon, WORK_DAYS)

    assert duty(Override(begin, end, ("qian",))) == ("qian",)
    assert duty(Override(begin, end, ("qian",), "li")) == ("qian", "wang")
    assert duty(Override(begin, end, ("qian",), "absent")) == ("li", "wang")
    assert duty(Override(begin, end, ("wang",), "li"), Override(begin, end, ("li",), "wang")) == (
        "wang",
        "li",
    )
    assert duty(Override(begin, end, ("qian",)), Override(begin, end, ("sun",), "qian")) == ("sun",)
    assert duty(Override(noon, end, ("qian",))) == ("qian",)
    assert duty(Override(begin, noon, ("qian",))) == ("li", "wang"), "the end is not part of it"


def test_turns_as_people_write_them():
    assert turns_of("a, b+c ,E01-x.y") == (("a",), ("b", "c"), ("E01-x.y",))
    assert text_of(turns_of("a, b+c")) == "a, b + c"
    for wrong in ("", "a,,b", "张三", "a +"):
        with pytest.raises(ValueError, match="no contact's code"):
            turns_of(wrong)


# ── as Duty ───────────────────────────────────────────────────────────────────
@pytest.fixture
def town():
    """The catalogue of the desk's tests, and two of its contacts of one role and enterprise."""
    found = catalog()
    role, enterprise = next((c.role, c.enterprise) for c in found.contacts if c.enterprise)
    return found, role, enterprise


def with_rota(town, turns, **more):
    found, role, enterprise = town
    layer = Layer("", date(2026, 1, 1), TurnUnit.DAY, turns, **more)
    one = Rota("r", "", role, enterprise, 0, "Asia/Shanghai", (layer,))
    return RotaDuty(replace(found, rotas=(one,)), WORK_DAYS)


def test_who_is_on_duty_has_the_role_alone(town):
    found, role, enterprise = town
    first, second = found.contacts[0], found.contacts[1]
    duty = with_rota(town, ((first.code,), (second.code,)))
    now = at("2026-01-01 12:00")
    assert duty.who(role, enterprise=enterprise, now=now) == (first,)
    assert duty.who(role, enterprise=enterprise, now=now + DAY) == (second,)
    assert duty.until(now) == at("2026-01-02 08:00")
    assert duty.until(at("2026-01-02 08:00")) == at("2026-01-03 08:00")


def test_a_hole_or_people_who_have_left_mean_everybody(town):
    _found, role, enterprise = town
    everybody = with_rota(town, (("nobody-we-know",),)).who(
        role, enterprise=enterprise, now=at("2026-01-01 12:00")
    )
    assert everybody
    hole = with_rota(town, (("nobody-we-know",),), begin=time(8), end=time(9))
    assert hole.who(role, enterprise=enterprise, now=at("2026-01-01 12:00")) == everybody


def test_other_roles_and_places_are_not_touched(town):
    found, role, enterprise = town
    duty = with_rota(town, ((found.contacts[0].code,),))
    plain = RotaDuty(found, WORK_DAYS)
    for contact in found.contacts:
        place = {"enterprise": contact.enterprise} if contact.enterprise else {"area": contact.area}
        if (contact.role, contact.enterprise) != (role, enterprise):
            assert duty.who(contact.role, **place, now=1) == plain.who(contact.role, **place, now=1)
    assert plain.until(5) > 1 << 60


# ── as iCalendar ──────────────────────────────────────────────────────────────
PEOPLE = {"li": "li", "wang": "wang", "李工": "li", "王工": "wang", "zhao": "zhao", "sun": "sun"}


def test_what_is_exported_comes_back_as_the_same_shifts():
    one, begin, end = rota(DAYS, NIGHTS), at("2026-01-05 08:00"), at("2026-02-05 08:00")
    found = read(export([one], begin, end, WORK_DAYS, {"li": "李工"}), begin, end, PEOPLE, zone=one.zone)
    assert found.problems == []
    again = rota(overrides=found.overrides)
    assert shifts(again, begin, end, WORK_DAYS) == shifts(one, begin, end, WORK_DAYS)


CALENDAR = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//test//
BEGIN:VEVENT
UID:1
DTSTART;TZID=Asia/Shanghai:20260105T200000
DTEND;TZID=Asia/Shanghai:20260106T080000
RRULE:FREQ=WEEKLY;COUNT=3
EXDATE;TZID=Asia/Shanghai:20260112T200000
SUMMARY:李工、王工
END:VEVENT
BEGIN:VEVENT
UID:2
DTSTART;VALUE=DATE:20260107
DTEND;VALUE=DATE:20260108
SUMMARY:wang
END:VEVENT
BEGIN:VEVENT
UID:3
DTSTART:20260108T080000
DTEND:20260108T200000
SUMMARY:陌生人
END:VEVENT
END:VCALENDAR
"""


def test_repeating_events_whole_days_and_strangers_in_somebodys_calendar():
    begin, end = at("2026-01-01 00:00"), at("2026-02-01 00:00")
    found = read(CALENDAR.replace("\n", "\r\n").encode(), begin, end, PEOPLE, zone="Asia/Shanghai")
    assert found.overrides == [
        Override(at("2026-01-05 20:00"), at("2026-01-06 08:00"), ("li", "wang")),
        Override(at("2026-01-07 00:00"), at("2026-01-08 00:00"), ("wang",)),
        Override(at("2026-01-19 20:00"), at("2026-01-20 08:00"), ("li", "wang")),
    ]
    assert len(found.problems) == 1
    assert "陌生人" in found.problems[0]


def test_what_is_no_calendar_is_refused():
    with pytest.raises(ValueError, match=r".+"):
        read(b"no calendar", 0, DAY, PEOPLE, zone="Asia/Shanghai")


def test_the_desk_tells_whoever_is_on_duty_when_it_happens(town):
    from fakes.town import RULES, events, up

    from alerts.desk import Desk
    from alerts.policy import Policy
    from core.levels import Level

    found, role, enterprise = town
    layer = Layer("", date(2026, 1, 1), TurnUnit.DAY, (("pr1",), ("so1",)))
    one = Rota("r", "", role, enterprise, 0, "Asia/Shanghai", (layer,))
    desk = Desk((), Policy(), found, RULES, duty=RotaDuty(replace(found, rotas=(one,)), WORK_DAYS))
    told = []
    for hours in (0, 24, 48):
        now = at("2026-01-01 12:00") + hours * HOUR
        changes = desk.step(events(up(now, Level.YELLOW, rule=0, subject=1)), now)
        told.append({note.recipient for note in changes.notes if note.step.startswith("raise")})
        alert = changes.alerts[0]
        _close(desk, alert.id, now + HOUR)
    assert told == [{"pr1"}, {"so1"}, {"pr1"}]


def _close(desk, id_, now):
    from fakes.town import down, events

    from alerts.changes import Command, CommandKind
    from core.events import Events
    from core.levels import Level

    desk.step(events(down(now, Level.YELLOW)), now)
    changes = desk.step(Events.empty(), now, [Command(now, CommandKind.CLOSE, id_, "li", "done", now)])
    assert changes.answers[0].problem == ""
