"""Send one note by one channel, and what each channel needs to reach its fake."""

import asyncio

import httpx
import pytest

from alerts.notify import build
from alerts.notify.contract import ChannelError
from fakes.note import NOTE
from fakes.provider import Trouble
from fakes.robots import FakeDingtalk, FakeFeishu
from fakes.sms import FakeAliyun, FakeTencent
from fakes.webhook import FakeWebhook
from fakes.wechat import FakeWechat
from fakes.wecom import FakeWecomApp, FakeWecomRobot

LONG = "除尘器灰斗温度持续升高，" * 2000
PHONE = "13800000000"


def run(kind, do, *, timeout_s=2.0, **settings):
    """Make a channel and return what `await do(channel)` returns."""

    async def once():
        async with httpx.AsyncClient(timeout=timeout_s, trust_env=False) as client:
            return await do(build(kind, client, settings))

    return asyncio.run(once())


def send(kind, note=NOTE, **settings):
    """Send one note by a channel made anew; return its receipt, raise its error."""
    return run(kind, lambda channel: channel.send(note), **settings)


def refused(kind, note=NOTE, **settings):
    """Return the error that sending meets."""
    with pytest.raises(ChannelError) as caught:
        send(kind, note, **settings)
    return caught.value


def robot_url(server):
    return {"url": f"{server.url}/cgi-bin/webhook/send"}


def dingtalk(server):
    return {"url": f"{server.url}/robot/send", "token": "t1"}


def feishu(server):
    return {"url": f"{server.url}/open-apis/bot/v2/hook", "key": "f1"}


def wecom_app(server):
    return {"url": server.url, "corp_id": "c1", "secret": "s3cret", "agent_id": 7}


def wechat(server):
    fields = {"thing1": "subject", "character_string2": "alert", "time3": "since", "thing4": "advice"}
    return {"url": server.url, "app_id": "a1", "secret": "s3cret", "template_id": "t1", "fields": fields}


def aliyun(server):
    return {
        "url": server.url,
        "access_key_id": "ak",
        "access_key_secret": "s3cret",
        "sign_name": "烽燧",
        "template_code": "SMS_1",
    }


def tencent(server):
    return {
        "url": server.url,
        "secret_id": "id",
        "secret_key": "s3cret",
        "app_id": "1400000000",
        "sign_name": "烽燧",
        "template_id": "1",
    }


def webhook(server):
    return {"url": server.url, "secret": "s3cret"}


# kind -> (fake, settings that reach it, address of a contact)
HTTP = {
    "aliyun_sms": (FakeAliyun, aliyun, PHONE),
    "dingtalk_robot": (FakeDingtalk, dingtalk, ""),
    "feishu_robot": (FakeFeishu, feishu, ""),
    "tencent_sms": (FakeTencent, tencent, PHONE),
    "webhook": (lambda: FakeWebhook("s3cret"), webhook, ""),
    "wecom_app": (FakeWecomApp, wecom_app, "li"),
    "wechat_template": (FakeWechat, wechat, "o1"),
    "wecom_robot": (FakeWecomRobot, robot_url, "k1"),
}
_WITH_TOKEN = {"wecom_app", "wechat_template"}


def warm(kind, server, trouble):
    """Let the message itself meet the trouble, not the fetching of a token before it."""
    if kind in _WITH_TOKEN:
        server.misbehave(Trouble(accept=True))
    server.misbehave(trouble)
