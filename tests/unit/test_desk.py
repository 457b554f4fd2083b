"""The desk: what one alert does over events and people's answers."""

from dataclasses import replace

import numpy as np
import pytest
from fakes.steps import steps_of
from fakes.town import RULES, catalog, down, event, events, up

from alerts.changes import Changes, Command, CommandKind
from alerts.desk import Desk
from alerts.policy import Policy
from alerts.routes_file import read_routes
from core.events import Events, SubjectKind
from core.levels import Level

NOW = 10**18
# Lines of Python for one event, with its alert and its notes.
STEPS_OF_AN_EVENT = 1_000


def desk(alerts=(), **policy):
    """A desk on which a person may close anything, and what comes again is a new alert."""
    return Desk(alerts, Policy(**{"short_close": Level.RED, "reopen_s": 0.0} | policy), catalog(), RULES)


def ack(alert, *, by="安全员", note="", number=1):
    return Command(number, CommandKind.ACK, alert, by, note, NOW)


def close(alert, *, by="安全员", note="已清灰", number=1):
    return Command(number, CommandKind.CLOSE, alert, by, note, NOW)


def only(desk):
    (alert,) = desk.open_alerts()
    return alert


def steps(changes):
    return [f"{note.recipient}:{note.step}" for note in changes.notes]


def test_a_raise_opens_an_alert_and_tells_whom_the_policy_names():
    d = desk()
    changes = d.step(events(up(100, Level.RED, since=90)), NOW)
    (alert,), (line,) = changes.alerts, changes.transitions
    assert (alert.state, alert.level, alert.level_now, alert.count) == ("unack", Level.RED, Level.RED, 1)
    assert (alert.raised, alert.since, alert.opened, alert.enterprise) == (100, 90, NOW, 1)
    assert (line.seq, line.cause, line.old, line.new) == (1, "open", "normal", "unack")
    assert {note.recipient for note in changes.notes} == {"so1", "pr1", "si2"}
    assert {note.key for note in changes.notes} == {
        f"{alert.id}:raise-1:{who}" for who in ("so1:wecom_robot", "so1:log", "pr1:log", "si2:log")
    }
    assert alert.told == ("so1", "pr1", "si2")


def test_the_id_comes_from_rule_subject_and_first_raising_alone():
    one = desk().step(events(up(100)), NOW).alerts[0].id
    assert desk().step(events(up(100, Level.BLUE, value=1.0)), NOW + 5).alerts[0].id == one
    assert len(one) == 12
    others = [up(101), up(100, subject=2), up(100, rule=1)]
    assert one not in {desk().step(events(other), NOW).alerts[0].id for other in others}


def test_a_higher_level_than_ever_is_told_again_and_a_lower_one_only_noted():
    d = desk()
    d.step(events(up(1, Level.YELLOW)), NOW)
    higher = d.step(events(up(2, Level.RED, value=99.0)), NOW)
    assert [line.cause for line in higher.transitions] == ["level"]
    assert set(steps(higher)) == {"so1:level-4", "pr1:level-4", "si2:level-4"}
    lower = d.step(events(up(3, Level.ORANGE)), NOW)
    assert not lower.transitions
    assert not lower.notes
    assert (only(d).level, only(d).level_now) == (Level.RED, Level.ORANGE)
    back = d.step(events(up(4, Level.RED)), NOW)
    assert not back.notes
    assert only(d).level_now == Level.RED


def test_return_to_normal_is_told_to_those_who_were_told_and_closes_nothing():
    d = desk()
    d.step(events(up(1)), NOW)
    changes = d.step(events(down(2)), NOW)
    assert (only(d).state, only(d).recovered, only(d).level_now) == ("rtn_unack", 2, 0)
    assert set(steps(changes)) == {"so1:clear-1", "pr1:clear-1", "si2:clear-1"}


def test_a_condition_that_comes_again_is_the_same_alert_counted_and_told_anew():
    d = desk()
    first = d.step(events(up(1)), NOW).alerts[0]
    d.step(events(down(2)), NOW, [ack(first.id)])
    changes = d.step(events(up(3, Level.ORANGE)), NOW)
    alert = only(d)
    assert (alert.id, alert.count, alert.state) == (first.id, 2, "unack")
    assert (alert.recovered, alert.acked, alert.acked_by) == (0, 0, "")
    assert (alert.level, alert.level_now) == (Level.RED, Level.ORANGE)
    assert "so1:raise-2" in steps(changes)


def test_one_batch_may_hold_a_whole_life_and_the_alert_is_written_once():
    changes = desk().step(events(up(1), down(2), up(3), down(4)), NOW)
    assert [line.cause for line in changes.transitions] == ["open", "clear", "raise", "clear"]
    assert [line.seq for line in changes.transitions] == [1, 2, 3, 4]
    assert len(changes.alerts) == 1
    assert changes.alerts[0].count == 2


def test_what_history_would_have_raised_is_a_finding_and_nobody_is_told():
    d = desk()
    changes = d.step(events(up(1, historical=True), down(2, historical=True)), NOW)
    assert [(f.rule, f.t, f.level) for f in changes.findings] == [("D-02", 1, Level.RED)]
    assert not changes.alerts
    assert not changes.notes


def test_a_condition_found_in_history_and_still_there_is_raised_when_it_is_said_live():
    d = desk()
    d.step(events(up(1, historical=True)), NOW)
    assert d.step(events(up(5)), NOW).alerts[0].state == "unack"


def test_a_historical_clear_moves_a_live_alert_in_silence():
    d = desk()
    d.step(events(up(5)), NOW)
    changes = d.step(events(down(7, historical=True)), NOW)
    assert only(d).state == "rtn_unack"
    assert changes.transitions[0].note == "historical"
    assert not changes.notes


def test_silence_found_at_the_services_time_ends_with_an_older_sample():
    d = desk()
    d.step(events(up(100, rule=1, level=Level.YELLOW, since=50)), NOW)
    changes = d.step(events(down(60, rule=1)), NOW)
    assert changes.alerts[0].closed == NOW
    assert not list(d.open_alerts())


def test_data_quality_alerts_close_themselves_tell_only_the_enterprise_and_stay_below_red():
    d = desk()
    opened = d.step(events(up(1, Level.RED, rule=1)), NOW)
    assert opened.alerts[0].level == Level.ORANGE
    assert {note.recipient for note in opened.notes} == {"so1"}
    changes = d.step(events(down(2, rule=1)), NOW)
    assert [line.cause for line in changes.transitions] == ["clear", "close"]
    assert set(steps(changes)) == {"so1:clear-1"}
    assert "已自动关闭" in changes.notes[0].text_zh


def test_a_closed_alert_leaves_the_desk_and_the_next_raise_is_another_alert():
    d = desk()
    first = d.step(events(up(1), down(2)), NOW).alerts[0]
    assert d.step(Events.empty(), NOW, [close(first.id)]).alerts[0].closed_by == "安全员"
    second = d.step(events(up(3)), NOW).alerts[0]
    assert second.id != first.id
    assert second.count == 1


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (ack("NOSUCHALERT0"), "NOSUCHALERT0"),
        (close("NOSUCHALERT0"), "NOSUCHALERT0"),
        (ack("{id}", by="  "), "name"),
        (close("{id}", note=" "), "note"),
    ],
)
def test_a_command_that_cannot_be_carried_out_is_answered_with_the_reason(command, problem):
    d = desk()
    alert = d.step(events(up(1)), NOW).alerts[0]
    changes = d.step(Events.empty(), NOW, [replace(command, alert=command.alert.replace("{id}", alert.id))])
    assert problem in changes.answers[0].problem
    assert not changes.alerts
    assert only(d) == alert


def test_commands_are_carried_out_in_order_after_the_events_of_the_batch():
    d = desk()
    alert = d.step(events(up(1)), NOW).alerts[0]
    commands = [ack(alert.id, number=1), ack(alert.id, by="班长", number=2), close(alert.id, number=3)]
    changes = d.step(events(down(2)), NOW, [*commands, close(alert.id, number=4)])
    assert [line.cause for line in changes.transitions] == ["clear", "ack", "close"]
    assert [bool(answer.problem) for answer in changes.answers] == [False, False, False, True]
    assert "已消警" in changes.answers[3].problem
    assert (changes.alerts[0].acked_by, changes.alerts[0].closing_note) == ("安全员", "已清灰")


def test_who_closes_an_unanswered_alert_has_answered_it():
    d = desk()
    alert = d.step(events(up(1)), NOW).alerts[0]
    changes = d.step(Events.empty(), NOW, [close(alert.id)])
    assert [(line.cause, line.by) for line in changes.transitions] == [("ack", "安全员"), ("close", "安全员")]
    assert changes.alerts[0].state == "acked"


def test_a_restart_from_the_stored_alerts_goes_on_as_if_nothing_had_happened():
    first, second = desk(), desk()
    stored = {
        alert.id: alert for alert in first.step(events(up(1, Level.YELLOW), up(1, subject=2)), NOW).alerts
    }
    second.load(stored.values())
    rest = events(up(2, Level.RED), down(2, subject=2), up(3, subject=3))
    assert first.step(rest, NOW) == second.step(rest, NOW)


def test_a_reload_keeps_open_alerts_and_takes_the_new_contacts():
    d = desk()
    d.step(events(up(1, Level.YELLOW)), NOW)
    d.reload(catalog(contacts=()), RULES, Policy())
    changes = d.step(events(up(2, Level.RED)), NOW)
    assert {(note.recipient, note.channel) for note in changes.notes} == {("operator", "log")}


def test_an_alert_whose_rule_is_gone_still_clears():
    d = desk()
    alert = d.step(events(up(1)), NOW).alerts[0]
    d.reload(catalog(), (), Policy(short_close=Level.RED))
    changes = d.step(Events.empty(), NOW, [close(alert.id)])
    assert changes.alerts[0].closed


def test_a_subject_that_left_the_registry_still_reaches_somebody():
    changes = desk().step(events(up(1, subject=99)), NOW)
    assert {note.recipient for note in changes.notes} == {"ops"}
    assert "测点 99" in changes.notes[0].text_zh


def test_nothing_in_nothing_out():
    assert desk().step(Events.empty(), NOW) == Changes()
    assert not desk().step(Events.empty(), NOW)


def test_memory_of_closed_alerts_is_bounded():
    d = desk(remember=10)
    for t in range(1, 200, 2):
        d.step(
            events(
                *(
                    row
                    for s in range(1, 5)
                    for row in (up(t, rule=1, subject=s), down(t + 1, rule=1, subject=s))
                )
            ),
            NOW,
        )
    assert not list(d.open_alerts())
    assert max(len(d._past._ids), len(d._past._raises)) <= 10
    assert not d._key


def storm(n, t, kind=1, *, start=1, level=Level.YELLOW):
    keys = np.arange(start, start + n, dtype=np.int32)
    one = event(kind, t, level=level)
    empty = Events.empty()
    columns = dict(zip(Events.__slots__, one, strict=True))
    full = {name: np.full(n, value, getattr(empty, name).dtype) for name, value in columns.items()}
    return Events(**(full | {"subject": keys, "series": keys}))


def test_a_batch_costs_no_more_while_a_hundred_thousand_alerts_are_open():
    one = desk().step(events(up(1, Level.YELLOW)), NOW).alerts[0]
    d = desk([replace(one, id=f"{n:012d}", subject=n, series=n) for n in range(1, 100_001)])
    batches = [storm(100, 2, kind=2, start=1 + 100 * i) for i in range(10)]
    assert max(steps_of(d.step, batch, NOW)[0] for batch in batches) < 100 * STEPS_OF_AN_EVENT
    assert len(list(d.open_alerts())) == 100_000


def test_a_thousand_routes_and_a_tick_cost_little_while_a_hundred_thousand_alerts_are_open():
    lines = [f"- match: {{enterprise: E{n}, rule: 'D-*'}}\n  to: [{{contact: so1}}]" for n in range(1000)]
    tree = read_routes("routes:\n" + "\n".join(lines), "routes.yaml")
    one = desk().step(events(up(1, Level.YELLOW)), NOW).alerts[0]
    alerts = [replace(one, id=f"{n:012d}", subject=n, series=n) for n in range(1, 100_001)]
    d = Desk(alerts, Policy(), catalog(), RULES, tree=tree)
    batches = [storm(100, 2, start=200_001 + 100 * i) for i in range(10)]
    costs = [steps_of(d.step, batch, NOW + n)[0] for n, batch in enumerate(batches)]
    assert max(costs) < 100 * STEPS_OF_AN_EVENT
    ticks = [steps_of(d.step, Events.empty(), NOW + n * 10**6)[0] for n in range(20)]
    assert max(ticks) < STEPS_OF_AN_EVENT


def test_an_event_among_ten_thousand_costs_no_more():
    assert steps_of(desk().step, storm(10_000, 1), NOW)[0] < 10_000 * STEPS_OF_AN_EVENT


def test_subject_kinds_are_different_subjects():
    row = list(up(1))
    row[3] = SubjectKind.DEVICE
    assert len(desk().step(events(up(1), tuple(row)), NOW).alerts) == 2
