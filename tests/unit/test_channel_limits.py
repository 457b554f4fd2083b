"""Budgets of channels: never more than the provider takes, and always room for red."""

from fakes.town import RULES  # noqa: F401 - proves that fakes import
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.notify.limits import Bucket, Budget, Limits, take
from core.levels import Level
from core.time import MINUTE, SECOND

ROBOT = Budget(18)


@given(
    st.integers(2, 200),
    st.lists(st.tuples(st.integers(0, 20 * SECOND), st.sampled_from(Level)), max_size=200),
)
@settings(deadline=None)
def test_no_minute_sees_more_than_its_budget(per_minute, asks):
    budget, now, sent = Budget(per_minute), 0, []
    bucket = Bucket(budget.burst, now)
    for pause, level in asks:
        now += pause
        bucket, wait = take(bucket, budget, level=level, now=now)
        if not wait:
            sent.append(now)
    for first in sent:
        assert sum(first <= t < first + MINUTE for t in sent) <= per_minute


def test_who_waits_as_long_as_was_said_may_go():
    limits, now = Limits(), 0
    for _ in range(40):
        wait = limits.take("robot", ROBOT, level=Level.YELLOW, now=now)
        if wait:
            assert limits.take("robot", ROBOT, level=Level.YELLOW, now=now + wait) == 0
            now += wait


def test_red_goes_at_once_in_the_middle_of_a_storm():
    limits = Limits()
    while limits.take("robot", ROBOT, level=Level.YELLOW, now=0) == 0:
        pass
    assert limits.take("robot", ROBOT, level=Level.RED, now=0) == 0


def test_new_tokens_go_to_red_first():
    limits = Limits()
    while limits.take("robot", ROBOT, level=Level.RED, now=0) == 0:
        pass
    red = limits.take("robot", ROBOT, level=Level.RED, now=0)
    yellow = limits.take("robot", ROBOT, level=Level.YELLOW, now=0)
    assert 0 < red < yellow


def test_credentials_have_budgets_of_their_own():
    limits = Limits()
    while limits.take("one", ROBOT, level=Level.RED, now=0) == 0:
        pass
    assert limits.take("two", ROBOT, level=Level.BLUE, now=0) == 0


def test_a_provider_that_says_slower_is_left_alone_even_by_red():
    limits = Limits()
    limits.block("robot", 60 * SECOND)
    assert limits.take("robot", ROBOT, level=Level.RED, now=10 * SECOND) == 50 * SECOND
    limits.block("robot", 5 * SECOND)
    assert limits.take("robot", ROBOT, level=Level.RED, now=10 * SECOND) == 50 * SECOND


def test_a_clock_that_jumps_back_gives_no_tokens():
    bucket = Bucket(0.0, 100 * MINUTE)
    _, wait = take(bucket, ROBOT, level=Level.RED, now=MINUTE)
    assert wait > 0


def test_memory_is_bounded():
    limits = Limits(keep=10)
    for n in range(100):
        limits.take(str(n), ROBOT, level=Level.RED, now=0)
    assert len(limits._buckets) == 10


def test_a_note_takes_a_token_of_each_budget_or_of_none():
    limits, small, large = Limits(), Budget(3), Budget(300)
    both = [("robot", large), ("to:so1", small)]
    assert limits.take_all(both, level=Level.RED, now=0) == 0
    assert limits.take_all(both, level=Level.RED, now=0) > 0
    taken = 1
    while limits.take("robot", large, level=Level.RED, now=0) == 0:
        taken += 1
    assert taken == 100, "a note that had to wait for one budget has used none of the other"


def test_those_who_wait_are_sent_away_for_different_times_and_red_for_the_shortest():
    limits = Limits()
    while limits.take("robot", ROBOT, level=Level.RED, now=0) == 0:
        pass
    waits = [limits.take("robot", ROBOT, level=Level.YELLOW, now=0) for _ in range(10)]
    assert sorted(set(waits)) == waits
    assert limits.take("robot", ROBOT, level=Level.RED, now=0) < waits[0]


def test_nobody_is_sent_away_for_long_however_many_wait():
    limits = Limits()
    waits = [limits.take("robot", ROBOT, level=Level.YELLOW, now=0) for _ in range(1000)]
    assert max(waits) < 2 * MINUTE
