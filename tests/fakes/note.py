"""A note as the desk makes it."""

from alerts.changes import Note
from core.levels import Level
from core.time import SECOND

ALERT = "7K3FQ2MD4XWZ"
# 2026-11-21 09:00:00 in China.
NOTE = Note(
    key=f"{ALERT}:raise-1:so1:wecom_robot",
    alert=ALERT,
    step="raise-1",
    recipient="so1",
    channel="wecom_robot",
    address="k1",
    level=Level.RED,
    title="【红色预警】甲木业 1号除尘器 灰斗温度 灰斗温度高",
    text_zh=f"【红色】灰斗温度高（D-02）\n数值：85.3 ℃，限值 70 ℃\n编号：{ALERT}",
    text_en=f"[RED] hopper temperature high (D-02): alert\nvalue: 85.3 ℃, limit 70 ℃\nalert: {ALERT}",
    link=f"https://watch.example/alerts/{ALERT}",
    created=1_795_222_800 * SECOND,
)
