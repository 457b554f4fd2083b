"""The notifier with a real outbox and fake providers: what it sends twice, what it does not, and its heartbeat."""

import asyncio
import contextlib
from dataclasses import replace

import httpx
import psycopg
import pytest
from fakes.note import NOTE
from fakes.provider import Trouble
from fakes.sending import PHONE, aliyun, tencent
from fakes.sms import FakeAliyun, FakeTencent
from fakes.webhook import FakeWebhook
from fakes.wecom import FakeWecomRobot

from core.levels import Level
from core.time import MINUTE, clock_ns
from service.config import Config, Console, Database, Heartbeat, Notify
from service.config_channel import AliyunSms, LogChannel, TencentSms, Webhook, WecomRobot
from service.metrics import NotifierMetrics
from service.notifier import Notifier, channels_of
from storage.alerts import ADD_NOTE, note_row

QUICK = Notify(
    timeout_s=0.5, lease_s=2.0, retry_s=0.01, retry_max_s=0.05, red_max_s=0.05, poll_s=0.05, ask_s=0.1
)
BASE = "https://watch.example"


def config(database, channels, *, notify=QUICK, **parts):
    alerts = replace(Config().alerts, last_resort=("operator", "log", "operator"))
    return Config(
        database=Database(dsn=database), channels={"log": LogChannel(), **channels}, notify=notify, alerts=alerts,
        console=Console(public_url=BASE, secret_key="k" * 20), **parts,
    )  # fmt: skip


def note(n=1, *, channel="sms", address=PHONE, level=Level.RED, recipient="so1"):
    return replace(
        NOTE, key=f"A:raise-{n}:{recipient}:{channel}", step=f"raise-{n}", channel=channel, address=address, level=level,
        recipient=recipient, created=clock_ns(),
    )  # fmt: skip


def write(database, *notes):
    with psycopg.connect(database) as connection:
        for one in notes:
            connection.execute(ADD_NOTE, note_row(one))
        connection.execute("NOTIFY fengsui_outbox")


def rows(database, sql):
    with psycopg.connect(database) as connection:
        return connection.execute(sql).fetchall()


def work(chosen, until, *, timeout_s=20.0):
    """Run a notifier until a condition holds; return its metrics."""
    metrics = NotifierMetrics()

    async def run():
        async with httpx.AsyncClient(timeout=chosen.notify.timeout_s, trust_env=False) as client:
            notifier = Notifier(chosen, channels_of(chosen, client), metrics)
            task = asyncio.create_task(notifier.work())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(timeout_s):
                    while not await asyncio.to_thread(until):  # noqa: ASYNC110 - the condition is in a database
                        await asyncio.sleep(0.02)
            notifier.stop()
            await asyncio.wait_for(task, 20)

    asyncio.run(run())
    return metrics


def settled(database):
    return lambda: not rows(database, "SELECT 1 FROM outbox WHERE state IN ('todo', 'leased')")


def counted(metric, *labels):
    return metric.labels(*labels)._value.get()


SMS = [
    pytest.param(FakeAliyun, AliyunSms, aliyun, id="aliyun"),
    pytest.param(FakeTencent, TencentSms, tencent, id="tencent"),
]


@pytest.mark.parametrize(("fake", "kind", "settings"), SMS)
def test_an_sms_that_was_accepted_before_the_time_out_is_found_and_not_sent_again(
    database, fake, kind, settings
):
    with fake() as provider:
        provider.misbehave(Trouble(stall_s=1.0, accept=True))
        write(database, note())
        metrics = work(
            config(database, {"sms": kind(**settings(provider), per_minute=60)}), settled(database)
        )
        assert len(provider.sent) == 1
    assert rows(database, "SELECT state, attempt FROM outbox") == [("sent", 2)]
    assert counted(metrics.unknown, "sms") == 1
    assert counted(metrics.notifications, "sms", "found") == 1


@pytest.mark.parametrize(("fake", "kind", "settings"), SMS)
def test_an_sms_that_the_provider_never_got_is_sent_again(database, fake, kind, settings):
    with fake() as provider:
        provider.misbehave(Trouble(stall_s=1.0, accept=False))
        write(database, note())
        metrics = work(
            config(database, {"sms": kind(**settings(provider), per_minute=60)}), settled(database)
        )
        assert len(provider.sent) == 1
    assert counted(metrics.notifications, "sms", "sent") == 1


def test_a_provider_that_may_not_be_asked_gets_the_sms_again(database):
    with FakeAliyun() as provider:
        refused = Trouble(status=403, body={"Code": "Forbidden.RAM", "Message": "not authorized"})
        provider.misbehave(Trouble(stall_s=1.0, accept=True), refused)
        write(database, note())
        work(config(database, {"sms": AliyunSms(**aliyun(provider), per_minute=60)}), settled(database))
        assert len(provider.sent) == 2, "twice is better than not at all"
    assert rows(database, "SELECT state FROM outbox") == [("sent",)]


def test_nobody_gets_more_than_the_budget_of_a_recipient_and_machines_get_all(database):
    robots = {f"r{n}": WecomRobot(key=f"k{n}") for n in range(2)}
    with FakeWecomRobot(keys=("k0", "k1")) as wecom, FakeWebhook() as hook:
        url = f"{wecom.url}/cgi-bin/webhook/send"
        channels = {name: replace(robot, url=url) for name, robot in robots.items()} | {
            "hook": Webhook(url=hook.url)
        }
        many = [
            note(n, channel=channel, address="", level=Level.YELLOW, recipient="so1")
            for n in range(12)
            for channel in ("r0", "hook")
        ]
        write(database, *many, note(99, channel="r1", address="", level=Level.YELLOW, recipient="pr1"))
        few = replace(QUICK, recipient_per_minute=6)
        chosen = config(database, channels, notify=few)
        work(chosen, lambda: len(hook.keys) == 12 and len(wecom.messages["k1"]) == 1, timeout_s=5)
        assert len(hook.keys) == 12
        assert len(wecom.messages["k0"]) == 1, (
            "a third of six a minute as a burst, three tenths of it kept for red"
        )
        assert len(wecom.messages["k1"]) == 1


def test_a_notifier_that_starts_again_has_not_forgotten_what_the_provider_remembers(database):
    with FakeWecomRobot(per_minute=20) as wecom:
        robot = WecomRobot(key="k1", url=f"{wecom.url}/cgi-bin/webhook/send")
        chosen = config(database, {"robot": robot}, notify=replace(QUICK, recipient_per_minute=1000))
        for round_ in range(5):  # each would begin with a burst of six
            write(
                database,
                *[note(100 * round_ + n, channel="robot", address="", level=Level.YELLOW) for n in range(10)],
            )
            work(chosen, lambda: False, timeout_s=0.5)
        assert wecom.codes[45009] == 0
        assert len(wecom.messages["k1"]) <= 6


def test_people_get_a_signed_link_and_the_log_an_ordinary_one(database, tmp_path):
    plain = f"{BASE}/alerts/{NOTE.alert}"
    with FakeWecomRobot() as wecom:
        path = tmp_path / "log.jsonl"
        chosen = config(
            database,
            {
                "robot": WecomRobot(key="k1", url=f"{wecom.url}/cgi-bin/webhook/send"),
                "file": LogChannel(path=str(path)),
            },
        )
        notes = [replace(note(channel=name, address=""), link=plain) for name in ("robot", "file")]
        write(database, *notes)
        work(chosen, settled(database))
        (message,) = wecom.messages["k1"]
        assert f"{BASE}/a/{NOTE.alert}/so1/" in message["markdown"]["content"]
        assert plain in path.read_text()
        assert "/a/" not in path.read_text()
    assert set(rows(database, "SELECT link FROM outbox")) == {(plain,)}, "what is signed stands in no table"


# ── heartbeat ─────────────────────────────────────────────────────────────────
def test_a_beat_goes_through_every_channel_with_a_recipient_and_its_delay_is_measured(database):
    with FakeWebhook() as one, FakeWebhook() as two:
        channels = {"one": Webhook(url=one.url), "two": Webhook(url=two.url), "three": Webhook(url=one.url)}
        beats = Heartbeat(interval_s=2.0, timeout_s=1.0, recipients={"one": "", "two": two.url})
        metrics = work(
            config(database, channels, heartbeat=beats),
            lambda: sum(one.keys.values()) > 1 and sum(two.keys.values()) > 1,
        )
        assert counted(metrics.heartbeat_ok, "one") == counted(metrics.heartbeat_ok, "two") == 1
        assert counted(metrics.heartbeat_delay, "two") > 0
        assert all("HEARTBEAT" in key for key in [*one.keys, *two.keys])


@pytest.mark.parametrize("trouble", [Trouble(status=403), Trouble(stall_s=30.0)], ids=["refused", "hanging"])
def test_the_operator_hears_once_of_a_channel_that_does_not_get_through(database, trouble):
    with FakeWebhook() as broken:
        broken.misbehave(*[trouble] * 50)
        beats = Heartbeat(interval_s=MINUTE / 1e9, timeout_s=0.4, recipients={"hook": ""})
        chosen = config(database, {"hook": Webhook(url=broken.url)}, heartbeat=beats)
        alarm = "SELECT recipient, channel, title FROM outbox WHERE step LIKE 'failed-%' AND state = 'sent'"
        metrics = work(chosen, lambda: bool(rows(database, alarm)))
    assert rows(database, alarm) == [("operator", "log", "【通道故障】hook 自检未送达")]
    assert counted(metrics.heartbeat_ok, "hook") == 0


def test_without_recipients_nothing_is_written(database):
    work(config(database, {}), lambda: False, timeout_s=0.3)
    assert rows(database, "SELECT count(*) FROM outbox") == [(0,)]
