"""What the desk decides is written whole and comes back as it was; what people ask reaches the desk in order."""

import dataclasses
import threading

import psycopg
import pytest
from storage_case import T0, batch, commit, opened, rows, tick, unit

from alerts.changes import (
    Alert,
    Answer,
    Changes,
    Command,
    CommandKind,
    Digest,
    Finding,
    Held,
    Note,
    Shelf,
    Transition,
)
from alerts.policy import Policy
from alerts.state import State, Suppression
from core.events import SubjectKind
from core.levels import Level
from storage import alerts as stored
from storage import read


def an_alert(id_="7K3FQ2MD", **changes):
    """An alert whose every field differs from the others of its type."""
    alert = Alert(
        id=id_, rule="D-02", rule_version="v1", subject_kind=SubjectKind.DEVICE, subject=11, series=12, enterprise=13,
        data_quality=True, state=State.RTN_UNACK, suppression=Suppression.SHELVED, level=Level.ORANGE, level_now=2,
        raised=T0 + 1, changed=T0 + 2, opened=T0 + 3, value=21.5, limit=20.25, unit="g/m³", count=14,
        recovered=T0 + 4, acked=T0 + 5, acked_by="值班员", closed=0, closed_by="", closing_note="", evidence='{"a": 1}',
        seq=15, since=T0 + 6, last_raise=T0 + 7, last_clear=T0 + 8, told=("duty", "检查员"),
    )  # fmt: skip
    return dataclasses.replace(alert, **changes)


def a_note(n=1, level=Level.RED, created=T0, alert="7K3FQ2MD"):
    return Note(
        f"{alert}:raise-{n}:duty:log",
        alert,
        f"raise-{n}",
        "duty",
        "log",
        "-",
        level,
        "题",
        "文",
        "text",
        "/a",
        created,
    )


@pytest.fixture
def store(database):
    store, _log = opened(database)
    yield store
    store.close()


@pytest.fixture
def connection(database):
    with psycopg.connect(database, autocommit=True) as connection:
        yield connection


def test_an_alert_comes_back_to_the_last_nanosecond(store, connection):
    commit(store, tick(T0), Changes(alerts=(an_alert(),)))
    assert stored.open_alerts(connection) == (an_alert(),)
    assert read.alert(connection, "7K3FQ2MD") == an_alert()
    assert read.alert(connection, "none\x00such") is None


def test_numbers_that_are_none_come_back_as_nan(store, connection):
    commit(store, tick(T0), Changes(alerts=(an_alert(value=float("nan"), limit=float("nan")),)))
    (found,) = stored.open_alerts(connection)
    assert (str(found.value), str(found.limit)) == ("nan", "nan")
    assert rows(connection.info.dsn, 'SELECT value, "limit" FROM alerts_open') == [(None, None)]


def test_an_alert_is_written_over_by_its_next_state(store, connection):
    commit(store, tick(T0), Changes(alerts=(an_alert(), an_alert(level=Level.RED))))
    assert stored.open_alerts(connection) == (an_alert(level=Level.RED),)
    commit(store, tick(T0), Changes(alerts=(an_alert(closed=T0 + 9, closed_by="审核"),)))
    assert stored.open_alerts(connection) == ()
    assert rows(connection.info.dsn, "SELECT count(*) FROM alerts_open") == [(0,)]


def test_one_alert_may_take_the_place_of_another_in_one_step(store, connection):
    commit(store, tick(T0), Changes(alerts=(an_alert("OLD"),)))
    commit(store, tick(T0), Changes(alerts=(an_alert("NEW"), an_alert("OLD", closed=T0 + 9))))
    assert [alert.id for alert in stored.open_alerts(connection)] == ["NEW"]


def test_two_open_alerts_of_one_rule_and_subject_are_refused(store, connection):
    with pytest.raises(psycopg.errors.UniqueViolation):
        commit(store, tick(T0), Changes(alerts=(an_alert("ONE"), an_alert("TWO"))))
    assert stored.open_alerts(connection) == ()


def test_the_desk_starts_from_the_newest_closed_and_all_open_alerts(store, connection):
    closed = [an_alert(f"C{n}", closed=T0 + n) for n in range(5)]
    still = [an_alert(f"O{n}", subject=n, opened=T0 - n) for n in range(2)]
    commit(store, tick(T0), Changes(alerts=(*closed, *still)))
    assert [alert.id for alert in stored.desk_alerts(connection, 3)] == ["C2", "C3", "C4", "O1", "O0"]


def test_history_and_findings_are_kept(store, connection):
    first = Transition("A", 1, "open", State.NORMAL, State.UNACK, Level.RED, T0 + 1, T0 + 2, "", "", 3.5)
    second = Transition(
        "A", 2, "ack", State.UNACK, State.ACKED, Level.RED, T0 + 3, T0 + 4, "值班员", "去看了", 4.5
    )
    finding = Finding("D-02", SubjectKind.SERIES, 7, Level.BLUE, T0, T0 + 9, 1.5, 1.0)
    commit(store, tick(T0), Changes(transitions=(first, second), findings=(finding,)))
    assert read.history(connection, "A") == (first, second)
    assert rows(connection.info.dsn, "SELECT rule, subject, level, value FROM findings") == [
        ("D-02", 7, 1, 1.5)
    ]


def test_open_alerts_can_be_asked_for_by_enterprise_level_and_kind(store, connection):
    alerts = [
        an_alert(
            f"A{n}", subject=n, enterprise=n % 2, level=Level(1 + n % 4), data_quality=n == 3, opened=T0 + n
        )
        for n in range(6)
    ]
    commit(store, tick(T0), Changes(alerts=tuple(alerts)))
    ids = lambda **filters: [a.id for a in read.open_alerts(connection, **filters)]  # noqa: E731
    assert ids() == ["A3", "A2", "A5", "A1", "A4", "A0"]
    assert ids(enterprises=[1]) == ["A3", "A5", "A1"]
    assert ids(enterprises=[]) == []
    assert ids(at_least=Level.ORANGE) == ["A3", "A2"]
    assert ids(data_quality=False, limit=2) == ["A2", "A5"]
    assert [a.id for a in read.recent_alerts(connection, since=T0 + 4)] == ["A5", "A4"]


def test_a_note_is_kept_once_per_key(store, connection):
    commit(store, tick(T0), Changes(notes=(a_note(), a_note(2))))
    commit(store, tick(T0), Changes(notes=(dataclasses.replace(a_note(), title="another"),)))
    assert [(s.step, s.title, s.state) for s in read.notes_of(connection, "7K3FQ2MD")] == [
        ("raise-1", "题", "todo"),
        ("raise-2", "题", "todo"),
    ]


def test_thousands_of_alerts_of_one_step_are_written_at_once(store, connection):
    alerts = tuple(an_alert(f"A{n}", subject=n) for n in range(3000))
    notes = tuple(a_note(alert=f"A{n}") for n in range(3000))
    commit(store, unit(batch([(1, 0, 1.0)])), Changes(alerts=alerts, notes=notes))
    assert len(stored.open_alerts(connection)) == 3000
    assert rows(connection.info.dsn, "SELECT count(*) FROM outbox") == [(3000,)]


def test_a_command_reaches_the_desk_and_its_answer_who_asked(store, connection):
    connection.execute("LISTEN fengsui_command")
    first = read.add_command(connection, CommandKind.ACK, "A", by="值班员", note="收到", now=T0)
    second = read.add_command(connection, CommandKind.CLOSE, "B", by="审核", now=T0 + 1)
    assert next(connection.notifies(timeout=5, stop_after=1)).channel == "fengsui_command"
    assert stored.pending_commands(connection) == (
        Command(first, CommandKind.ACK, "A", "值班员", "收到", T0),
        Command(second, CommandKind.CLOSE, "B", "审核", "", T0 + 1),
    )
    assert read.command_answer(connection, first) is None
    commit(store, tick(T0), Changes(answers=(Answer(first), Answer(second, "还没有恢复"))))
    assert (read.command_answer(connection, first), read.command_answer(connection, second)) == (
        "",
        "还没有恢复",
    )
    assert stored.pending_commands(connection) == ()


def test_who_reads_commands_behind_the_last_one_seen_misses_none(database, connection):
    """The one who asked first commits last: the second must wait, or its number would be seen before."""
    with psycopg.connect(database) as slow:
        first = read.add_command(slow, CommandKind.ACK, "A", by="x", now=T0)
        asked = []
        other = threading.Thread(target=ask, args=(database, asked))
        other.start()
        other.join(0.2)
        assert stored.pending_commands(connection) == ()
        slow.commit()
        other.join(10)
    assert [command.id for command in stored.pending_commands(connection)] == [first, *asked]
    assert first < asked[0]


def ask(dsn, asked):
    with psycopg.connect(dsn) as connection:
        asked.append(read.add_command(connection, CommandKind.ACK, "B", by="y", now=T0))


def test_every_view_of_the_schema_can_be_read(connection):
    views = [
        row[0] for row in connection.execute("SELECT viewname FROM pg_views WHERE schemaname = 'public'")
    ]
    assert {"readings", "readings_1m", "readings_1h", "alerts", "alerts_open", "ledger", "rejects"} <= set(
        views
    )
    for view in views:
        assert connection.execute(f"SELECT * FROM {view}").fetchall() == []


def test_the_ledger_can_be_read_per_gateway(store, connection):
    commit(store, unit(batch([(1, 0, 1.0), (6, 0, 1.0)]), duplicates={1: 2}))
    assert read.ledger(connection) == (read.Line(1, 3, 1, 2, 0), read.Line(3, 1, 1, 0, 0))


def state_of(connection):
    return dict(connection.execute("SELECT key, state || ' ' || carried_by FROM outbox").fetchall())


def test_what_waits_is_held_goes_out_as_it_is_or_is_carried_and_comes_back_after_a_restart(store, connection):
    alone, one, two = a_note(1), a_note(2), a_note(3)
    held = tuple(Held(note, "group", T0 + 60, T0) for note in (alone, one, two))
    commit(store, tick(T0), Changes(notes=(alone, one, two, a_note(4)), held=held))
    assert state_of(connection) == {
        alone.key: "held ", one.key: "held ", two.key: "held ", a_note(4).key: "todo ",
    }  # fmt: skip
    assert stored.memory(connection, Policy(), T0).held == held
    later = dataclasses.replace(held[2], reason="quiet", until=T0 + 99)
    commit(store, tick(T0 + 60), Changes(released=(alone.key,), postponed=(later,)))
    assert stored.memory(connection, Policy(), T0).held == (held[1], later)
    digest = Digest(
        dataclasses.replace(a_note(), key="DIGEST:d:duty:log", alert="DIGEST", step="d"), (one.key, two.key)
    )
    commit(store, tick(T0 + 99), Changes(digests=(digest,)))
    assert state_of(connection) == {
        alone.key: "todo ", one.key: f"carried {digest.note.key}", two.key: f"carried {digest.note.key}",
        a_note(4).key: "todo ", digest.note.key: "todo ",
    }  # fmt: skip


def test_who_heard_an_alarm_lately_is_known_after_a_restart(store, connection):
    policy = Policy(machines=frozenset())
    commit(
        store, tick(T0), Changes(notes=(a_note(1), a_note(2), dataclasses.replace(a_note(3), step="clear-1")))
    )
    second = dataclasses.replace(a_note(1), key="again", channel="sms", created=T0 + 5)
    commit(store, tick(T0 + 5), Changes(notes=(second,)))
    assert stored.memory(connection, policy, T0 + 10).heard == (("duty", T0), ("duty", T0))
    assert stored.memory(connection, Policy(), T0 + 10).heard == (("duty", T0 + 5),), "nobody hears the log"
    assert stored.memory(connection, policy, T0 + 700 * 10**9).heard == ()


def test_a_shelf_comes_back_until_it_has_ended(store, connection):
    shelf = Shelf(
        "S1", Suppression.OUT_OF_SERVICE, "", SubjectKind.GATEWAY, 3, 1, T0, T0 + 9, "检修", "安全总监", T0
    )
    commit(store, tick(T0), Changes(shelves=(shelf,)))
    assert stored.memory(connection, Policy(), T0).shelves == (shelf,)
    commit(store, tick(T0), Changes(shelves=(dataclasses.replace(shelf, begun=T0, ended=T0 + 9),)))
    assert stored.memory(connection, Policy(), T0).shelves == ()


def test_the_watchdog_hears_of_red_alerts_that_reached_a_person_by_themselves_or_in_a_digest(
    store, connection
):
    def red(id_, n, **changes):
        return an_alert(
            id_, subject=n, level=Level.RED, data_quality=False, expected=T0, state=State.UNACK, **changes
        )

    alerts = (
        red("DIRECT", 1), red("CARRIED", 2), red("LOGGED", 3), red("WAITING", 4), red("KNOWN", 5, reached=T0),
        red("BEFORE", 6), dataclasses.replace(red("ACKED", 7), state=State.ACKED), red("DIGESTDEAD", 8),
    )  # fmt: skip
    notes = [dataclasses.replace(a_note(alert=alert.id), channel="sms", created=T0 + 1) for alert in alerts]
    notes[2] = dataclasses.replace(notes[2], channel="log")
    notes[5] = dataclasses.replace(notes[5], created=T0 - 1)
    digests = [dataclasses.replace(a_note(alert="DIGEST"), key=f"DIGEST:{n}", channel="sms") for n in (1, 2)]
    held = tuple(Held(notes[n], "shelved", T0 + 1, T0) for n in (1, 7))
    commit(store, tick(T0), Changes(alerts=alerts, notes=tuple(notes), held=held))
    carried = tuple(Digest(note, (notes[n].key,)) for note, n in zip(digests, (1, 7), strict=True))
    commit(store, tick(T0 + 2), Changes(digests=carried))
    connection.execute(
        "UPDATE outbox SET state = 'sent', ended_ns = %s WHERE state = 'todo' AND alert <> 'WAITING' AND key <> %s",
        [T0 + 5, digests[1].key],
    )
    assert [(fact.alert, fact.at) for fact in stored.reached(connection, Policy())] == [
        ("CARRIED", T0 + 2), ("DIRECT", T0 + 5),
    ]  # fmt: skip
