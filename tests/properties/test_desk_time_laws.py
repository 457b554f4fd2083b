"""Laws of the desk over time: nothing is lost or done twice, whenever it is stopped and started."""

import json
from dataclasses import replace

from fakes.desk_store import DeskStore
from fakes.town import COUNTY, RULES, STREET, catalog, contact, down, events, up
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.changes import Command, CommandKind
from alerts.desk import Desk
from alerts.policy import Holding, Inhibition, Policy
from core.events import Events
from core.levels import Level
from core.time import DAY, HOUR, MINUTE, SECOND

START = 1_795_222_800 * SECOND  # 2026-11-21 09:00 in China
HOLD = Holding(
    settle_s=0.0, flood_alarms=2, flood_window_s=120.0, flood_digest_s=90.0, chatter_raises=2,
    inhibit=(Inhibition(("Q-02",), ("D-02",), "enterprise", Level.ORANGE),),
)  # fmt: skip
POLICY = Policy(hold=HOLD, short_close=Level.ORANGE, tell=Policy().tell | {"close"})
PEOPLE = tuple(
    contact(code, role, **{where: key}, sms=f"1{key}", log=code)
    for code, role, where, key in (
        ("so1", "safety_officer", "enterprise", 1), ("pr1", "principal", "enterprise", 1),
        ("so2", "safety_officer", "enterprise", 2), ("ac2", "actual_controller", "enterprise", 2),
        ("si2", "street_inspector", "area", STREET), ("ci1", "county_inspector", "area", COUNTY),
        ("ops", "platform_admin", "area", COUNTY),
    )
)  # fmt: skip
PAUSES = (0, SECOND, 7 * SECOND, MINUTE, 6 * MINUTE, 31 * MINUTE, 5 * HOUR, 13 * HOUR, 26 * HOUR)
NAMES = ("安全员", "班组长", "检查员")
KEYS = [(rule, subject) for rule in (0, 1) for subject in (1, 2, 3)]


@st.composite
def stories(draw):
    """A list of (pause, [(key, level, historical)], [(kind, key, name)]): an edge says what it was not before."""
    return [
        (
            draw(st.sampled_from(PAUSES)),
            draw(
                st.lists(
                    st.tuples(st.sampled_from(KEYS), st.sampled_from(list(Level)), st.booleans()), max_size=3
                )
            ),
            draw(
                st.lists(
                    st.tuples(
                        st.sampled_from(list(CommandKind)), st.sampled_from(KEYS), st.sampled_from(NAMES)
                    ),
                    max_size=2,
                )
            ),
        )
        for _ in range(draw(st.integers(1, 12)))
    ]


class Town:
    """Says what a bank would say, and asks what people would; keeps what it said, to say it again."""

    def __init__(self):
        self.now, self.t, self.n, self.present, self.said = START, START, 0, set(), []

    def moment(self, desk, story):
        pause, edges, asked = story
        self.now += pause
        self.t = max(self.t + 1, self.now - SECOND)
        rows = []
        for key, level, historical in edges:
            self.t += 1
            make = down if key in self.present else up
            self.present ^= {key}
            rows.append(make(self.t, level, rule=key[0], subject=key[1], historical=historical))
        ids = {(alert.rule, alert.subject): alert.id for alert in desk.open_alerts()}
        commands = [self.command(kind, key, name, ids) for kind, key, name in asked]
        self.said.append((events(*rows), commands))
        return self.said[-1]

    def command(self, kind, key, name, ids):
        self.n += 1
        detail = {
            "measure": "停机",
            "done": self.now,
            "proof": "IMG",
            "until": self.now + HOUR,
            "subject": f"enterprise:{key[1]}",
        }
        others = [id_ for pair, id_ in ids.items() if pair != (RULES[key[0]].code, key[1])]
        detail |= {"into": others[0]} if others else {}
        alert = ids.get((RULES[key[0]].code, key[1]), "NONE")
        return Command(self.n, kind, alert, name, "已查看", self.now, json.dumps(detail))


def new_desk(memory=None, policy=POLICY):
    return Desk((), policy, catalog(PEOPLE), RULES, memory=memory)


def decided(changes):
    """A command about what was closed long ago is refused in other words after a restart."""
    return replace(changes, answers=tuple(replace(a, problem=str(bool(a.problem))) for a in changes.answers))


@given(stories())
@settings(deadline=None, max_examples=150)
def test_a_desk_started_anew_before_every_step_decides_the_same(story):
    steady, town, store = new_desk(), Town(), DeskStore(POLICY)
    for moment in story:
        said, asked = town.moment(steady, moment)
        restarted = new_desk(store.memory(town.now))
        expected = decided(steady.step(said, town.now, asked))
        assert decided(restarted.step(said, town.now, asked)) == expected
        store.write(expected, town.now)


@given(stories(), st.data())
@settings(deadline=None, max_examples=150)
def test_saying_any_prefix_again_changes_nothing(story, data):
    desk, town = new_desk(), Town()
    for moment in story:
        said, asked = town.moment(desk, moment)
        desk.step(said, town.now, asked)
        before, n_held = list(desk.open_alerts()), desk.n_held
        for old, commands in town.said[: data.draw(st.integers(0, len(town.said)))]:
            again = desk.step(old, town.now, commands)
            assert not any(
                (again.alerts, again.transitions, again.notes, again.digests, again.released, again.shelves)
            )
        assert (list(desk.open_alerts()), desk.n_held) == (before, n_held)


@given(stories(), st.booleans())
@settings(deadline=None, max_examples=150)
def test_everything_that_somebody_was_to_hear_goes_out_exactly_once(story, restart):
    """DeskStore refuses a key that is wanted twice, sent twice, or carried twice."""
    desk, town, store = new_desk(), Town(), DeskStore(POLICY)
    for moment in story:
        said, asked = town.moment(desk, moment)
        changes = desk.step(said, town.now, asked)
        store.write(changes, town.now)
        for one in changes.held:
            assert one.note.level < Level.RED or one.reason == "shelved", (
                "red waits for nothing but a person's word"
            )
            assert one.note.channel != "log"
            assert one.until > town.now
        for one in store.held.values():
            if one.reason in ("shelved", "inhibited") and not (alert := store.alerts[one.note.alert]).closed:
                assert alert.suppression != "none", "what is no longer suppressed no longer waits for it"
        if restart:
            desk = new_desk(store.memory(town.now))
    for _ in range(80):  # the longest that anything may wait is a day, and then the quiet hours
        town.now += HOUR
        store.write(desk.step(Events.empty(), town.now), town.now)
        for one in store.held.values():
            assert one.since > town.now - 2 * DAY, "nothing waits for ever"
    young = {key for key, one in store.held.items() if one.since > town.now - 2 * DAY}
    sent = {key for key in store.sent if not key.startswith("DIGEST:")}
    assert sent | store.carried.keys() | young == store.wanted.keys()
    assert not sent & store.carried.keys()
    assert set(store.carried.values()) <= store.sent.keys()


@given(stories(), st.lists(st.integers(1, 40_000), min_size=1, max_size=25))
@settings(deadline=None, max_examples=100)
def test_steps_of_a_ladder_are_taken_once_and_never_before_their_time(story, pauses):
    desk, town, store = new_desk(), Town(), DeskStore(POLICY)
    moments = [*story, *((pause * SECOND, [], []) for pause in pauses)]
    for moment in moments:
        said, asked = town.moment(desk, moment)
        store.write(desk.step(said, town.now, asked), town.now)
        desk = new_desk(store.memory(town.now))
    climbed = [
        (line.alert, line.level, line.note, *_round(store, line))
        for line in store.lines
        if line.cause == "escalate"
    ]
    assert len(climbed) == len(set(climbed))
    for line in store.lines:
        assert line.seq > 0
    by_alert = {}
    for line in store.lines:
        by_alert.setdefault(line.alert, []).append(line.seq)
    assert all(seqs == list(range(1, len(seqs) + 1)) for seqs in by_alert.values())


def _round(store, line):
    """What asks anew: raisings, levels and reopenings before this line."""
    before = [one for one in store.lines if one.alert == line.alert and one.seq < line.seq]
    return (sum(one.cause in ("raise", "reopen", "open") for one in before),)


@given(st.integers(1, 2**31), st.integers(0, 999))
@settings(deadline=None, max_examples=30)
def test_a_ladder_is_climbed_within_a_tick_of_each_deadline(start_s, offset_ms):
    now = start_s * SECOND
    desk = new_desk(policy=replace(POLICY, hold=replace(HOLD, quiet_start="", quiet_end="")))
    alert = desk.step(events(up(now)), now).alerts[0]
    deadlines = {
        ladder: [after * SECOND for after in seconds]
        for ladder, seconds in (
            ("escalate", (300, 600, 1800, 3600)),
            ("overdue", (14_400,)),
            ("unreached", (120,)),
        )
    }
    found = {word: [] for word in deadlines}
    # Ticks around every deadline; in between nothing is due.
    for at in sorted(at for ats in deadlines.values() for at in ats):
        for tick in (
            at - SECOND + offset_ms * 1_000_000 - (SECOND if offset_ms == 0 else 0),
            at + offset_ms * 1_000_000,
        ):
            for line in desk.step(Events.empty(), now + tick).transitions:
                if line.cause in found:
                    found[line.cause].append(tick)
    assert alert.expected == now
    for word, ats in deadlines.items():
        for at in ats:
            assert any(at <= tick < at + SECOND for tick in found[word]), (word, at, found)
