"""Key figures of alarming, against alerts whose figures can be counted by hand."""

import json
from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from fakes.night import alert
from typer.testing import CliRunner

from alerts.changes import Changes, Note, Transition
from alerts.state import State
from core.levels import Level
from core.time import HOUR, MINUTE, SECOND, clock_ns, to_datetime
from service.cli import application
from storage import alerts
from storage.kpi import figures, measure

NOW = clock_ns() // (600 * SECOND) * 600 * SECOND - 20 * MINUTE


def story(id_, begin, *steps, level=Level.YELLOW, series=1, **more):
    """An alert and its history: steps are (seconds after its beginning, cause)."""
    lines = [
        Transition(
            id_, n, cause, State.UNACK, State.UNACK, level, begin + at * SECOND, begin + at * SECOND, by="li"
        )
        for n, (at, cause) in enumerate(steps, 1)
    ]
    closed = next((line.now for line in lines if line.cause in ("close", "accept")), 0)
    one = alert(id_, level=level, series=series, since=begin, closed=closed, **more)
    return one, lines


def told(id_, step, recipient, at, state="sent", channel="log"):
    note = Note(
        key=f"{id_}:{step}:{recipient}:{channel}", alert=id_, step=step, recipient=recipient, channel=channel,
        address="", level=Level.YELLOW, title="", text_zh="", text_en="", link="", created=at,
    )  # fmt: skip
    return note, state


def write(dsn, stories, notes=()):
    with psycopg.connect(dsn, autocommit=True) as connection:
        lines = tuple(line for _one, lines in stories for line in lines)
        changes = Changes(tuple(one for one, _lines in stories), lines, tuple(note for note, _state in notes))
        alerts.write(connection, changes, NOW)
        for note, state in notes:
            connection.execute("UPDATE outbox SET state = %s WHERE key = %s", [state, note.key])


def kpi(dsn, *, hours=24):
    with psycopg.connect(dsn) as connection:
        return measure(connection, to_datetime(NOW) - timedelta(hours=hours), to_datetime(NOW))


def test_of_nothing_everything_is_zero_and_all_targets_are_met(database):
    found = kpi(database)
    assert found.n_alarms == 0
    assert found.metrics["AverageAlarmRate"] == 0
    assert all(figure.value == 0 and figure.met is not False for figure in figures(found))


def test_times_to_answer_handle_and_close_by_level(database):
    write(database, [
        story("A1", NOW - 9 * HOUR, (0, "open"), (60, "ack"), (300, "handle"), (900, "accept"), level=Level.RED),
        story("A2", NOW - 8 * HOUR, (0, "open"), (180, "ack"), (3600, "close"), level=Level.RED, series=2),
        story("A3", NOW - 7 * HOUR, (0, "open"), level=Level.BLUE, series=3),
        story("A4", NOW - 50 * HOUR, (0, "open"), (1, "ack"), level=Level.RED, series=4),
    ])  # fmt: skip
    red, blue = kpi(database).response
    assert (red["level"], red["n"], red["unanswered"]) == (4, 2, 0), "the fourth is older than the span"
    assert (red["ack_p50_s"], red["handle_p50_s"], red["close_p50_s"]) == (120, 300, 2250)
    assert (blue["level"], blue["n"], blue["unanswered"], blue["ack_p50_s"]) == (1, 1, 1, None)


def test_alarm_metrics_have_their_opc_ua_names_and_meanings(database):
    write(database, [
        story("A1", NOW - 9 * HOUR, (0, "open"), (30, "level"), (60, "ack"), (600, "clear"), (900, "raise"), (1200, "clear")),
        story("A2", NOW - HOUR, (0, "open"), (300, "escalate"), (600, "escalate"), (1200, "ack"), (1800, "clear"), series=2),
        story("A3", NOW - 5 * MINUTE, (0, "open"), (60, "ack"), (120, "clear"), series=3),
    ])  # fmt: skip
    metrics = kpi(database).metrics
    assert metrics["AlarmCount"] == 5
    assert metrics["MaximumActiveState"] == 1800
    assert metrics["MaximumUnAck"] > 1200, "the first came again and nobody has answered since"
    assert metrics["CurrentAlarmRate"] == 1
    assert metrics["MaximumAlarmRate"] == 2
    assert metrics["MaximumReAlarmCount"] == 2
    assert metrics["AverageAlarmRate"] == pytest.approx(5 / 144)
    assert set(metrics) == {
        "StartTime", "AlarmCount", "MaximumActiveState", "MaximumUnAck", "CurrentAlarmRate", "MaximumAlarmRate",
        "MaximumReAlarmCount", "AverageAlarmRate",
    }  # fmt: skip


def test_a_flood_lasts_from_more_than_ten_until_fewer_than_five_and_two_channels_are_one_alarm(database):
    begin = NOW - 3 * HOUR
    stories, notes = [], []
    for bucket, n in enumerate([3, 11, 7, 5, 4, 7, 0, 7]):
        for k in range(n):
            id_ = f"B{bucket}-{k}"
            at = begin + bucket * 10 * MINUTE + k * SECOND
            stories.append(story(id_, at, (0, "open"), series=100 * bucket + k))
            notes += [told(id_, "raise-1", "li", at), told(id_, "raise-1", "li", at, channel="webhook")]
    notes.append(told("B0-0", "clear-1", "li", begin))
    notes += [told(f"B0-{k}", "raise-1", "wang", begin, state="carried") for k in range(3)]
    write(database, stories, notes)
    (li,) = kpi(database).recipients
    assert (li["recipient"], li["n"], li["worst"], li["over_ten"], li["flood"]) == ("li", 44, 11, 1, 3)
    named = {figure.name_en: figure for figure in figures(kpi(database))}
    assert named["time in flood"].value == pytest.approx(100 * 3 / 144)
    assert named["time in flood"].met is False
    assert named["most alarms in 10 min, per person"].met is False


def test_bad_actors_chattering_stale_and_the_split(database):
    comings = [(0, "open"), (20, "clear"), (25, "raise"), (40, "clear"), (55, "raise")]
    write(database, [
        story("A1", NOW - 9 * HOUR, *comings, (60, "clear"), level=Level.ORANGE),
        story("A2", NOW - 9 * HOUR, (0, "open"), (40, "clear"), (50, "raise"), (60, "clear"), (70, "raise"), (80, "clear"), series=2),
        story("A3", NOW - 30 * HOUR, (0, "open"), series=3),
        story("A4", NOW - HOUR, (0, "open"), level=Level.RED, series=4),
    ])  # fmt: skip
    found = kpi(database)
    assert found.chattering == 1, "the second came three times in more than a minute"
    assert found.stale == 1
    assert [(row["subject"], row["n"]) for row in found.actors] == [(1, 3), (2, 3), (4, 1)]
    assert found.levels == {3: 3, 2: 3, 4: 1}


def test_exercises_count_nowhere_and_data_quality_only_where_people_are_told(database):
    silent = story("Q1", NOW - HOUR, (0, "open"), series=2)
    silent = replace(silent[0], data_quality=True), silent[1]
    write(
        database,
        [story("A1", NOW - HOUR, (0, "open"), exercise=True), silent],
        [told("A1", "raise-1", "li", NOW - HOUR), told("Q1", "raise-1", "li", NOW - HOUR)],
    )
    found = kpi(database)
    assert found.n_alarms == 0
    assert [row["n"] for row in found.recipients] == [1]


def test_the_command_prints_tables_json_and_a_picture(database, monkeypatch, tmp_path):
    monkeypatch.setenv("FENGSUI_DATABASE__DSN", database)
    monkeypatch.setenv("COLUMNS", "160")
    write(
        database,
        [story("A1", NOW - HOUR, (0, "open"), (60, "ack"))],
        [told("A1", "raise-1", "li", NOW - HOUR)],
    )
    for _ in range(2):  # put together twice, it is there once
        done = CliRunner().invoke(
            application(), ["alerts", "kpi", "--days", "2", "--plot", str(tmp_path / "k.png")]
        )
        assert done.exit_code == 0, done.output
    for word in ("AlarmCount", "time in flood", "报警泛滥", "< 1 %", "li"):
        assert word in done.output
    assert (tmp_path / "k.png").read_bytes().startswith(b"\x89PNG")
    said = json.loads(CliRunner().invoke(application(), ["alerts", "kpi", "--json"]).output)
    assert said["AlarmMetrics"]["AlarmCount"] == 1
    assert said["response"][0]["ack_p50_s"] == 60
