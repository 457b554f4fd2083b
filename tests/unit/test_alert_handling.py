"""处置 → 反馈 → 审核 → 消警: the table of stages is total, and its rules hold for everybody."""

import json
from itertools import product

import pytest
from fakes.town import RULES, catalog, down, events, up

from alerts.changes import Command, CommandKind
from alerts.desk import Desk
from alerts.policy import Policy
from alerts.state import NEXT_STAGE, OWING, Deed, Stage
from core.events import Events
from core.levels import Level
from core.time import HOUR, MINUTE

NOW = 10**18
DONE = {"measure": "停机清灰", "done": NOW, "proof": "IMG-1"}


class Office:
    """A desk and the people around it; every command has a number of its own."""

    def __init__(self, level=Level.RED, **policy):
        self.desk = Desk((), Policy(**policy), catalog(), RULES)
        self.n, self.now = 0, NOW
        self.changes = self.desk.step(events(up(1, level)), self.now)
        self.id = self.changes.alerts[0].id

    def ask(self, kind, by="安全员", note="", alert="", **detail):
        """Return why it was refused, "" when it was carried out."""
        self.n += 1
        said = json.dumps(detail) if detail else ""
        command = Command(self.n, CommandKind(kind), alert or self.id, by, note, self.now, said)
        self.changes = self.desk.step(Events.empty(), self.now, [command])
        return self.changes.answers[0].problem

    def see(self, *rows, after=0):
        self.now += after
        self.changes = self.desk.step(events(*rows), self.now)
        return self.changes

    @property
    def alert(self):
        return next(alert for alert in self.desk.open_alerts() if alert.id == self.id)

    def reviewed(self):
        """Bring it to its review, with the condition gone."""
        self.see(down(2))
        assert not self.ask("feedback", by="班组长", **DONE)
        return self


def test_every_stage_answers_every_deed():
    assert set(NEXT_STAGE) == set(product(Stage, Deed))


@pytest.mark.parametrize("deed", [deed for deed in Deed if deed is not Deed.COME_AGAIN])
def test_nothing_is_done_about_a_closed_alert(deed):
    assert NEXT_STAGE[Stage.CLOSED, deed] is None


@pytest.mark.parametrize("stage", Stage)
def test_a_condition_that_comes_again_owes_feedback_whatever_was_reported(stage):
    assert NEXT_STAGE[stage, Deed.COME_AGAIN] in OWING


def test_the_whole_loop_and_who_did_what_stays_on_record():
    office = Office()
    assert not office.ask("handle", by="安全员", handler="班组长")
    assert (office.alert.stage, office.alert.handler, office.alert.acked_by) == (
        "handling",
        "班组长",
        "安全员",
    )
    office.reviewed()
    assert (office.alert.stage, office.alert.owing, office.alert.reported_by) == ("review", 0, "班组长")
    assert not office.ask("accept", by="检查员")
    closed = office.changes.alerts[0]
    assert (closed.stage, closed.reviewer, closed.closing_note) == ("closed", "检查员", "停机清灰")
    assert [line.cause for line in office.changes.transitions] == ["accept"]
    assert json.loads(office.changes.transitions[0].detail)["proof"] == "IMG-1"
    assert not list(office.desk.open_alerts())


def test_the_signal_returning_to_normal_moves_no_stage():
    office = Office()
    office.see(down(2))
    assert (office.alert.stage, office.alert.recovered) == ("new", 2)


@pytest.mark.parametrize("missing", DONE)
def test_measure_completion_and_evidence_are_mandatory(missing):
    office = Office()
    detail = {key: value for key, value in DONE.items() if key != missing}
    assert missing in office.ask("feedback", **detail)
    assert office.alert.stage == "new"


@pytest.mark.parametrize(
    ("done", "word"),
    [
        (NOW + HOUR, "future"),
        (-5, "done"),
        ("2026-11-21T09:00:00", "done"),
        ("gestern", "done"),
        (True, "done"),
    ],
)
def test_a_completion_time_that_cannot_be_is_refused(done, word):
    assert word in Office().ask("feedback", **{**DONE, "done": done})


def test_a_completion_time_may_be_written_with_an_offset():
    assert not Office().ask("feedback", **{**DONE, "done": "2001-09-09T09:40:00+08:00"})


@pytest.mark.parametrize("who", ["班组长", "安全员", " 班组长 "])
def test_who_handled_or_reported_does_not_review(who):
    office = Office()
    office.ask("handle", by="安全员", handler="安全员")
    office.see(down(2))
    office.ask("feedback", by="班组长", **DONE)
    assert "another" in office.ask("accept", by=who)
    assert "another" in office.ask("reject", by=who, note="不清楚")


def test_a_rejection_has_a_reason_and_leads_back_to_handling():
    office = Office().reviewed()
    assert "reason" in office.ask("reject", by="检查员")
    office.now += MINUTE
    assert not office.ask("reject", by="检查员", note="照片看不清")
    assert (office.alert.stage, office.alert.owing, office.alert.rejections) == ("handling", office.now, 1)
    assert {note.step for note in office.changes.notes} == {"reject-1"}
    assert "accept" in office.ask("accept", by="检查员")


def test_what_comes_again_during_the_review_goes_back_to_handling():
    office = Office().reviewed()
    office.see(up(3))
    assert (office.alert.stage, office.alert.state, office.alert.count) == ("handling", "unack", 2)
    assert office.alert.owing == office.now


def test_who_takes_on_once_more_what_came_again_has_answered():
    office = Office()
    assert not office.ask("handle", by="班组长")
    office.see(down(2))
    office.see(up(3))
    assert office.alert.state == "unack"
    assert not office.ask("handle", by="班组长")
    assert (office.alert.state, office.alert.acked_by, office.alert.handler) == ("acked", "班组长", "班组长")
    seq = office.alert.seq
    assert not office.ask("handle", by="班组长")
    assert office.alert.seq == seq, "said a third time it is no news"


def test_a_review_does_not_close_what_is_still_there_unless_configured():
    office = Office()
    office.ask("feedback", by="班组长", **DONE)
    assert "险情仍在" in office.ask("accept", by="检查员")
    lenient = Office(review_present=True)
    lenient.ask("feedback", by="班组长", **DONE)
    assert not lenient.ask("accept", by="检查员")


def test_a_false_alarm_needs_a_reason_and_a_reviewer():
    office = Office()
    assert "reason" in office.ask("false_alarm")
    assert not office.ask("false_alarm", note="传感器进水")
    assert (office.alert.stage, office.alert.false_alarm) == ("review", True)
    assert "another" in office.ask("accept", by="安全员")
    assert not office.ask("accept", by="检查员")
    assert office.changes.alerts[0].false_alarm


def test_reviewers_are_asked_when_feedback_is_there():
    office = Office().reviewed()
    assert {note.recipient for note in office.changes.notes} == {"si2"}
    assert "停机清灰" in office.changes.notes[0].text_zh


@pytest.mark.parametrize(
    ("level", "allowed"), [(Level.BLUE, True), (Level.YELLOW, True), (Level.ORANGE, False)]
)
def test_the_short_way_is_for_low_levels(level, allowed):
    problem = Office(level).ask("close", note="已清灰")
    assert (problem == "") == allowed
    assert allowed or "审核" in problem


def test_the_short_way_may_be_allowed_for_a_small_site():
    assert not Office(Level.RED, short_close=Level.RED).ask("close", note="已清灰")


def test_an_alert_goes_on_in_another_of_its_enterprise_that_is_as_high():
    office = Office(Level.ORANGE)
    office.see(up(5, Level.RED, rule=1), up(5, Level.RED, subject=2), up(6, Level.RED, subject=1, rule=1))
    others = {alert.enterprise: alert for alert in office.desk.open_alerts() if alert.id != office.id}
    assert "enterprise" in office.ask("merge", note="同一起", into=others[2].id)
    assert "level" in office.ask("merge", note="同一起", into=others[1].id), "data quality carries no danger"
    assert "itself" in office.ask("merge", note="同一起", into=office.id)
    assert "into" in office.ask("merge", note="同一起")
    row = list(up(7, Level.RED))
    row[3] = 2  # a device of the same enterprise, unknown to the registry
    office.see(tuple(row))
    device = next(alert for alert in office.desk.open_alerts() if alert.subject_kind == 2)
    assert device.enterprise != 1
    assert "enterprise" in office.ask("merge", note="同一起", into=device.id)


def test_merging_closes_one_and_is_written_into_the_other():
    desk = Desk((), Policy(), catalog(), (*RULES, RULES[0].__class__("D-09", "火花", "spark")))
    first, second = desk.step(events(up(1, Level.ORANGE), up(1, Level.RED, rule=2)), NOW).alerts
    command = Command(
        1, CommandKind.MERGE, first.id, "安全员", "同一起", NOW, json.dumps({"into": second.id.lower()})
    )
    changes = desk.step(Events.empty(), NOW, [command])
    assert not changes.answers[0].problem
    by_id = {alert.id: alert for alert in changes.alerts}
    assert (by_id[first.id].stage, by_id[first.id].merged_into) == ("closed", second.id)
    assert [(line.alert, line.cause) for line in changes.transitions] == [
        (first.id, "ack"), (first.id, "merge"), (second.id, "absorb"),
    ]  # fmt: skip


def test_an_exercise_says_so_in_every_title():
    office = Office()
    assert not office.ask("exercise", note="季度演练")
    assert "演练" in office.see(down(2)).notes[0].title


def test_what_comes_again_within_a_day_of_closing_is_the_same_alert_with_a_count():
    office = Office().reviewed()
    office.ask("accept", by="检查员")
    office.see(up(10), after=23 * HOUR)
    alert = office.alert
    assert (alert.id, alert.count, alert.reopened, alert.stage, alert.state) == (
        office.id,
        2,
        1,
        "new",
        "unack",
    )
    assert (alert.closed, alert.handler, alert.measure, alert.reviewer) == (0, "", "", "")
    assert office.changes.transitions[0].cause == "reopen"
    assert {note.step for note in office.changes.notes} == {"raise-2"}
    assert "消警后复发" in office.changes.notes[0].text_zh


def test_what_comes_again_after_that_is_another_alert():
    office = Office().reviewed()
    office.ask("accept", by="检查员")
    assert office.see(up(10), after=25 * HOUR).alerts[0].id != office.id


def test_an_answer_to_a_lower_level_is_none_to_a_higher_one():
    office = Office(Level.YELLOW)
    office.ask("ack")
    assert office.see(up(2, Level.RED)).alerts[0].state == "unack"


def test_a_command_that_comes_a_second_time_is_answered_and_not_carried_out():
    office = Office().reviewed()
    office.ask("reject", by="检查员", note="照片看不清")
    again = Command(1, CommandKind.FEEDBACK, office.id, "班组长", "", NOW, json.dumps(DONE))
    changes = office.desk.step(Events.empty(), office.now, [again])
    assert changes.answers[0].problem == ""
    assert not changes.transitions


@pytest.mark.parametrize("detail", ["[1]", "{", '"x"', "7"])
def test_a_detail_that_is_no_object_is_refused_with_the_reason(detail):
    office = Office()
    command = Command(1, CommandKind.FEEDBACK, office.id, "安全员", "", NOW, detail)
    assert "JSON" in office.desk.step(Events.empty(), NOW, [command]).answers[0].problem
