"""A chain shows every line that was altered, taken away, added or moved."""

from dataclasses import replace

import pytest

from alerts.chain import START, Link, link, verify
from alerts.changes import Transition
from alerts.state import State
from core.levels import Level

LINES = [
    Transition(
        f"A{n % 3}",
        n,
        "ack",
        State.UNACK,
        State.ACKED,
        Level.RED,
        n,
        n + 1,
        "安全员",
        f"第{n}行",
        float("nan"),
    )
    for n in range(1, 7)
]


def chained(lines=LINES):
    found, head = [], START
    for line in lines:
        head = link(head, line)
        found.append((line, head))
    return found


def test_what_nobody_touched_is_good():
    assert list(verify(chained())) == []
    assert list(verify([])) == []


@pytest.mark.parametrize(
    "field", ["alert", "seq", "cause", "by", "note", "t", "now", "detail", "stage", "value", "level"]
)
@pytest.mark.parametrize("place", [0, 3, 5])
def test_an_altered_line_is_found(field, place):
    lines = chained()
    line, place_in_chain = lines[place]
    other = {"level": Level.BLUE, "value": 1.5}.get(field) or (
        getattr(line, field) + 1 if isinstance(getattr(line, field), int) else "x"
    )
    lines[place] = replace(line, **{field: other}), place_in_chain
    (problem,) = verify(lines)
    assert f"line {place + 1} " in problem


def test_an_altered_line_with_a_new_hash_breaks_the_next():
    lines = chained()
    forged = replace(lines[2][0], note="nothing happened")
    lines[2] = forged, link(lines[1][1], forged)
    (problem,) = verify(lines)
    assert "line 4 " in problem


@pytest.mark.parametrize(
    ("gone", "said"),
    [((2,), "line 3 is missing"), ((2, 3), "line 3 to 4 are missing"), ((0,), "line 1 is missing")],
)
def test_a_missing_line_is_found(gone, said):
    lines = [pair for place, pair in enumerate(chained()) if place not in gone]
    assert list(verify(lines)) == [said]


def test_a_line_that_was_added_or_moved_is_found():
    lines = chained()
    twice = [*lines[:3], lines[2], *lines[3:]]
    assert any("twice" in problem for problem in verify(twice))
    swapped = [(lines[1][0], lines[0][1]), (lines[0][0], lines[1][1]), *lines[2:]]
    assert len(list(verify(swapped))) == 2


def test_the_hash_is_what_the_docs_say():
    """A fixed example, so that a chain of today can be verified by a program of another year."""
    line = Transition(
        "7K3FQ2MD4XWZ", 1, "open", State.NORMAL, State.UNACK, Level.RED, 10, 20, value=85.3, stage="new"
    )
    assert link(START, line) == Link(1, "a3a0b26744abbe167104f4d333e56e94cf44384f7ed9a3d04d07566fe6c144fb")
