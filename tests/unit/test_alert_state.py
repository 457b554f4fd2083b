"""The state table is total, and the only place that moves a state."""

import ast
from itertools import product
from pathlib import Path

import pytest

from alerts.state import NEXT, PRESENT, UNANSWERED, Cause, State

ALERTS = Path(__file__).resolve().parents[2] / "alerts"


def test_every_state_answers_every_cause():
    assert set(NEXT) == set(product(State, Cause))


@pytest.mark.parametrize(("state", "cause"), sorted(NEXT))
def test_a_repeated_cause_is_an_identity(state, cause):
    once = NEXT[state, cause]
    assert NEXT[once, cause] == once


@pytest.mark.parametrize("state", State)
def test_causes_do_what_their_names_say(state):
    assert NEXT[state, Cause.RAISE] in PRESENT
    assert NEXT[state, Cause.CLEAR] not in PRESENT
    assert NEXT[state, Cause.ACK] not in UNANSWERED
    # An answer says nothing about the condition, and the condition's end is no answer.
    assert (NEXT[state, Cause.ACK] in PRESENT) == (state in PRESENT)
    assert (NEXT[state, Cause.CLEAR] in UNANSWERED) == (state in UNANSWERED)


@pytest.mark.parametrize(
    "path",
    [
        "normal raise>unack clear>rtn_unack ack>normal",
        "normal raise>unack ack>acked clear>normal raise>unack",
        "unack clear>rtn_unack raise>unack ack>acked raise>acked",
    ],
)
def test_path(path):
    start, *steps = path.split()
    state = State(start)
    for step in steps:
        cause, expected = step.split(">")
        state = NEXT[state, Cause(cause)]
        assert state == expected


def test_no_other_file_names_the_state_an_alert_moves_to():
    """Elsewhere a new state is looked up in NEXT, or is NORMAL before the first raising."""
    for path in ALERTS.rglob("*.py"):
        if path.name == "state.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "State"
            ):
                assert node.attr == "NORMAL", f"{path.name}:{node.lineno} names State.{node.attr}"
