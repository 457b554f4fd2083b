"""Laws of the desk over random streams of events and commands."""

import json
from collections import defaultdict

from fakes.desk_store import DeskStore
from fakes.town import RULES, catalog, down, events, up
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.naive_desk import lives

from alerts.changes import Command, CommandKind
from alerts.desk import Desk
from alerts.policy import Holding, Policy
from alerts.state import NEXT, anew
from core.events import Events
from core.levels import Level

NOW = 10**18
SUBJECTS = (1, 2, 99)
DEEDS = {
    "ack": "安全员", "close": "安全员", "handle": "班组长", "feedback": "班组长", "reject": "检查员", "accept": "检查员",
}  # fmt: skip
DETAIL = json.dumps({"measure": "停机", "done": NOW, "proof": "IMG"})
# A settle window begins with each start, and is meant to.
STEADY = Policy(hold=Holding(settle_s=0.0))


@st.composite
def streams(draw, *, commands=True):
    """A list of batches; each is a list of words about (rule, subject), as a bank and people may say them.

    Per key the bank alternates: RAISE, RAISE at another level, CLEAR.  Event times of one key grow.
    """
    present = {}
    t = defaultdict(int)
    batches = []
    for _ in range(draw(st.integers(1, 6))):
        batch = []
        for _ in range(draw(st.integers(0, 8))):
            key = draw(st.sampled_from([(rule, subject) for rule in (0, 1) for subject in SUBJECTS]))
            word = draw(st.sampled_from(["edge"] * 4 + ["level"] * 2 + [*DEEDS] * commands))
            level = draw(st.sampled_from(list(Level)))
            historical = draw(st.integers(0, 4)) == 0
            t[key] += draw(st.integers(1, 3))
            if word == "edge":
                word = "clear" if present.get(key) else "raise"
                present[key] = 0 if word == "clear" else level
            elif word == "level":
                if not present.get(key):
                    continue
                word, present[key] = "raise", level
            batch.append((key, word, t[key], level, historical))
        batches.append(batch)
    return batches


def rows(batch):
    """Return a batch's events, in the order that Events promises."""
    said = [entry for entry in batch if entry[1] in ("raise", "clear")]
    said.sort(key=lambda entry: (entry[2], entry[0]))
    make = {"raise": up, "clear": down}
    return events(*(make[word](t, level, rule=key[0], subject=key[1], historical=historical)
                    for key, word, t, level, historical in said))  # fmt: skip


def open_id(desk, key):
    code = RULES[key[0]].code
    return next((a.id for a in desk.open_alerts() if (a.rule, a.subject) == (code, key[1])), "NONE")


def play(desk, batches, first=0):
    """Yield the changes of each batch; commands aim at what is open before the batch."""
    for n, batch in enumerate(batches, first):
        orders = [
            Command(100 * n + i, CommandKind(word), open_id(desk, key), DEEDS[word], "已处置", NOW, DETAIL)
            for i, (key, word, *_) in enumerate(batch)
            if word in DEEDS
        ]
        yield desk.step(rows(batch), NOW, orders)


def fresh():
    return Desk((), Policy(), catalog(), RULES)


@given(streams())
@settings(deadline=None, max_examples=100)
def test_what_a_stream_may_not_break(batches):
    desk = fresh()
    alerts, seqs, keys, state = {}, defaultdict(int), set(), {}
    for changes in play(desk, batches):
        alerts |= {alert.id: alert for alert in changes.alerts}
        for line in changes.transitions:
            seqs[line.alert] += 1
            assert line.seq == seqs[line.alert], "history has no hole"
            assert line.old == state.get(line.alert, "normal"), "history is a chain"
            moves = {line.old, *(NEXT[line.old, cause] for cause in ("raise", "clear", "ack"))}
            assert line.new in moves | ({anew(line.old)} if line.cause in ("level", "reopen") else set())
            state[line.alert] = line.new
        for note in changes.notes:
            assert note.alert in alerts
            assert note.key not in keys, "no key twice"
            keys.add(note.key)
            assert note.key == f"{note.alert}:{note.step}:{note.recipient}:{note.channel}"
            assert note.recipient in alerts[note.alert].told or note.step.startswith("review-")
        assert {alert.key for alert in desk.open_alerts()} == {a.key for a in alerts.values() if not a.closed}
        assert len(list(desk.open_alerts())) == len({alert.key for alert in desk.open_alerts()})
        assert all(alerts[alert.id] == alert for alert in desk.open_alerts()), (
            "the store holds what the desk holds"
        )
        assert all(alerts[a].seq == seqs[a] for a in seqs)
        assert all(state[a] == alerts[a].state for a in state)
    raised = {key.split(":")[0] for key in keys if ":raise-1:" in key}
    assert raised == set(alerts), "every alert was told to somebody"


@given(streams(), st.data())
@settings(deadline=None, max_examples=100)
def test_replaying_any_prefix_of_events_changes_nothing(batches, data):
    desk = fresh()
    said = []
    for batch, _changes in zip(batches, play(desk, batches), strict=True):
        said.append(rows(batch))
        again = data.draw(st.integers(0, len(said)))
        before = list(desk.open_alerts())
        for old in said[:again]:
            changes = desk.step(old, NOW + 1)
            assert (changes.alerts, changes.transitions, changes.notes) == ((), (), ())
        assert list(desk.open_alerts()) == before


@given(streams(), st.integers(0, 5))
@settings(deadline=None, max_examples=100)
def test_a_desk_restored_from_the_store_decides_the_same(batches, cut):
    whole = Desk((), STEADY, catalog(), RULES)
    expected = list(play(whole, batches))
    stored = DeskStore(STEADY)
    first = Desk((), STEADY, catalog(), RULES)
    for changes in play(first, batches[:cut]):
        stored.write(changes, NOW)
    second = Desk((), STEADY, catalog(), RULES, memory=stored.memory(NOW))
    answers = [c.answers for c in expected[cut:]]
    got = list(play(second, batches[cut:], first=cut))
    assert [(c.alerts, c.transitions, c.notes, c.findings, c.held) for c in got] == [
        (c.alerts, c.transitions, c.notes, c.findings, c.held) for c in expected[cut:]
    ]
    assert [[bool(a.problem) for a in step] for step in answers] == [
        [bool(a.problem) for a in c.answers] for c in got
    ]


@given(streams(commands=False))
@settings(deadline=None, max_examples=100)
def test_batches_may_be_cut_anywhere(batches):
    one_by_one, at_once = fresh(), fresh()
    for _ in play(one_by_one, batches):
        pass
    at_once.step(Events.concat([rows(batch) for batch in batches]), NOW)
    assert {a.id: a for a in one_by_one.open_alerts()} == {a.id: a for a in at_once.open_alerts()}


@given(streams())
@settings(deadline=None, max_examples=100)
def test_the_desk_does_what_its_naive_twin_does(batches):
    desk, said = fresh(), defaultdict(list)
    alerts, told = {}, defaultdict(dict)
    for batch, changes in zip(batches, play(desk, batches), strict=True):
        commands = [entry for entry in batch if entry[1] in DEEDS]
        # A command aims at what was open before the batch's events; what is not open then, it does not touch.
        for key, word, t, level, historical in sorted(
            (e for e in batch if e[1] not in DEEDS), key=lambda e: (e[2], e[0])
        ):
            said[key].append((word, t, level, historical))
        by_id = {answer.command % 100: answer.problem for answer in changes.answers}
        for i, entry in enumerate(batch):
            if entry in commands and not by_id.get(i, "x"):
                said[entry[0]].append((entry[1], entry[2], entry[3], False))
        alerts |= {alert.id: alert for alert in changes.alerts}
        for note in changes.notes:
            if note.step.split("-")[0] not in ("review", "reject"):
                told[alerts[note.alert].key][note.alert, note.step] = None
    for (rule, subject), words in said.items():
        expected, steps = lives(words, data_quality=RULES[rule].data_quality, cap=Level.ORANGE)
        mine = sorted(
            (a for a in alerts.values() if (a.rule, a.subject) == (RULES[rule].code, subject)),
            key=lambda a: a.raised,
        )
        assert [
            (a.raised, a.state, a.level, a.level_now, a.count, bool(a.closed), a.stage) for a in mine
        ] == [(e.raised, e.state, e.level, e.level_now, e.count, e.closed, e.stage) for e in expected]
        key = (RULES[rule].code, 1, subject)
        assert [step for _, step in told[key]] == steps
