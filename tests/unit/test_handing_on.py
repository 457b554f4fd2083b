"""Handing on: who cannot deal with an alert lets the next rung hear of it before its time."""

from fakes.town import RULES, catalog, events, up

from alerts.changes import Command, CommandKind
from alerts.desk import Desk
from alerts.policy import Policy
from core.events import Events
from core.levels import Level
from core.time import HOUR, MINUTE

T = HOUR


def desk():
    one = Desk((), Policy(), catalog(), RULES)
    changes = one.step(events(up(T, Level.ORANGE)), T)
    return one, changes.alerts[0].id


def ask(one, id_, n=1, kind=CommandKind.HAND_ON, now=T + MINUTE):
    changes = one.step(Events.empty(), now, [Command(n, kind, id_, "so1", "", now)])
    return changes, changes.answers[0].problem


def test_the_next_rung_hears_at_once_and_the_alert_stays_unanswered():
    one, id_ = desk()
    changes, problem = ask(one, id_)
    assert problem == ""
    assert "si2" in {note.recipient for note in changes.notes}, "the street"
    assert [line.cause for line in changes.transitions] == ["hand_on"]
    assert changes.transitions[0].by == "so1"
    (alert,) = one.open_alerts()
    assert alert.state == "unack"


def test_its_own_time_does_not_bring_the_same_rung_again():
    one, id_ = desk()
    ask(one, id_)
    later = one.step(Events.empty(), T + 31 * MINUTE)
    assert not any(line.cause == "escalate" for line in later.transitions)
    assert any(
        line.cause == "escalate" for line in one.step(Events.empty(), T + 2 * HOUR + MINUTE).transitions
    )


def test_the_same_command_twice_is_carried_out_once():
    one, id_ = desk()
    _changes, problem = ask(one, id_)
    again, problem = ask(one, id_)
    assert problem == ""
    assert not again.notes


def test_above_the_last_rung_there_is_nobody_and_after_an_answer_nothing_to_hand_on():
    one, id_ = desk()
    problems = [ask(one, id_, n)[1] for n in range(1, 5)]
    assert problems[0] == problems[1] == ""
    assert "电话" in problems[2]
    ask(one, id_, 9, CommandKind.ACK)
    assert "已有人响应" in ask(one, id_, 10)[1]
