"""Messages: what an officer reads, Chinese with English beside it; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from alerts.changes import Alert, Note
from alerts.policy import Policy
from core.events import Rule
from core.levels import Level
from core.time import local_text
from registry.catalog import Subject

_MARK = "…"
# Labels of the Chinese text; `facts` reads them back for channels that fill templates.
_LABELS = {
    "enterprise": "单位",
    "subject": "对象",
    "value": "数值",
    "since": "开始",
    "recovered": "恢复",
    "advice": "处置",
}
_STEP_ZH = {"raise": "预警", "level": "预警升级", "clear": "预警恢复", "close": "预警消警"}
_STEP_EN = {"raise": "alert", "level": "alert raised in level", "clear": "back to normal", "close": "closed"}
_AFTER_ZH = {False: "尚未消警，仍需处置反馈", True: "已自动关闭"}
_AFTER_EN = {False: "still open until it is handled", True: "closed by itself"}


@dataclass(frozen=True, slots=True)
class Message:
    """One message before it is addressed."""

    title: str
    text_zh: str
    text_en: str
    link: str


def render(alert: Alert, rule: Rule, subject: Subject, *, step: str, policy: Policy) -> Message:
    """Return the words for one step ("raise-1", "level-4", "clear-1", "close") of an alert."""
    word = step.split("-", maxsplit=1)[0]
    link = policy.link.replace("{id}", alert.id)
    head = (
        f"{'数据质量' if alert.data_quality else ''}{'再次' if word == 'raise' and alert.count > 1 else ''}"
    )
    level = f"{alert.level.zh}色"
    title = f"【{level}{head}{_STEP_ZH[word]}】{subject.enterprise_name} {subject.name} {rule.title_zh}"
    return Message(
        title=cut_chars(" ".join(title.split()), policy.title_chars),
        text_zh=_lines_zh(alert, rule, subject, word, policy),
        text_en=_lines_en(alert, rule, subject, word, policy),
        link=link,
    )


def with_gap(message: Message, gap: tuple[str, str], policy: Policy) -> Message:
    """Return the message as the operator gets it: first what is missing in the registry."""
    zh, en = gap
    return Message(
        title=cut_chars(f"【无人可通知】{message.title}", policy.title_chars),
        text_zh=f"注意：{zh}，请在台账中补充联系人。\n{message.text_zh}",
        text_en=f"Note: {en}; add a contact to the registry.\n{message.text_en}",
        link=message.link,
    )


def facts(note: Note) -> dict[str, str]:
    """Return what a template may show: level, title, alert, time, link, and the lines of the Chinese text.

    Names: level title alert time link enterprise subject value since recovered advice; "" where there is none.
    """
    lines = dict(line.split("：", 1) for line in note.text_zh.splitlines() if "：" in line)
    return {
        "level": f"{note.level.zh}色",
        "title": note.title,
        "alert": note.alert,
        "time": local_text(note.created),
        "link": note.link,
        **{name: lines.get(label, "") for name, label in _LABELS.items()},
    }


def number(value: float) -> str:
    """Return a value as people write it: `85.3`, `70`, `1250000`; no exponent below a million million."""
    return f"{value:.12g}" if value.is_integer() and abs(value) < 1e12 else f"{value:.5g}"


def cut_chars(text: str, limit: int) -> str:
    """Return the text, or its beginning and `…`, in at most `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1] + _MARK


def cut_bytes(text: str, limit: int) -> str:
    """Return the text, or its beginning and `…`, in at most `limit` bytes of UTF-8, never half a character.

    Channels limit bytes, and a Chinese character has three.
    """
    raw = text.encode()
    if len(raw) <= limit:
        return text
    return raw[: max(limit - len(_MARK.encode()), 0)].decode(errors="ignore") + _MARK


@lru_cache(maxsize=4096)
def _when(t_ns: int, zone: ZoneInfo) -> str:
    """Times repeat: in both languages, and for all that one moment brought."""
    return local_text(t_ns, zone)


def _lines_zh(alert: Alert, rule: Rule, subject: Subject, word: str, policy: Policy) -> str:
    place = "　".join(part for part in (subject.enterprise_name, subject.area_name) if part)
    lines = [f"【{alert.level.zh}色】{rule.title_zh}（{rule.code}）"]
    if place:
        lines.append(f"{_LABELS['enterprise']}：{place}")
    lines.append(f"{_LABELS['subject']}：{subject.name}")
    if reading := _reading(alert, "限值"):
        lines.append(f"{_LABELS['value']}：{reading}")
    lines.append(f"{_LABELS['since']}：{_when(alert.since, policy.zone)}")
    if word == "clear":
        back = _when(alert.recovered, policy.zone)
        lines.append(f"{_LABELS['recovered']}：{back}（{_AFTER_ZH[bool(alert.closed)]}）")
    if word == "close":
        lines.append(f"消警：{alert.closed_by or '系统'} {alert.closing_note}")
    if word == "raise" and alert.count > 1:
        lines.append(f"次数：第 {alert.count} 次出现")
    if alert.level_now and alert.level_now != alert.level:
        lines.append(f"现在：{Level(alert.level_now).zh}色")
    if rule.advice_zh and word in ("raise", "level"):
        lines.append(f"{_LABELS['advice']}：{rule.advice_zh}")
    lines.append(f"编号：{alert.id}")
    return "\n".join(lines)


def _lines_en(alert: Alert, rule: Rule, subject: Subject, word: str, policy: Policy) -> str:
    lines = [f"[{alert.level.en.upper()}] {rule.title_en} ({rule.code}): {_STEP_EN[word]}"]
    place = ", ".join(part for part in (subject.name_en or subject.name, subject.enterprise_name) if part)
    lines.append(f"where: {place}")
    if reading := _reading(alert, "limit"):
        lines.append(f"value: {reading}")
    lines.append(f"since: {_when(alert.since, policy.zone)}")
    if word == "clear":
        lines.append(f"normal since: {_when(alert.recovered, policy.zone)} ({_AFTER_EN[bool(alert.closed)]})")
    if word == "close":
        lines.append(f"closed by: {alert.closed_by or 'the service'} {alert.closing_note}")
    if word == "raise" and alert.count > 1:
        lines.append(f"occurrence: {alert.count}")
    if alert.level_now and alert.level_now != alert.level:
        lines.append(f"now: {Level(alert.level_now).en}")
    if rule.advice_en and word in ("raise", "level"):
        lines.append(f"do: {rule.advice_en}")
    lines.append(f"alert: {alert.id}")
    return "\n".join(lines)


def _reading(alert: Alert, limit_word: str) -> str:
    """Return `85.3 ℃, limit 70 ℃`; "" where the rule has no number."""
    parts = []
    if not math.isnan(alert.value):
        parts.append(f"{number(alert.value)} {alert.unit}".rstrip())
    if not math.isnan(alert.limit):
        parts.append(f"{limit_word} {number(alert.limit)} {alert.unit}".rstrip())
    return "，".join(parts) if limit_word == "限值" else ", ".join(parts)
