"""`fengsui alerts …` against a real database and a real desk."""

import json
import threading

import psycopg
import pytest
from fakes.town import RULES, catalog, down, events, up
from typer.testing import CliRunner

from alerts.changes import Changes
from alerts.desk import Desk
from alerts.policy import Policy
from core.events import Events
from core.levels import Level
from core.time import MINUTE, clock_ns
from service.cli import application
from storage import alerts as rows


@pytest.fixture
def run(database, monkeypatch):
    """Run the command line against the test's database."""
    monkeypatch.setenv("FENGSUI_DATABASE__DSN", database)
    monkeypatch.setenv("COLUMNS", "200")
    runner = CliRunner()

    def invoke(*words):
        return runner.invoke(application(), ["alerts", *words], catch_exceptions=False)

    return invoke


@pytest.fixture
def desk():
    return Desk((), Policy(), catalog(), RULES)


@pytest.fixture
def commit(database):
    """Write what a desk decided, as the store does."""

    def write(changes: Changes):
        with psycopg.connect(database) as connection:
            rows.write(connection, changes, clock_ns())
        return changes.alerts[0].id if changes.alerts else ""

    return write


@pytest.fixture
def working(database, desk, commit):
    """A desk that answers commands in a thread, as the pipeline does."""
    ending = threading.Event()

    def work():
        with psycopg.connect(database, autocommit=True) as connection:
            while not ending.wait(0.02):
                if commands := rows.pending_commands(connection):
                    commit(desk.step(Events.empty(), clock_ns(), commands))

    thread = threading.Thread(target=work)
    thread.start()
    yield
    ending.set()
    thread.join()


@pytest.fixture
def two(desk, commit):
    """A red and a yellow alert; the yellow one has returned to normal."""
    t = clock_ns() - MINUTE
    red = commit(desk.step(events(up(t, Level.RED)), clock_ns()))
    yellow = commit(desk.step(events(up(t, Level.YELLOW, subject=2)), clock_ns()))
    commit(desk.step(events(down(t + 1000, Level.YELLOW, subject=2)), clock_ns()))
    return red, yellow


def test_list_shows_the_worst_first(run, two):
    red, yellow = two
    done = run("list")
    assert done.exit_code == 0
    assert done.output.index(red) < done.output.index(yellow)
    assert "85.3 / 70 ℃" in done.output
    assert "未确认" in done.output
    assert "2 alerts" in done.output


def test_list_by_level_and_as_json(run, two):
    red, _ = two
    (alert,) = json.loads(run("list", "--level", "红", "--json").output)["alerts"]
    assert (alert["id"], alert["level"], alert["level_name"]) == (red, 4, "red")
    assert alert["raised"].endswith("+00:00")
    assert alert["closed"] is None


def test_list_refuses_a_level_that_is_none(run):
    done = run("list", "--level", "purple")
    assert done.exit_code == 2
    assert "purple" in done.output


def test_list_of_nothing(run):
    assert "没有预警" in run("list").output


def test_show_tells_history_and_who_was_told(run, two):
    _, yellow = two
    done = run("show", yellow[:6].lower())
    assert done.exit_code == 0
    for word in (yellow, "open", "clear", "unack → rtn_unack", "pr2", "raise-1", "clear-1", "todo"):
        assert word in done.output
    document = json.loads(run("show", yellow, "--json").output)
    assert [line["cause"] for line in document["history"]] == ["open", "clear"]
    assert {note["step"] for note in document["notes"]} == {"raise-1", "clear-1"}


def test_show_of_what_is_not_there(run, two):
    for wrong in ("ZZZZZZ", "%", ""):
        done = run("show", wrong)
        assert done.exit_code == 2
        assert "fengsui alerts list" in done.output


def test_a_beginning_that_is_not_enough_names_the_candidates(run, two, desk, commit):
    t = clock_ns()
    ids = [commit(desk.step(events(up(t, subject=subject)), t)) for subject in range(100, 140)]
    letter = next(c for c in {i[0] for i in ids} if sum(i[0] == c for i in ids) > 1)
    done = run("show", letter)
    assert done.exit_code == 2
    assert "begin with" in done.output


def test_ack_and_close_are_carried_out_by_the_desk(run, two, working):
    _, yellow = two
    done = run("ack", yellow, "--by", "安全员", "--note", "去现场")
    assert (done.exit_code, "acknowledged" in done.output) == (0, True)
    document = json.loads(run("show", yellow, "--json").output)
    assert (document["alert"]["state"], document["alert"]["acked_by"]) == ("normal", "安全员")
    done = run("close", yellow, "--by", "安全员", "--note", "已清灰")
    assert (done.exit_code, "closed" in done.output) == (0, True)
    assert yellow not in run("list").output
    assert yellow in run("list", "--all").output


def test_a_red_alert_goes_through_handling_feedback_and_review(run, two, working, desk, commit):
    red, _ = two
    refused = run("close", red, "--by", "安全员", "--note", "已清灰")
    assert (refused.exit_code, "review" in refused.output) == (1, True)
    assert run("handle", red, "--by", "安全员", "--handler", "班组长").exit_code == 0
    done = run(
        "feedback", red, "--by", "班组长", "--measure", "停机清灰", "--done", "now", "--proof", "IMG-1"
    )
    assert done.exit_code == 0, done.output
    own = run("review", red, "--by", "班组长", "--accept")
    assert (own.exit_code, "another" in own.output) == (1, True)
    assert run("review", red, "--by", "检查员", "--reject").exit_code == 1
    assert run("review", red, "--by", "检查员", "--reject", "--note", "照片看不清").exit_code == 0
    again = ("--measure", "停机清灰", "--done", "now", "--proof", "IMG-2")
    assert run("feedback", red, "--by", "班组长", *again).exit_code == 0
    present = run("review", red, "--by", "检查员", "--accept")
    assert (present.exit_code, "险情仍在" in present.output) == (1, True)
    commit(desk.step(events(down(clock_ns())), clock_ns()))
    assert run("review", red, "--by", "检查员", "--accept").exit_code == 0
    document = json.loads(run("show", red, "--json").output)
    causes = [line["cause"] for line in document["history"]]
    assert causes == ["open", "ack", "handle", "feedback", "reject", "feedback", "clear", "accept"]
    shown = run("show", red).output
    assert "IMG-2" in shown
    assert "检查员" in shown


def test_shelving_has_an_end_and_a_reason_and_can_be_undone(run, two, working):
    red, yellow = two
    assert run("shelve", red, "--until", "2h", "--by", "安全员").exit_code == 2
    assert run("shelve", red, "--until", "30d", "--by", "安全员", "--note", "换传感器").exit_code == 1
    assert run("shelve", red, "--until", "2h", "--by", "安全员", "--note", "换传感器").exit_code == 0
    assert json.loads(run("show", red, "--json").output)["alert"]["suppression"] == "shelved"
    assert run("unshelve", red, "--by", "安全员").exit_code == 0
    assert json.loads(run("show", red, "--json").output)["alert"]["suppression"] == "none"
    assert run("unshelve", yellow, "--by", "安全员").exit_code == 1


def test_what_the_desk_refuses_is_said(run, two, working):
    red, yellow = two
    assert run("close", yellow, "--by", "安全员", "--note", "已清灰").exit_code == 0
    again = run("close", yellow, "--by", "安全员", "--note", "已清灰")
    assert again.exit_code == 1
    assert "已消警" in again.output
    empty = run("ack", red, "--by", " ")
    assert (empty.exit_code, "name" in empty.output) == (1, True)


def test_close_without_a_note_is_refused_before_anything_is_asked(run, two):
    done = run("close", two[0], "--by", "安全员")
    assert done.exit_code == 2
    assert "--note" in done.output


def test_without_a_pipeline_it_says_so_and_the_command_waits(run, two, database, monkeypatch):
    monkeypatch.setattr("service.cli.asking._PATIENCE_S", 0.2)
    done = run("ack", two[0], "--by", "安全员")
    assert done.exit_code == 3
    assert "not running" in done.output
    with psycopg.connect(database) as connection:
        assert [command.by for command in rows.pending_commands(connection)] == ["安全员"]
        connection.execute("SELECT pg_advisory_lock(hashtext('fengsui_pipeline'))")
        assert "it is behind" in run("ack", two[0], "--by", "安全员").output.replace("\n", " ")


def test_a_database_that_is_away_is_named_with_the_remedy(run, monkeypatch):
    from core.errors import ServerError

    monkeypatch.setenv("FENGSUI_DATABASE__DSN", "host=127.0.0.1 port=9 dbname=x")
    with pytest.raises(ServerError, match="fengsui up"):
        run("list")
