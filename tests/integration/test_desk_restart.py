"""A desk that is killed after every commit and started again from the database decides what an undisturbed one does."""

import random
from dataclasses import replace

import psycopg
from fakes.town import RULES, SUBJECTS, catalog, down, events, up

from alerts.changes import Command, CommandKind
from alerts.desk import Desk
from alerts.policy import Holding, Policy
from core.events import SubjectKind
from core.levels import Level
from storage import alerts as rows

NOW = 1_795_222_800 * 10**9
KEYS = [(rule, subject) for rule in (0, 1) for subject in (1, 2, 3, 99)]


def batches(seed, n=40):
    """Yield (events, what people ask of which key) as a bank and people would bring them."""
    rng = random.Random(seed)
    present, t = {}, NOW
    for _ in range(n):
        said, asked = [], []
        for _ in range(rng.randrange(6)):
            key = rng.choice(KEYS)
            t += rng.randrange(1, 50) * 1000
            old = rng.random() < 0.2
            if rng.random() < 0.25:
                asked.append((rng.choice(list(CommandKind)), key))
            elif present.get(key) and rng.random() < 0.5:
                said.append(down(t, present.pop(key), rule=key[0], subject=key[1], historical=old))
            else:
                present[key] = rng.choice(list(Level))
                said.append(up(t, present[key], rule=key[0], subject=key[1], historical=old, since=t - 500))
        yield events(*said), asked


def commands(desk, asked, first):
    ids = {(alert.rule, alert.subject): alert.id for alert in desk.open_alerts()}
    return [
        Command(first + n, kind, ids.get((RULES[rule].code, subject), "NONE"), "安全员", "已处置", NOW)
        for n, (kind, (rule, subject)) in enumerate(asked)
    ]


# The settle window begins with each start, so that it alone may differ; chattering and floods come soon.
HOLD = Holding(
    settle_s=0.0, chatter_raises=2, flood_alarms=3, flood_window_s=20.0, yellow_s=3.0, orange_s=2.0
)
POLICY = Policy(tell=Policy().tell | {"close"}, short_close=Level.RED, hold=HOLD)


def new_desk(memory=None):
    return Desk((), POLICY, catalog(), RULES, memory=memory)


def decided(changes):
    """What must be equal; a command about an alert closed long ago is refused in other words after a restart."""
    answers = [replace(answer, problem=str(bool(answer.problem))) for answer in changes.answers]
    return replace(changes, answers=tuple(answers))


def test_killed_after_every_commit(database):
    undisturbed = new_desk()
    n_steps = 0
    with psycopg.connect(database) as connection:
        for n, (said, asked) in enumerate(batches(7)):
            now = NOW + n * 10**9
            expected = undisturbed.step(said, now, commands(undisturbed, asked, 100 * n))
            restarted = new_desk(rows.memory(connection, POLICY, now))
            changes = restarted.step(said, now, commands(restarted, asked, 100 * n))
            assert decided(changes) == decided(expected)
            rows.write(connection, changes, now)
            connection.commit()
            stored = {alert.id: alert for alert in rows.open_alerts(connection)}
            assert stored == {alert.id: alert for alert in undisturbed.open_alerts()}
            n_steps += bool(changes)
        n_transitions, n_notes = (
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("transition", "outbox")
        )
    assert n_steps > 30
    assert n_transitions > 50
    assert n_notes > 50


def test_a_batch_that_is_committed_twice_leaves_one_of_everything(database):
    """The store is idempotent by batch; should that ever fail, keys and ids still are."""
    said, _ = next(batch for batch in batches(3) if len(batch[0]) > 3)
    with psycopg.connect(database) as connection:
        changes = new_desk().step(said, NOW)
        for _ in range(2):
            rows.write(connection, replace(changes, transitions=(), findings=()), NOW)
        assert connection.execute("SELECT count(*) FROM outbox").fetchone()[0] == len(changes.notes)
        assert connection.execute("SELECT count(*) FROM alert").fetchone()[0] == len(changes.alerts)


def test_every_subject_of_the_town_is_used():
    assert {(SubjectKind.SERIES, subject) for _, subject in KEYS} >= set(SUBJECTS)
