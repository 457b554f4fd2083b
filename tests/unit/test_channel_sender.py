"""What follows after an attempt that failed."""

from dataclasses import replace

import pytest
from fakes.note import NOTE

from alerts.notify.contract import ChannelError, ErrorKind
from alerts.notify.sender import Dead, Patience, Retry, after, fallback, undelivered
from alerts.policy import Policy
from core.levels import Level
from core.time import SECOND, seconds

NOW = NOTE.created + 5 * SECOND
PATIENCE = Patience(retry_s=2, retry_max_s=60, attempts=8, max_age_s=3600, red_max_s=10, red_age_s=300)
YELLOW = replace(NOTE, level=Level.YELLOW)


def error(kind=ErrorKind.RETRY, **more):
    return ChannelError(kind, "45009", "slower", **more)


def decide(attempt, failed, *, note=NOTE, now=NOW, rng=lambda: 0.999999):
    return after(note, attempt, failed, now=now, patience=PATIENCE, rng=rng)


@pytest.mark.parametrize(("attempt", "longest_s"), [(1, 2), (2, 4), (3, 8), (4, 16), (6, 60), (7, 60)])
def test_pauses_double_up_to_the_longest_and_jitter_down_to_nothing(attempt, longest_s):
    longest = decide(attempt, error(), note=YELLOW)
    assert longest.at == pytest.approx(NOW + seconds(longest_s), abs=SECOND)
    assert longest.at <= NOW + seconds(longest_s)
    assert decide(attempt, error(), note=YELLOW, rng=lambda: 0.0) == Retry(NOW)


def test_red_is_never_put_off_for_long_and_has_no_limit_of_attempts():
    assert decide(7, error()).at <= NOW + 10 * SECOND
    assert isinstance(decide(500, error()), Retry)


def test_red_is_given_up_in_time_for_the_operator_to_act():
    late = NOTE.created + 300 * SECOND
    assert isinstance(decide(1, error(), now=late, rng=lambda: 0.0), Retry)
    assert isinstance(decide(1, error(), now=late), Dead)
    assert isinstance(decide(1, error(retry_after_s=600)), Dead), "ten minutes are too long: another channel"


def test_a_provider_that_names_a_time_is_obeyed():
    assert decide(1, error(retry_after_s=60), rng=lambda: 0.0) == Retry(NOW + 60 * SECOND)


@pytest.mark.parametrize("kind", [ErrorKind.FALLBACK, ErrorKind.PERMANENT, ErrorKind.CONFIG])
def test_what_will_not_pass_is_given_up_at_once_with_its_reason(kind):
    assert decide(1, error(kind)) == Dead(f"{kind} 45009: slower")


@pytest.mark.parametrize("kind", [ErrorKind.RETRY, ErrorKind.REFRESH])
def test_patience_ends(kind):
    assert isinstance(decide(7, error(kind), note=YELLOW), Retry)
    assert decide(8, error(kind), note=YELLOW) == Dead(f"{kind} 45009: slower (attempt 8)")


def test_a_note_that_is_too_old_is_given_up():
    late = NOTE.created + 3600 * SECOND
    assert isinstance(decide(1, error(), now=late, note=YELLOW), Dead)


def test_fallback_takes_the_contacts_next_configured_channel():
    addresses = {"sms": "1", "wecom_robot": "k", "email": "a@b", "log": "x"}
    policy = Policy(channels=frozenset({"wecom_robot", "sms", "log"}))
    assert fallback(NOTE, addresses, policy, now=NOW).channel == "log"
    assert fallback(NOTE, addresses, Policy(), now=NOW).address == "a@b"
    assert fallback(replace(NOTE, channel="log"), addresses, policy, now=NOW) is None
    assert fallback(replace(NOTE, channel="gone"), addresses, policy, now=NOW) is None


def test_fallback_is_a_note_of_its_own():
    other = fallback(NOTE, {"wecom_robot": "k", "log": "x"}, Policy(), now=NOW)
    assert other.key == f"{NOTE.alert}:{NOTE.step}:{NOTE.recipient}:log"
    assert (other.text_zh, other.created) == (NOTE.text_zh, NOW)


def test_the_operator_is_told_what_reached_nobody_and_never_about_that_again():
    where = {"recipient": "ops", "channel": "log", "address": "ops", "now": NOW, "policy": Policy()}
    note = undelivered(NOTE, "permanent 40058: too long", **where)
    assert "未送达" in note.title
    assert "40058" in note.text_zh
    assert NOTE.text_zh in note.text_zh
    other = undelivered(replace(NOTE, recipient="pr1"), "x", **where)
    assert other.key != note.key
    assert undelivered(note, "x", **where) is None
