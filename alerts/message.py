"""Messages: what an officer reads, Chinese with English beside it; pure."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from alerts.changes import Alert, Note, Shelf
from alerts.policy import Policy
from core.events import Rule
from core.levels import Level
from core.time import local_text, seconds
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
_STEP_ZH = {
    "raise": "预警",
    "level": "预警升级",
    "clear": "预警恢复",
    "close": "预警消警",
    "escalate": "预警催办",
    "overdue": "反馈超时",
    "unreached": "预警未送达",
    "review": "反馈待审核",
    "reject": "审核退回",
    "shelve": "预警搁置",
    "unshelve": "解除搁置",
}
_STEP_EN = {
    "raise": "alert",
    "level": "alert raised in level",
    "clear": "back to normal",
    "close": "closed",
    "escalate": "nobody has answered yet",
    "overdue": "feedback is overdue",
    "unreached": "nobody was reached",
    "review": "feedback waits for review",
    "reject": "feedback was rejected",
    "shelve": "shelved",
    "unshelve": "no longer shelved",
}
_HELD_ZH = {
    "shelved": "搁置期间", "inhibited": "由其他预警引起", "settle": "系统启动", "chatter": "频繁报警", "quiet": "夜间",
    "daily": "每日汇总", "flood": "报警集中", "group": "同组",
}  # fmt: skip
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
    level = f"{'演练·' if alert.exercise else ''}{alert.level.zh}色"
    title = f"【{level}{head}{_STEP_ZH[word]}】{subject.enterprise_name} {subject.name} {rule.title_zh}"
    return Message(
        title=cut_chars(" ".join(title.split()), policy.title_chars),
        text_zh=_lines_zh(alert, rule, subject, word, policy),
        text_en=_lines_en(alert, rule, subject, word, policy),
        link=link,
    )


def digest_words(notes: Sequence[Note], reasons: Sequence[str], policy: Policy) -> Message:
    """Return the words of one message that carries several, the worst and oldest first.

    All titles stand in it, up to `digest_lines`; the page behind the link has the rest.
    """
    ordered = sorted(notes, key=lambda note: (-note.level, note.created, note.key))
    n, n_alerts = len(ordered), len({note.alert for note in ordered})
    worst = ordered[0].level
    why = "、".join(dict.fromkeys(_HELD_ZH.get(reason, reason) for reason in reasons))
    shown, more = ordered[: policy.digest_lines], n - policy.digest_lines
    lines = [
        f"{k}. {local_text(note.created, policy.zone)[5:16]} {note.title}" for k, note in enumerate(shown, 1)
    ]
    tail_zh = [f"另有 {more} 条，见链接"] if more > 0 else []
    tail_en = [f"and {more} more behind the link"] if more > 0 else []
    words_en = [f"{note.alert} {note.step}" for note in shown]
    return Message(
        title=cut_chars(f"【{worst.zh}色预警汇总】{n} 条消息，{n_alerts} 起预警", policy.title_chars),
        text_zh="\n".join([f"合并原因：{why}", *lines, *tail_zh]),
        text_en="\n".join([f"digest: {n} messages about {n_alerts} alerts", *words_en, *tail_en]),
        link=policy.link.partition("{id}")[0].removesuffix("alerts/"),
    )


def shelf_words(shelf: Shelf, subject: Subject, policy: Policy) -> Message:
    """Return what an inspector is told about a maintenance window."""
    begin, until = (local_text(at, policy.zone)[:16] for at in (shelf.begin, shelf.until))
    title = f"【维护通知】{subject.enterprise_name} {subject.name} {begin} 至 {until}"
    return Message(
        title=cut_chars(title, policy.title_chars),
        text_zh=f"单位：{subject.enterprise_name}\n对象：{subject.name}\n期间：{begin} 至 {until}，预警暂不通知\n"
        f"理由：{shelf.reason}\n申请：{shelf.by}",
        text_en=f"maintenance: {subject.name_en or subject.name}, {subject.enterprise_name}\n{begin} to {until}: alerts"
        f" are recorded, nobody is told\nreason: {shelf.reason}\nby: {shelf.by}",
        link=policy.link.partition("{id}")[0].removesuffix("alerts/"),
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
        lines.append(f"次数：第 {alert.count} 次出现{'，消警后复发' if alert.reopened else ''}")
        if chatters(alert, policy):
            lines.append("频繁：短时间内反复报警，后续消息合并发送")
    lines += _handling_zh(alert, word)
    if alert.level_now and alert.level_now != alert.level:
        lines.append(f"现在：{Level(alert.level_now).zh}色")
    if rule.advice_zh and word in ("raise", "level"):
        lines.append(f"{_LABELS['advice']}：{rule.advice_zh}")
    lines.append(f"编号：{alert.id}")
    return "\n".join(lines)


def _handling_zh(alert: Alert, word: str) -> list[str]:
    """Return what people have to know about the handling at this step."""
    if word == "review":
        kind = "误报说明" if alert.false_alarm else "措施"
        return [f"处置人：{alert.handler}", f"{kind}：{alert.measure}", f"佐证：{alert.proof or '无'}"]
    if word in ("reject", "overdue"):
        return [f"处置人：{alert.handler or '尚无'}"]
    if word == "escalate":
        return ["催办：尚无人确认，请立即确认并处置"]
    return []


def chatters(alert: Alert, policy: Policy) -> bool:
    """Return whether an alert was raised more often within an hour (`chatter_window_s`) than it may be."""
    hold = policy.hold
    return alert.level <= hold.chatter_level and n_raises(alert, policy) > hold.chatter_raises


def n_raises(alert: Alert, policy: Policy) -> int:
    """Return how often an alert was raised within the window of chattering, by event time."""
    since = alert.raises[-1] - seconds(policy.hold.chatter_window_s) if alert.raises else 0
    return len(alert.raises) - bisect_right(alert.raises, since)


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
        lines.append(f"occurrence: {alert.count}{', again after closing' if alert.reopened else ''}")
        if chatters(alert, policy):
            lines.append("chattering: what follows comes as a digest")
    if word in ("review", "reject", "overdue"):
        lines.append(f"handled by: {alert.handler or '-'}; {alert.measure}".rstrip("; "))
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
