"""What an officer reads."""

from dataclasses import replace

import pytest
from fakes.town import HEAT, RULES, SUBJECTS, catalog, events, up
from hypothesis import given
from hypothesis import strategies as st

from alerts.desk import Desk
from alerts.message import cut_bytes, cut_chars, number, render, with_gap
from alerts.policy import Policy
from core.events import SubjectKind
from core.levels import Level
from core.time import MINUTE, SECOND

# 2026-11-21 09:00:00 in China.
NINE = 1_795_222_800 * SECOND
BACK = "恢复：2026-11-21 09:00:00"
SUBJECT = SUBJECTS[SubjectKind.SERIES, 1]
POLICY = Policy(link="https://watch.example/alerts/{id}")


def alert(**fields):
    desk = Desk((), POLICY, catalog(), RULES)
    return replace(desk.step(events(up(NINE, since=NINE - MINUTE)), NINE).alerts[0], **fields)


def words(step="raise-1", rule=HEAT, **fields):
    return render(alert(**fields), rule, SUBJECT, step=step, policy=POLICY)


def test_a_raise_says_what_where_how_much_since_when_and_what_to_do():
    message = words()
    assert message.title == "【红色预警】甲木业 1号除尘器 灰斗温度 灰斗温度高"
    assert message.text_zh.splitlines() == [
        "【红色】灰斗温度高（D-02）",
        "单位：甲木业　东村",
        "对象：1号除尘器 灰斗温度",
        "数值：85.3 ℃，限值 70 ℃",
        "开始：2026-11-21 08:59:00",
        "处置：停机清灰",
        f"编号：{alert().id}",
    ]
    assert message.text_en.splitlines() == [
        "[RED] hopper temperature high (D-02): alert",
        "where: hopper 1, 甲木业",
        "value: 85.3 ℃, limit 70 ℃",
        "since: 2026-11-21 08:59:00",
        "do: stop and clean",
        f"alert: {alert().id}",
    ]
    assert message.link == f"https://watch.example/alerts/{alert().id}"


@pytest.mark.parametrize(
    ("step", "fields", "title", "line"),
    [
        ("raise-3", {"count": 3}, "红色再次预警", "次数：第 3 次出现"),
        ("level-4", {}, "红色预警升级", "处置：停机清灰"),
        ("raise-2", {"count": 2, "level_now": 2}, "红色再次预警", "现在：黄色"),
        ("clear-1", {"recovered": NINE, "level_now": 0}, "红色预警恢复", f"{BACK}（尚未消警，仍需处置反馈）"),
        ("clear-1", {"recovered": NINE, "closed": NINE}, "红色预警恢复", f"{BACK}（已自动关闭）"),
        ("close", {"closed_by": "安全员", "closing_note": "已清灰"}, "红色预警消警", "消警：安全员 已清灰"),
        ("raise-1", {"data_quality": True}, "红色数据质量预警", "编号："),
    ],
)  # fmt: skip
def test_each_step_has_its_words(step, fields, title, line):
    message = words(step, **fields)
    assert message.title.startswith(f"【{title}】")
    assert any(row.startswith(line) for row in message.text_zh.splitlines())


def test_numbers_that_are_not_there_are_not_shown():
    assert "数值" not in words(value=float("nan"), limit=float("nan")).text_zh
    assert "数值：限值 70 ℃" in words(value=float("nan")).text_zh


def test_the_operators_message_begins_with_what_is_missing():
    message = with_gap(words(), ("没有人", "nobody"), POLICY)
    assert message.text_zh.startswith("注意：没有人")
    assert message.title.startswith("【无人可通知】【红色预警】")
    assert len(message.title) <= 64


@pytest.mark.parametrize("level", Level)
def test_every_level_is_named_in_both_languages(level):
    message = words(level=level)
    assert f"{level.zh}色" in message.title
    assert level.en.upper() in message.text_en


@pytest.mark.parametrize(
    ("value", "text"),
    [(70.0, "70"), (85.3, "85.3"), (1250000.0, "1250000"), (0.0, "0"), (-0.05, "-0.05"), (2 / 3, "0.66667"),
     (float("inf"), "inf"), (1e15, "1e+15")],
)  # fmt: skip
def test_numbers_read_as_people_write_them(value, text):
    assert number(value) == text


@given(st.text(), st.integers(3, 60))
def test_cutting_by_bytes_never_halves_a_character(text, limit):
    cut = cut_bytes(text.encode(errors="ignore").decode(), limit)
    assert len(cut.encode()) <= limit
    assert text.startswith(cut.removesuffix("…")) or "\ud800" <= max(text) <= "\udfff"


@given(st.text(max_size=100), st.integers(1, 64))
def test_cutting_by_characters_keeps_what_fits(text, limit):
    cut = cut_chars(text, limit)
    assert len(cut) <= limit
    assert cut == text or cut.endswith("…")


def test_a_title_is_never_longer_than_a_line_of_a_phone():
    long = replace(SUBJECT, enterprise_name="某" * 90)
    assert len(render(alert(), HEAT, long, step="raise-1", policy=POLICY).title) == 64
