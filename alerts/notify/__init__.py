"""Channels: how notes leave the service.  Adding one is a folder, and a line here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from alerts.notify.aliyun_sms.channel import AliyunSms
from alerts.notify.contract import Channel
from alerts.notify.dingtalk_robot.channel import DingtalkRobot
from alerts.notify.email.channel import Email
from alerts.notify.feishu_robot.channel import FeishuRobot
from alerts.notify.log.channel import Log
from alerts.notify.tencent_sms.channel import TencentSms
from alerts.notify.webhook.channel import Webhook
from alerts.notify.wechat_template.channel import WechatTemplate
from alerts.notify.wecom_app.channel import WecomApp
from alerts.notify.wecom_robot.channel import WecomRobot

# kind, as in [channels.NAME] kind = "…"  ->  its class; the settings are its keyword arguments.
ALL: Mapping[str, Callable[..., Channel]] = {
    "aliyun_sms": AliyunSms,
    "dingtalk_robot": DingtalkRobot,
    "email": Email,
    "feishu_robot": FeishuRobot,
    "log": Log,
    "tencent_sms": TencentSms,
    "webhook": Webhook,
    "wechat_template": WechatTemplate,
    "wecom_app": WecomApp,
    "wecom_robot": WecomRobot,
}


def build(kind: str, client: httpx.AsyncClient, settings: Mapping[str, Any]) -> Channel:
    """Return a channel of a kind; raises KeyError for an unknown kind, TypeError for an unknown setting."""
    return ALL[kind](client, **settings)
