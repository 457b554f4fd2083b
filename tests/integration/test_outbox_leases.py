"""Notes are claimed by level and age, leased, marked; two who claim never hold the same, an ended lease comes back."""

import asyncio
import functools
from dataclasses import replace

import psycopg
import pytest
from storage_case import T0, commit, opened, rows, tick

from alerts.changes import Changes, Note
from core.levels import Level
from core.time import SECOND
from storage.outbox import Depth, Outbox


def note(n, level=Level.YELLOW, created=T0, channel="log"):
    key = f"A{n}:raise-1:duty:{channel}"
    return Note(key, f"A{n}", "raise-1", "duty", channel, "-", level, f"t{n}", "文", "text", "/a", created)


def write(dsn, *notes):
    store, _log = opened(dsn)
    commit(store, tick(T0), Changes(notes=notes))
    store.close()


def on_outbox(test):
    """Run a test written as a coroutine with a connected outbox."""

    @functools.wraps(test)
    def run(database):
        async def main():
            outbox = await Outbox.connect(database, "one")
            try:
                await test(outbox, database)
            finally:
                await outbox.close()

        asyncio.run(main())

    del run.__wrapped__  # pytest asks it for fixtures
    return run


async def claimed(outbox, n=10, now=T0, lease_s=30):
    return await outbox.claim(n, lease_s=lease_s, now=now)


def ids(claims):
    return [claim.note.alert for claim in claims]


@on_outbox
async def test_the_highest_level_goes_first_then_the_oldest(outbox, database):
    write(
        database,
        note(1, created=T0 - 1),
        note(2, Level.RED),
        note(3, created=T0 - 2),
        note(4, Level.RED, T0 - 5),
    )
    assert ids(await claimed(outbox, 3)) == ["A4", "A2", "A3"]
    assert ids(await claimed(outbox, 3)) == ["A1"]


@on_outbox
async def test_what_was_said_first_about_an_alert_is_not_heard_last(outbox, database):
    orange = note(1, Level.ORANGE, T0 - 2)
    red = replace(note(1, Level.RED, T0 - 1), key="A1:level-2:duty:log", step="level-2")
    write(database, red, orange, note(2, Level.ORANGE, T0 - 5))
    claims = await claimed(outbox)
    assert [(claim.note.alert, claim.note.step) for claim in claims] == [
        ("A1", "raise-1"), ("A1", "level-2"), ("A2", "raise-1"),
    ]  # fmt: skip


@on_outbox
async def test_a_claim_brings_the_whole_note(outbox, database):
    write(database, note(1))
    (claim,) = await claimed(outbox)
    assert (claim.note, claim.attempt) == (note(1), 1)


@on_outbox
async def test_a_note_that_was_sent_is_never_claimed_again(outbox, database):
    write(database, note(1))
    (claim,) = await claimed(outbox)
    await outbox.sent(claim, receipt="msgid-1", now=T0 + 5)
    assert await claimed(outbox, now=T0 + 3600 * SECOND) == []
    assert rows(database, "SELECT state, ended_ns FROM outbox") == [("sent", T0 + 5)]
    assert rows(database, "SELECT attempt, worker, started_ns, ended_ns, result, receipt FROM receipt") == [
        (1, "one", T0, T0 + 5, "sent", "msgid-1")
    ]


@on_outbox
async def test_a_note_given_back_is_due_when_it_was_said(outbox, database):
    write(database, note(1))
    (claim,) = await claimed(outbox)
    await outbox.retry(claim, at=T0 + 60 * SECOND, reason="http 503", now=T0 + 1)
    assert await outbox.next_due() == T0 + 60 * SECOND
    assert await claimed(outbox, now=T0 + 59 * SECOND) == []
    (again,) = await claimed(outbox, now=T0 + 60 * SECOND)
    assert again.attempt == 2
    assert rows(database, "SELECT attempt, result, reason FROM receipt ORDER BY 1") == [
        (1, "retry", "http 503"),
        (2, "", ""),
    ]


@on_outbox
async def test_an_ended_lease_comes_back_and_its_holder_can_only_say_that_it_was_sent(outbox, database):
    write(database, note(1), note(2))
    slow = await claimed(outbox, lease_s=10)
    other = await Outbox.connect(database, "two")
    try:
        assert await claimed(other, now=T0 + 9 * SECOND) == []
        quick = await claimed(other, now=T0 + 10 * SECOND)
        assert ids(quick) == ids(slow) == ["A1", "A2"]
        await outbox.retry(slow[0], at=T0, reason="too late to say", now=T0 + 11 * SECOND)
        await outbox.sent(slow[1], now=T0 + 11 * SECOND)
        assert rows(database, "SELECT alert, state, worker FROM outbox ORDER BY 1") == [
            ("A1", "leased", "two"),
            ("A2", "sent", "two"),
        ]
        await other.retry(quick[1], at=T0, reason="the first one had sent it", now=T0 + 12 * SECOND)
    finally:
        await other.close()
    assert rows(database, "SELECT state FROM outbox WHERE alert = 'A2'") == [("sent",)]


@on_outbox
async def test_a_dead_note_is_replaced_in_the_same_transaction(outbox, database):
    write(database, note(1))
    (claim,) = await claimed(outbox)
    await outbox.dead(claim, reason="permanent 40001", now=T0 + 1, instead=[note(1, channel="sms")])
    assert rows(database, "SELECT channel, state, reason FROM outbox ORDER BY id") == [
        ("log", "dead", "permanent 40001"),
        ("sms", "todo", ""),
    ]
    assert ids(await claimed(outbox)) == ["A1"]


@on_outbox
async def test_who_lost_the_lease_writes_nothing_instead(outbox, database):
    write(database, note(1))
    (slow,) = await claimed(outbox, lease_s=1)
    (quick,) = await claimed(outbox, now=T0 + 2 * SECOND)
    await outbox.dead(slow, reason="?", now=T0 + 3 * SECOND, instead=[note(1, channel="sms")])
    await outbox.sent(quick, now=T0 + 4 * SECOND)
    assert rows(database, "SELECT channel, state FROM outbox") == [("log", "sent")]


@on_outbox
async def test_depth_and_age_are_known(outbox, database):
    assert await outbox.depth() == Depth(0, 0, 0, 0)
    write(database, *(note(n, created=T0 + n) for n in range(6)))
    claims = await claimed(outbox, 3, now=T0 + 10)
    await outbox.sent(claims[0], now=T0)
    await outbox.dead(claims[1], reason="x", now=T0)
    assert await outbox.depth() == Depth(todo=3, leased=1, dead=1, oldest=T0 + 2)


@on_outbox
async def test_new_notes_wake_who_waits(outbox, database):
    waiting = asyncio.create_task(outbox.wait(30))
    await asyncio.to_thread(write, database, note(1))
    assert await asyncio.wait_for(waiting, 20)
    assert await outbox.wait(0.05) is False


@on_outbox
async def test_waiting_does_not_hold_up_marking(outbox, database):
    write(database, note(1))
    (claim,) = await claimed(outbox)
    assert await outbox.wait(20)  # the note's own wake-up, written before
    waiting = asyncio.create_task(outbox.wait(30))
    await asyncio.sleep(0)
    await asyncio.wait_for(outbox.sent(claim, now=T0), 10)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


@on_outbox
async def test_two_who_claim_at_once_share_the_notes_without_overlap(outbox, database):
    write(database, *(note(n) for n in range(400)))
    other = await Outbox.connect(database, "two")

    async def take_all(box):
        mine = []
        while claims := await claimed(box, 7):
            mine += ids(claims)
            for claim in claims:
                await box.sent(claim, now=T0)
        return mine

    try:
        one, two = await asyncio.gather(take_all(outbox), take_all(other))
    finally:
        await other.close()
    assert len(one) + len(two) == 400
    assert len({*one, *two}) == 400
    assert one
    assert two


def test_what_another_transaction_is_claiming_is_passed_over(database):
    """SKIP LOCKED: nobody waits for a claim that is under way."""
    write(database, note(1, Level.RED), note(2))

    async def main():
        outbox = await Outbox.connect(database, "one")
        with psycopg.connect(database) as busy:
            busy.execute("SELECT 1 FROM outbox WHERE alert = 'A1' FOR UPDATE")
            assert ids(await asyncio.wait_for(claimed(outbox), 10)) == ["A2"]
        assert ids(await claimed(outbox)) == ["A1"]
        await outbox.close()

    asyncio.run(main())


@on_outbox
async def test_a_lost_database_is_said_and_a_new_connection_finds_everything(outbox, database):
    write(database, note(1))
    assert await outbox.wait(20)
    await claimed(outbox)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'fengsui-notifier'"
            " AND datname = current_database()"
        )
    with pytest.raises(psycopg.OperationalError):
        await claimed(outbox)
    with pytest.raises(psycopg.OperationalError):
        await outbox.wait(5)
    again = await Outbox.connect(database, "one")
    assert [claim.attempt for claim in await claimed(again, now=T0 + 31 * SECOND)] == [2]
    await again.close()
