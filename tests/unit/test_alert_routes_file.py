"""The routing tree: what it takes, whom it names, what it refuses, how fast it is."""

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from fakes.steps import steps_of
from fakes.town import CONTACTS, COUNTY, RULES, STREET, SUBJECTS, VILLAGE, catalog, contact, events, up

from alerts.desk import Desk
from alerts.policy import Policy
from alerts.route import route
from alerts.router import Router
from alerts.routes_file import read_routes
from alerts.survey import holes
from alerts.tree import Tree
from core.errors import ConfigError
from core.events import SubjectKind
from core.levels import Level
from core.time import CHINA, from_datetime
from registry.catalog import Device, Firm

NOON = from_datetime(datetime(2026, 11, 21, 12, 0, tzinfo=CHINA))  # a Saturday
PEOPLE = (
    *CONTACTS,
    contact("fire", "department_liaison", area=COUNTY),
    contact("dir1", "safety_director", enterprise=1),
)


def directory(contacts=PEOPLE):
    firms = {
        (SubjectKind.ENTERPRISE, s.enterprise): replace(s, name=s.enterprise_name) for s in SUBJECTS.values()
    }
    return replace(
        catalog(contacts, SUBJECTS | firms),
        area_code={VILLAGE: "v", STREET: "s", COUNTY: "c"},
        firms={1: Firm("E1", VILLAGE, 4, "工信局"), 2: Firm("E2", VILLAGE, 1, ""), 3: Firm("E3", STREET)},
        device=np.array([0, 11, 12, 13]),
        gateway=np.array([0, 1, 2, 3]),
        devices={("g", "d"): Device(11, "d", 1, 1, "dry_dust_collector", {})},
    )


def told(
    text, subject=1, *, rule="D-02", level=Level.ORANGE, dq=False, at=NOON, policy=None, contacts=PEOPLE
):
    """Return {recipient/channel: why}."""
    tree = read_routes(text, "routes.yaml")
    router = Router(directory(contacts), policy or Policy(), tree)
    known = SUBJECTS[SubjectKind.SERIES, subject]
    facts = router.facts_of(rule, level, known, router.profile(SubjectKind.SERIES, subject), dq=dq)
    return {f"{stop.recipient}/{stop.channel}": stop.why for stop in router.explain(facts, known, at)}


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("dq", [False, True])
@pytest.mark.parametrize("subject", [1, 2, 3])
def test_without_a_file_the_policys_table_decides(level, dq, subject):
    router = Router(directory(), Policy(), Tree())
    known = SUBJECTS[SubjectKind.SERIES, subject]
    facts = router.facts_of("D-02", level, known, "", dq=dq)
    mine = [(s.recipient, s.channel, s.address) for s in router.explain(facts, known, NOON)]
    table = route(router.book, Policy(), subject=known, level=level, data_quality=dq)
    assert mine == [(s.recipient, s.channel, s.address) for s in table]


def one(match, to="- contact: fire"):
    return f"routes:\n- name: r\n  match: {{{match}}}\n  to:\n  {to}\n"


@pytest.mark.parametrize(
    ("match", "taken"),
    [
        ("area: v", True), ("area: c", True), ("area: [x, s]", True), ("area: x", False),
        ("enterprise: E1", True), ("enterprise: E2", False),
        ("grade: red", True), ("grade: '>=orange'", True), ("grade: [blue, yellow]", False),
        ("profile: dry_dust_collector", True), ("profile: welder", False),
        ("rule: D-02", True), ("rule: 'D-*'", True), ("rule: [E-01, 'W-*']", False),
        ("level: orange", True), ("level: '>=red'", False), ("level: [橙, 红]", True),
        ("data_quality: false", True), ("data_quality: true", False),
        ("department: 工信局", True), ("department: 应急局", False),
        ("weekday: [sat, sun]", True), ("weekday: mon", False),
        ("time: '08:00-18:00'", True), ("time: '22:00-06:00'", False), ("time: ['22:00-06:00', '11:59-12:01']", True),
        ("time: '12:00-13:00'", True), ("time: '11:00-12:00'", False),
        ("area: v, level: orange, rule: 'D-*'", True), ("area: v, level: red", False),
    ],
)  # fmt: skip
def test_every_matcher(match, taken):
    assert ("fire/log" in told(one(match))) == taken


@pytest.mark.parametrize(
    ("at", "taken"), [("21:59", False), ("22:00", True), ("00:00", True), ("05:59", True), ("06:00", False)]
)
def test_a_window_over_midnight(at, taken):
    moment = from_datetime(datetime.fromisoformat(f"2026-03-01T{at}:00+08:00"))
    assert ("fire/log" in told(one("time: '22:00-06:00'"), at=moment)) == taken


def test_a_window_keeps_to_the_clock_where_the_clocks_change():
    berlin = Policy(zone=ZoneInfo("Europe/Berlin"))
    before, after = (
        datetime(2026, 3, 29, 0, 30, tzinfo=timezone(timedelta(hours=1))) + timedelta(hours=h) for h in (1, 2)
    )
    text = one("time: '03:00-04:00'")  # 02:00 is 03:00 on that night
    assert "fire/log" not in told(text, at=from_datetime(before), policy=berlin)
    assert "fire/log" in told(text, at=from_datetime(after), policy=berlin)


TWO = """
departments: {工信局: [fire]}
routes:
- name: copy
  match: {department: 工信局}
  to: [{department: competent}]
  continue: true
- name: dust
  match: {rule: "D-*"}
  to: [{role: safety_director}, {area_role: county_inspector}]
  routes:
  - name: night
    match: {time: "22:00-06:00"}
    to: [{contact: si2}]
- name: rest
  to: table
"""


def test_continue_gives_the_department_its_copy_beside_the_first_route_that_takes_it():
    assert list(told(TWO)) == ["fire/log", "dir1/log", "ci1/log"]
    assert list(told(TWO, rule="E-01")) == ["fire/log", "so1/wecom_robot", "so1/log", "pr1/log"]


def test_the_reason_is_the_path_through_the_tree():
    night = from_datetime(datetime(2026, 11, 21, 23, 0, tzinfo=CHINA))
    assert told(TWO, at=night)["si2/log"].startswith("dust > night: ")
    assert told(TWO)["ci1/log"] == f"dust: county_inspector of area {COUNTY}, there is none below"


def test_a_route_that_finds_nobody_falls_back_on_the_table_and_upwards():
    assert list(told("routes: [{match: {}, to: [{contact: gone}]}]")) == [
        "so1/wecom_robot",
        "so1/log",
        "pr1/log",
    ]
    nobody = [c for c in PEOPLE if c.code == "ops"]
    assert list(told("routes: [{to: [{role: welder}]}]".replace("welder", "worker"), contacts=nobody)) == [
        "ops/log"
    ]


def test_a_route_may_name_channels_and_how_many():
    text = "routes: [{to: [{role: safety_officer}], channels: [log, wecom_robot], n_channels: 1}]"
    assert list(told(text)) == ["so1/wecom_robot"]
    assert list(told(text.replace("log, wecom_robot", "log"))) == ["so1/log"]
    assert "so1/wecom_robot" in told(text.replace("log, wecom_robot", "sms")), (
        "who has none of them has his own"
    )


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("routes:\n- match: {levle: red}", 2, "levle|level"),
        ("routes:\n- to:\n  - rolle: principal", 3, "rolle|role"),
        ("routes:\n- to:\n  - role: princpal", 3, "princpal|principal"),
        ("routes:\n- match:\n    level: purple", 3, "purple"),
        ("routes:\n- match:\n    time: 25:00-26:00", 3, "time of day"),
        ("routes:\n- match:\n    time: '09:00-09:00'", 3, "empty"),
        ("routes:\n- match:\n    profile: weldr", 3, "weldr|welder"),
        ("routes:\n- match:\n    rule: []", 3, "empty"),
        ("routes:\n- match:\n    weekday: someday", 3, "someday"),
        ("routes:\n- to:\n  - department: fire", 3, "department"),
        ("routes:\n- to: everybody", 2, "everybody"),
        ("routes:\n- to: []", 2, "nobody"),
        ("routes:\n- name: a\n  name: b", 3, "twice"),
        ("routes:\n- continue: maybe", 2, "true or false"),
        ("routes:\n- n_channels: 0", 2, "1 to 9"),
        ("routes:\n- channels: fax", 2, "fax|log"),
        ("routes: {a: b}", 1, "list"),
        ("root: []", 1, "root|routes"),
        ("routes:\n- name: [", 3, "YAML"),
        ("- a", 1, "table"),
    ],
)
def test_what_is_not_understood_is_refused_with_line_and_remedy(text, line, words):
    with pytest.raises(ConfigError) as caught:
        read_routes(text + "\n", "routes.yaml", channels=frozenset({"log"}))
    assert caught.value.where == f"routes.yaml:{line}"
    assert caught.value.remedy
    for word in words.split("|"):
        assert word in str(caught.value)


def test_an_empty_file_is_the_table():
    assert list(told("# nothing yet\n")) == ["so1/wecom_robot", "so1/log", "pr1/log"]


def test_holes_are_enterprises_rungs_and_codes_that_nobody_stands_for():
    text = "departments: {工信局: [nemo]}\nroutes:\n- match: {area: zz}\n  to: [{contact: nobody}]"
    found = {
        (hole.where, hole.problem.split(" / ")[1])
        for hole in holes(Router(directory(), Policy(), read_routes(text, "f")), NOON)
    }
    assert ("departments: 工信局", "no contact nemo in the registry") in found
    assert ("f:3 line 3", "no contact nobody in the registry") in found
    assert any(where == "f:3 line 3" and "no area zz" in problem for where, problem in found)
    assert not any(where.startswith("E1") for where, _ in found)
    empty = {hole.where for hole in holes(Router(directory(contacts=()), Policy(), Tree()), NOON)}
    assert {"E1 red", "E2 blue", "E3 orange"} <= empty


def test_who_is_on_duty_is_asked_and_asked_again_when_that_may_change():
    people = {c.code: c for c in PEOPLE}
    asked = []

    def who(role, *, enterprise=0, area=0, now=0):
        asked.append(now)
        return [people["so1" if now < NOON + 100 else "pr1"]] if role == "safety_officer" else []

    duty = SimpleNamespace(who=who, until=lambda now: NOON + 100 if now < NOON + 100 else NOON + 1000)
    desk = Desk((), Policy(), directory(), RULES, duty=duty)
    names = [
        {note.recipient for note in desk.step(events(up(t, Level.YELLOW, subject=subject)), now).notes}
        for t, subject, now in ((1, 1, NOON), (2, 2, NOON + 99), (3, 3, NOON + 100))
    ]
    assert names == [{"so1"}, {"so1"}, {"pr1"}]
    assert NOON + 99 in asked
    n = len(asked)
    desk.step(events(up(4, Level.YELLOW, subject=2), up(9, Level.YELLOW, subject=3, rule=0)), NOON + 101)
    assert len(asked) - n < 10


def test_a_thousand_routes_cost_no_more_than_a_few():
    """Decided by masks of bits and not route by route."""
    lines = [
        f"- match: {{enterprise: E{n}, rule: 'D-*', level: '>=yellow'}}\n  to: [{{contact: fire}}]"
        for n in range(999)
    ]
    tree = read_routes("routes:\n" + "\n".join(lines) + "\n- to: table\n", "routes.yaml")
    assert len(tree) == 1000
    router = Router(directory(), Policy(), tree)
    known = SUBJECTS[SubjectKind.SERIES, 1]
    facts = router.facts_of("D-02", Level.RED, known, "", dq=False)
    tree.take(facts, NOON, CHINA)  # what a rule's code matches is found out once
    assert steps_of(tree.take, facts, NOON, CHINA)[0] < 200
