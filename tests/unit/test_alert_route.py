"""Who is told: examples from docs/alerts.md, each a line of a table."""

import pytest
from fakes.town import CONTACTS, COUNTY, STREET, SUBJECTS, VILLAGE, catalog, contact

from alerts.policy import Policy
from alerts.route import Book, again, route
from core.events import SubjectKind
from core.levels import Level

DEFAULTS = Policy()
A, B, C = (SUBJECTS[SubjectKind.SERIES, n] for n in (1, 2, 3))


def told(subject, level, *, contacts=CONTACTS, data_quality=False, policy=DEFAULTS, **town):
    stops = route(
        Book.of(catalog(contacts, **town)), policy, subject=subject, level=level, data_quality=data_quality
    )
    return [f"{stop.recipient}/{stop.channel}" for stop in stops], stops


@pytest.mark.parametrize(
    ("subject", "level", "expected"),
    [
        pytest.param(
            A,
            Level.RED,
            "so1/wecom_robot so1/log pr1/log si2/log",
            id="red: both officers and the street at once",
        ),
        pytest.param(
            A, Level.ORANGE, "so1/wecom_robot so1/log pr1/log", id="orange: the enterprise's officers"
        ),
        pytest.param(A, Level.YELLOW, "so1/wecom_robot", id="yellow: safety officer, first channel"),
        pytest.param(A, Level.BLUE, "so1/log", id="blue: the log only"),
        pytest.param(B, Level.YELLOW, "pr2/log", id="no safety officer: the principal"),
        pytest.param(C, Level.YELLOW, "si2/log", id="nobody in the enterprise: the street"),
        pytest.param(C, Level.RED, "si2/log", id="nobody in the enterprise, red: the street once"),
    ],
)
def test_first_recipients(subject, level, expected):
    assert told(subject, level)[0] == expected.split()


def test_a_village_without_an_inspector_asks_the_street_and_then_the_county():
    without_street = [c for c in CONTACTS if c.code != "si2"]
    assert told(A, Level.RED, contacts=without_street)[0][-1] == "ci1/log"
    assert told(A, Level.RED)[1][-1].why == f"street_inspector of area {STREET}, there is none below"


def test_where_there_is_nobody_the_operator_is_told_of_the_hole():
    names, stops = told(C, Level.ORANGE, contacts=[c for c in CONTACTS if c.code in ("so1", "ops")])
    assert names == ["ops/log"]
    assert "均无可通知的人员" in stops[0].gap[0]


def test_a_red_alert_without_any_inspector_reaches_the_enterprise_and_the_operator():
    names, stops = told(A, Level.RED, contacts=[c for c in CONTACTS if c.code in ("so1", "ops")])
    assert names == ["so1/wecom_robot", "so1/log", "ops/log"]
    assert [bool(stop.gap[0]) for stop in stops] == [False, False, True]


def test_an_empty_registry_uses_the_channel_of_last_resort():
    names, stops = told(A, Level.RED, contacts=(), policy=Policy(last_resort=("ops", "webhook", "http://x")))
    assert names == ["ops/webhook"]
    assert stops[0].address == "http://x"


def test_data_quality_stays_with_the_enterprise_and_else_goes_to_the_operator():
    assert told(A, Level.ORANGE, data_quality=True)[0] == ["so1/wecom_robot"]
    assert told(B, Level.ORANGE, data_quality=True)[0] == ["ops/log"]


def test_a_contact_without_a_configured_channel_is_nobody():
    names, _ = told(A, Level.YELLOW, policy=Policy(channels=frozenset({"log"})))
    assert names == ["so1/log"]
    names, _ = told(A, Level.YELLOW, policy=Policy(channels=frozenset({"fax"})))
    assert names == ["operator/log"]


def test_who_has_two_duties_is_told_once():
    both = [contact("x", "safety_officer", enterprise=1), contact("x", "principal", enterprise=1)]
    assert told(A, Level.ORANGE, contacts=both)[0] == ["x/log"]


def test_a_circle_in_the_area_tree_ends():
    circle = ((VILLAGE, STREET), (STREET, VILLAGE))
    assert told(C, Level.RED, contacts=(), parents=circle)[0] == ["operator/log"]


def test_nearest_area_wins():
    contacts = [
        contact("far", "street_inspector", area=COUNTY),
        contact("near", "county_inspector", area=STREET),
    ]
    assert told(A, Level.RED, contacts=contacts)[0][0] == "near/log"


def test_those_told_before_are_found_again_even_after_the_policy_named_others():
    book = Book.of(catalog())
    stops = again(book, Policy(), Policy().yellow, ["so1", "gone", "operator"])
    assert [(stop.recipient, stop.channel) for stop in stops] == [("so1", "wecom_robot"), ("operator", "log")]
