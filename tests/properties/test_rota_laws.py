"""Laws of the duty rota: across midnight, month ends, holidays, and where the clocks change."""

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from alerts.rota import next_edge, next_handover, on_duty, shifts
from alerts.rota_days import WorkDays
from core.time import DAY, HOUR, MINUTE, from_datetime, to_datetime
from registry.rota import Layer, Override, Rota
from registry.words import DutyDays, TurnUnit

WORK_DAYS = WorkDays()
# The second changes its clocks, the third by half an hour, the fourth skips midnight itself.
ZONES = st.sampled_from(["Asia/Shanghai", "Europe/Berlin", "Australia/Lord_Howe", "America/Asuncion"])
PEOPLE = st.sampled_from("abcdef")
TURN = st.lists(PEOPLE, min_size=1, max_size=2, unique=True).map(tuple)
CLOCK = st.times(min_value=time(0), max_value=time(23, 59)).map(lambda t: t.replace(second=0, microsecond=0))
DATES = st.dates(date(2024, 1, 1), date(2026, 12, 31))
MOMENTS = st.datetimes(datetime(2024, 3, 1), datetime(2026, 12, 1)).map(  # noqa: DTZ001 - made aware next
    lambda moment: from_datetime(moment.replace(tzinfo=ZoneInfo("UTC"), microsecond=0))
)


@st.composite
def layers(draw):
    clock = draw(CLOCK)
    start = draw(DATES)
    return Layer(
        name="层", start=start, every=draw(st.sampled_from(TurnUnit)), n=draw(st.integers(1, 3)), begin=clock,
        end=draw(st.one_of(st.just(clock), CLOCK)), days=draw(st.sampled_from(DutyDays)),
        turns=tuple(draw(st.lists(TURN, min_size=1, max_size=4))),
        until=draw(st.none() | st.integers(0, 500).map(lambda n: start + timedelta(days=n))),
    )  # fmt: skip


@st.composite
def overrides(draw):
    begin = draw(MOMENTS)
    instead_of = draw(st.sampled_from(["", "a", "b"]))
    return Override(begin, begin + draw(st.integers(1, 20)) * HOUR, draw(TURN), instead_of)


def rotas():
    return st.builds(
        Rota, code=st.just("r"), name=st.just("值班"), role=st.just("safety_officer"), enterprise=st.just(1),
        area=st.just(0), zone=ZONES, layers=st.lists(layers(), max_size=3).map(tuple),
        overrides=st.lists(overrides(), max_size=3).map(tuple),
    )  # fmt: skip


@given(rotas(), MOMENTS, st.integers(1, 12 * 24))
@settings(deadline=None, max_examples=60)
def test_shifts_lie_end_to_end_and_say_what_on_duty_says_at_every_moment(rota, begin, hours):
    end = begin + hours * HOUR
    found = shifts(rota, begin, end, WORK_DAYS)
    assert found[0].begin == begin
    assert found[-1].end == end
    for before, after in pairwise(found):
        assert before.end == after.begin
        assert before.who != after.who, "what does not change is one shift"
    for shift in found:
        for t in (shift.begin, (shift.begin + shift.end) // 2, shift.end - 1):
            assert on_duty(rota, t, WORK_DAYS) == shift.who


@given(rotas(), MOMENTS, st.integers(1, 9 * 24), st.integers(1, 9 * 24))
@settings(deadline=None, max_examples=40)
def test_looking_from_the_middle_shows_the_same_shifts(rota, begin, first, second):
    middle, end = begin + first * HOUR, begin + (first + second) * HOUR
    whole = shifts(rota, begin, end, WORK_DAYS)
    rest = [s for s in shifts(rota, middle, end, WORK_DAYS) if s.begin > middle]
    assert rest == [s for s in whole if s.begin > middle]


@given(rotas(), MOMENTS)
@settings(deadline=None, max_examples=40)
def test_the_next_handover_is_the_first_moment_with_somebody_else(rota, now):
    at = next_handover(rota, now, WORK_DAYS)
    who = on_duty(rota, now, WORK_DAYS)
    if at is None:
        assert all(on_duty(rota, now + n * DAY, WORK_DAYS) == who for n in range(0, 400, 7))
        return
    assert at > now
    assert on_duty(rota, at, WORK_DAYS) != who
    assert on_duty(rota, at - 1, WORK_DAYS) == who


@given(rotas(), MOMENTS)
@settings(deadline=None, max_examples=60)
def test_nothing_changes_before_the_next_edge(rota, now):
    edge = next_edge(rota, now)
    at = next_handover(rota, now, WORK_DAYS)
    assert edge is None or edge > now
    assert at is None or (edge is not None and edge <= at)


@given(layers(), MOMENTS, ZONES)
@settings(deadline=None, max_examples=60)
def test_a_handover_is_on_the_minute_of_the_wall_clock_on_both_sides_of_summer_time(layer, now, zone):
    rota = Rota("r", "值班", "duty_officer", 0, 1, zone, (layer,))
    for shift in shifts(rota, now, now + 40 * DAY, WORK_DAYS)[1:]:
        clock = to_datetime(shift.begin).astimezone(ZoneInfo(zone))
        if _skipped(clock, zone):
            continue
        assert clock.time() in (layer.begin, layer.end)


def _skipped(clock, zone):
    """Did the clocks change within the last hour?"""
    before = to_datetime(from_datetime(clock) - HOUR - MINUTE).astimezone(ZoneInfo(zone))
    return before.utcoffset() != clock.utcoffset()


@given(
    st.lists(TURN, min_size=2, max_size=5, unique=True),
    st.sampled_from(TurnUnit),
    st.integers(1, 3),
    DATES,
    ZONES,
)
@settings(deadline=None, max_examples=60)
def test_everybody_has_the_same_number_of_turns_and_the_round_begins_again(turns, every, n, start, zone):
    layer = Layer("层", start, every, tuple(turns), n=n)
    rota = Rota("r", "值班", "duty_officer", 0, 1, zone, (layer,))
    first = from_datetime(datetime.combine(start, time(12), ZoneInfo(zone)))
    span = {TurnUnit.DAY: 1, TurnUnit.WEEK: 7, TurnUnit.MONTH: 31}[every] * n * len(turns)
    found = shifts(rota, first, first + (2 * span + 2) * DAY, WORK_DAYS)
    order = [shift.who for shift in found]
    assert order[: len(turns)] == list(turns)
    assert all(who == turns[k % len(turns)] for k, who in enumerate(order))


@given(st.integers(1, 31), st.integers(1, 12), st.integers(1, 40))
def test_a_monthly_turn_begins_on_its_day_or_on_the_last_of_a_shorter_month(day, month, later):
    assume(day <= 28 or month in (1, 3, 5, 7, 8, 10, 12))
    start = date(2024, month, day)
    rota = Rota(
        "r",
        "",
        "duty_officer",
        0,
        1,
        "Asia/Shanghai",
        (Layer("月", start, TurnUnit.MONTH, (("a",), ("b",))),),
    )
    now = from_datetime(datetime.combine(start, time(8), ZoneInfo("Asia/Shanghai"))) + later * 30 * DAY
    at = to_datetime(next_handover(rota, now, WORK_DAYS)).astimezone(ZoneInfo("Asia/Shanghai"))
    last = (at.date().replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    assert at.time() == time(8)
    assert at.day == min(day, last.day)


@given(rotas(), MOMENTS)
@settings(deadline=None, max_examples=40)
def test_two_who_swap_do_swap_and_nobody_else_is_touched(rota, now):
    plain = on_duty(rota, now, WORK_DAYS)
    swap = (Override(now, now + HOUR, ("y",), "a"), Override(now, now + HOUR, ("a",), "y"))
    clean = Rota(rota.code, "", rota.role, 1, 0, rota.zone, rota.layers)
    swapped = on_duty(Rota(rota.code, "", rota.role, 1, 0, rota.zone, rota.layers, swap), now, WORK_DAYS)
    assert swapped == tuple("y" if code == "a" else code for code in on_duty(clean, now, WORK_DAYS))
    assert on_duty(rota, now, WORK_DAYS) == plain
