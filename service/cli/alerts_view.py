"""What `fengsui alerts …` prints."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alerts.changes import Alert
    from core.events import SubjectKind
    from registry.catalog import Subject

    Subjects = Mapping[tuple[SubjectKind, int], Subject]

LONGEST = 1000  # rows of a list
_COLOURS = {1: "bright_blue", 2: "yellow", 3: "dark_orange", 4: "bold red"}
_STATES = {
    "unack": "未确认 unack",
    "acked": "已确认 acked",
    "rtn_unack": "已恢复未确认 rtn_unack",
    "normal": "已恢复 normal",
}
_STAGES = {
    "new": "待处置 new",
    "handling": "处置中 handling",
    "review": "待审核 review",
    "closed": "已消警 closed",
}


def plain_of(alert: Alert, subjects: Subjects) -> dict[str, Any]:
    """Return an alert for programs: numbers as stored, times as ISO 8601, names beside keys."""
    subject = subjects.get((alert.subject_kind, alert.subject))
    names = {
        "level_name": alert.level.en,
        "subject_name": subject.name if subject else "",
        "enterprise_name": subject.enterprise_name if subject else "",
        "area_name": subject.area_name if subject else "",
    }
    return {**times(asdict(alert)), **names}


_TIMES = frozenset(
    {"raised", "changed", "opened", "recovered", "acked", "closed", "since", "last_raise", "last_clear"}
    | {"handling", "done", "reported", "reviewed", "expected", "owing", "reached", "alarmed"}
    | {"t", "now", "created", "ended"}
)


def times(value: Any) -> Any:
    """Return a document with ns as ISO 8601 and null for what is not there: 0 ns, NaN."""
    if isinstance(value, Mapping):
        return {key: _time(item) if key in _TIMES else times(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [times(item) for item in value]
    if hasattr(value, "__dataclass_fields__"):
        return times(asdict(value))
    if isinstance(value, float) and value != value:  # noqa: PLR0124 - NaN
        return None
    return value


def _time(t_ns: Any) -> str | None:
    from core.time import to_datetime

    return t_ns if isinstance(t_ns, str) or t_ns is None else to_datetime(t_ns).isoformat() if t_ns else None


def print_json(document: Any) -> None:
    print(json.dumps(document, ensure_ascii=False))


def console() -> Any:
    from rich.console import Console

    return Console(highlight=False, markup=False)


def print_list(found: Sequence[Alert], subjects: Subjects) -> None:
    from rich.table import Table

    out = console()
    if not found:
        out.print("没有预警 / no alerts", style="green")
        return
    heads = ("编号 id", "级别", "状态 state", "规则 rule", "单位 · 对象", "数值 / 限值", "开始", "次")
    table = Table(*heads, box=None, pad_edge=False)
    for alert in found:
        state = "已消警 closed" if alert.closed else _STATES[alert.state]
        table.add_row(
            alert.id,
            f"{alert.level.zh} {alert.level.en}",
            state,
            alert.rule,
            _where(alert, subjects),
            _reading(alert),
            _local(alert.since),
            str(alert.count),
            style="dim" if alert.closed else _COLOURS[alert.level],
        )
    out.print(table)
    more = ", and more: choose a level" if len(found) >= LONGEST else ""
    out.print(f"{len(found)} alerts{more}")


def facts(alert: Alert, subjects: Subjects) -> Any:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    level = Text(f"{alert.level.zh}色 {alert.level.en}", style=_COLOURS[alert.level])
    acked = f"{_local(alert.acked)} {alert.acked_by}" if alert.acked else "-"
    closed = (
        f"{_local(alert.closed)} {alert.closed_by or '系统'}: {alert.closing_note}" if alert.closed else "-"
    )
    for name, value in (
        ("编号 id", alert.id),
        ("级别 level", level),
        ("状态 state", _STATES[alert.state]),
        ("规则 rule", f"{alert.rule} ({alert.rule_version})"),
        ("对象 subject", _where(alert, subjects)),
        ("数值 / 限值", _reading(alert)),
        ("开始 since", _local(alert.since)),
        ("首次 raised", f"{_local(alert.raised)}, 第 {alert.count} 次"),
        ("恢复 recovered", _local(alert.recovered)),
        ("确认 acknowledged", acked),
        ("处置 stage", _STAGES[alert.stage]),
        ("处置人 handler", alert.handler or "-"),
        ("措施 measure", _measure(alert)),
        ("消警 closed", closed),
    ):
        table.add_row(name, value)
    return table


def _measure(alert: Alert) -> str:
    if not alert.reported:
        return "-"
    kind = "误报 false alarm: " if alert.false_alarm else ""
    return f"{kind}{alert.measure} ({_local(alert.done)}; {alert.proof or '-'})"


def history_table(history: Sequence[Any]) -> Any:
    from rich.table import Table

    table = Table("#", "时间 time", "事由 cause", "状态 state", "级别", "人 by", "说明 note",
                  box=None, pad_edge=False, title="历史 history", title_justify="left")  # fmt: skip
    for line in history:
        moved = f"{line.old} → {line.new}" if line.old != line.new else str(line.new)
        table.add_row(str(line.seq), _local(line.t), line.cause, moved, line.level.zh, line.by, line.note)
    return table


def notes_table(notes: Sequence[Any]) -> Any:
    from rich.table import Table

    table = Table("时间 time", "步骤 step", "接收人 recipient", "渠道 channel", "结果 result", "次", "说明",
                  box=None, pad_edge=False, title="通知 notifications", title_justify="left")  # fmt: skip
    colours = {"sent": "green", "carried": "green", "dead": "red"}
    for note in notes:
        table.add_row(
            _local(note.created),
            note.step,
            note.recipient,
            note.channel,
            note.state,
            str(note.attempts),
            note.reason or note.receipt,
            style=colours.get(note.state, "yellow"),
        )
    return table


def _where(alert: Alert, subjects: Subjects) -> str:
    subject = subjects.get((alert.subject_kind, alert.subject))
    if subject is None:
        return f"{alert.subject_kind.name.lower()} {alert.subject}"
    return f"{subject.enterprise_name} · {subject.name}"


def _reading(alert: Alert) -> str:
    from alerts.message import number

    numbers = [number(value) for value in (alert.value, alert.limit) if value == value]  # noqa: PLR0124 - NaN
    return f"{' / '.join(numbers)} {alert.unit}".strip()


def _local(t_ns: int) -> str:
    from core.time import local_text

    return local_text(t_ns) if t_ns else "-"
