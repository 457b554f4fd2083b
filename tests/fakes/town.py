"""A very small registry and events by hand, for tests that need no database."""

import numpy as np

from core.events import Events, Kind, Rule, SubjectKind
from core.levels import Level
from registry.catalog import Catalog, Contact, Limits, Subject

HEAT = Rule("D-02", "灰斗温度高", "hopper temperature high", "℃", "停机清灰", "stop and clean", version="v1")
STALE = Rule("Q-02", "数据中断", "no data", version="v1", data_quality=True)
RULES = (HEAT, STALE)
VILLAGE, STREET, COUNTY = 3, 2, 1


def contact(code, role, *, enterprise=0, area=0, **addresses):
    return Contact(code, code, role, enterprise, area, addresses or {"log": code})


CONTACTS = (
    contact("so1", "safety_officer", enterprise=1, wecom_robot="k1", log="so1"),
    contact("pr1", "principal", enterprise=1),
    contact("si2", "street_inspector", area=STREET),
    contact("ci1", "county_inspector", area=COUNTY),
    contact("pr2", "principal", enterprise=2),
    contact("ops", "platform_admin", area=COUNTY),
)
SUBJECTS = {
    (SubjectKind.SERIES, 1): Subject(1, "甲木业", VILLAGE, "东村", "1号除尘器 灰斗温度", "hopper 1", "℃"),
    (SubjectKind.SERIES, 2): Subject(2, "乙铸造", VILLAGE, "东村", "2号除尘器 灰斗温度", "hopper 2", "℃"),
    (SubjectKind.SERIES, 3): Subject(3, "丙家具", STREET, "西街", "3号除尘器 灰斗温度", "hopper 3", "℃"),
}


def catalog(contacts=CONTACTS, subjects=SUBJECTS, parents=((VILLAGE, STREET), (STREET, COUNTY), (COUNTY, 0))):
    none = np.zeros(0)
    return Catalog(
        "v", none, none, none, none, none, none, none, none, (), (), Limits(*[none] * 7),
        {}, {}, {}, dict(subjects), tuple(contacts), dict(parents),
    )  # fmt: skip


def event(
    kind, t, *, level=Level.RED, subject=1, rule=0, value=85.3, limit=70.0, historical=False, since=None
):
    return (rule, kind, level, SubjectKind.SERIES, subject, subject, t, t if since is None else since,
            value, limit, historical)  # fmt: skip


def up(t, level=Level.RED, **more):
    return event(Kind.RAISE, t, level=level, **more)


def down(t, level=Level.RED, **more):
    return event(Kind.CLEAR, t, level=level, **more)


def events(*rows):
    empty = Events.empty()
    columns = zip(*rows, strict=True) if rows else [()] * len(Events.__slots__)
    return Events(
        *(np.array(c, getattr(empty, n).dtype) for n, c in zip(Events.__slots__, columns, strict=True))
    )
