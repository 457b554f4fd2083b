"""When a process that died is started again, and what is said about it."""

import pytest

from service.child import HEALTHY_S, LONGEST_PAUSE_S, Child, pause_s, reason
from service.logs import said_last
from service.supervisor import ONE_WISH_S, Wish


def test_pauses_double_up_to_the_longest():
    pauses = [pause_s(n) for n in range(1, 10)]
    assert pauses[:4] == [0.5, 1, 2, 4]
    assert pauses[-1] == pause_s(10_000) == LONGEST_PAUSE_S


def test_deaths_in_a_row_wait_longer_and_a_healthy_life_starts_anew():
    child = Child("x", None)
    child.begins(100)
    assert child.died("exit code 1", 101) == 0.5
    child.begins(102)
    assert child.died("exit code 1", 103) == 1.0
    assert (child.state, child.due, child.last_exit) == ("waiting", 104.0, "exit code 1")
    child.begins(104)
    assert child.died("SIGKILL", 104 + HEALTHY_S + 1) == 0.5


def test_a_start_that_fails_counts_as_a_death():
    child = Child("x", None)
    pauses = [child.died("did not start", 10 * n) for n in range(3)]
    assert pauses == [0.5, 1.0, 2.0]


@pytest.mark.parametrize(
    ("code", "words"),
    [(0, "exit code 0"), (3, "exit code 3"), (-9, "SIGKILL"), (None, "did not start"), (-99, "signal 99")],
)
def test_how_it_ended_in_words(code, words):
    assert reason(code) == words


def test_signals_at_once_are_one_wish():
    wish = Wish()
    assert not wish.stop()
    wish.count(10.0)
    wish.count(10.0 + ONE_WISH_S / 2)
    assert wish.stop()
    assert not wish.hurry()
    wish.count(12.0)
    assert wish.hurry()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('{"event": "stopped", "problem": "no broker"}', "stopped: no broker"),
        (
            '{"event": "crashed", "exception": "Traceback:\\n  File \\"x\\"\\n    y\\nKeyError: 1\\nLINE 1\\n    ^"}',
            "crashed: KeyError: 1",
        ),
        ('{"event": "crashed", "exception": "KeyError: 1"}', "crashed: KeyError: 1"),
        ("plain text", "plain text"),
        ("[1]", "[1]"),
    ],
)
def test_the_last_words_of_a_log(line, words):
    assert said_last(line) == words
