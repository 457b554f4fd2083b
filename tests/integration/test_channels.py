"""Channels against fakes that misbehave as the real providers do."""

import json
import logging
from dataclasses import replace

import pytest
import structlog
from fakes.note import NOTE
from fakes.provider import FakeProvider, Trouble
from fakes.sending import HTTP, LONG, PHONE, refused, robot_url, send, warm
from fakes.webhook import FakeWebhook
from fakes.wecom import FakeWecomRobot

from alerts.notify import ALL, build
from alerts.notify.contract import ErrorKind


@pytest.fixture
def robot():
    with FakeWecomRobot() as server:
        yield server


@pytest.fixture
def hook():
    with FakeWebhook("s3cret") as server:
        yield server


# ── what every channel must do when the network or the provider fails ─────────
@pytest.fixture(params=sorted(HTTP))
def line(request):
    """(kind, server, settings, note) of every channel that speaks HTTP."""
    fake, settings, address = HTTP[request.param]
    with fake() as server:
        yield request.param, server, settings(server), replace(NOTE, address=address)


@pytest.mark.parametrize(
    ("trouble", "kind", "code", "maybe_sent"),
    [
        (Trouble(status=503, body=b"busy"), ErrorKind.RETRY, "http 503", False),
        (Trouble(status=429, headers={"retry-after": "7"}), ErrorKind.RETRY, "http 429", False),
        (Trouble(status=403), ErrorKind.CONFIG, "http 403", False),
        (Trouble(status=400), ErrorKind.PERMANENT, "http 400", False),
        (Trouble(drop=True), ErrorKind.RETRY, "connection", True),
        (Trouble(stall_s=5), ErrorKind.RETRY, "timeout", True),
        (Trouble(stall_s=5, accept=True), ErrorKind.RETRY, "timeout", True),
    ],
)
def test_trouble_is_told_apart(line, trouble, kind, code, maybe_sent):
    name, server, settings, note = line
    warm(name, server, trouble)
    error = refused(name, note, timeout_s=0.3, **settings)
    assert (error.kind, error.code, error.maybe_sent) == (kind, code, maybe_sent)
    assert error.retry_after_s == (7 if trouble.status == 429 else 0)
    if not trouble.accept:
        send(name, note, **settings)


def test_a_provider_that_is_away_is_tried_again_and_nothing_was_sent(line):
    name, server, settings, note = line
    gone = settings | {"url": settings["url"].replace(server.url, "http://127.0.0.1:9")}
    error = refused(name, note, **gone)
    assert (error.kind, error.maybe_sent) == (ErrorKind.RETRY, False)


@pytest.mark.parametrize("url", ["ftp://example.org/", "no url at all", "http://[::1"])
def test_an_address_that_is_no_url_is_for_the_operator(url):
    assert refused("webhook", replace(NOTE, address=""), url=url).kind == ErrorKind.CONFIG


SECRETS = {"key", "secret", "token", "password", "secret_key", "access_key_secret"}


@pytest.mark.parametrize("kind", sorted(ALL))
def test_no_channel_shows_its_secrets(kind):
    settings = dict.fromkeys(SECRETS & set(ALL[kind].__dataclass_fields__), "TOPSECRET")
    channel = build(kind, None, settings)
    assert "TOPSECRET" not in repr(channel)
    assert "TOPSECRET" not in channel.credential(replace(NOTE, address=""))
    assert PHONE not in channel.credential(replace(NOTE, address=PHONE))


# ── WeCom group robot ─────────────────────────────────────────────────────────
def test_robot_writes_into_the_group(robot):
    send("wecom_robot", replace(NOTE, address="k1"), **robot_url(robot))
    (message,) = robot.messages["k1"]
    assert message["msgtype"] == "markdown"
    content = message["markdown"]["content"]
    assert NOTE.title in content
    assert "85.3 ℃" in content
    assert NOTE.link in content


def test_robot_mentions_a_person_by_text(robot):
    send("wecom_robot", replace(NOTE, address=f"k1@{PHONE}"), **robot_url(robot))
    assert robot.messages["k1"][0]["text"]["mentioned_mobile_list"] == [PHONE]


def test_robot_key_of_the_configuration_serves_contacts_without_one(robot):
    send("wecom_robot", replace(NOTE, address=f"@{PHONE}"), key="k1", **robot_url(robot))
    send("wecom_robot", replace(NOTE, address=""), key="k1", **robot_url(robot))
    assert len(robot.messages["k1"]) == 2
    assert refused("wecom_robot", replace(NOTE, address="")).kind == ErrorKind.CONFIG


@pytest.mark.parametrize("address", ["k1", f"k1@{PHONE}"])
def test_robot_cuts_by_bytes_and_keeps_the_link(robot, address):
    send("wecom_robot", replace(NOTE, address=address, text_zh=LONG), **robot_url(robot))
    message = robot.messages["k1"][0]
    assert NOTE.link in message[message["msgtype"]]["content"]


@pytest.mark.parametrize(
    ("errcode", "kind", "retry_after_s"),
    [
        (45009, ErrorKind.RETRY, 60),
        (-1, ErrorKind.RETRY, 60),
        (93000, ErrorKind.CONFIG, 0),
        (40058, ErrorKind.PERMANENT, 0),
        (99999, ErrorKind.PERMANENT, 0),
    ],
)
def test_robot_is_judged_by_errcode_although_http_says_200(robot, errcode, kind, retry_after_s):
    robot.misbehave(Trouble(body={"errcode": errcode, "errmsg": f"no, {PHONE}"}))
    error = refused("wecom_robot", replace(NOTE, address="k1"), **robot_url(robot))
    assert (error.kind, error.code, error.retry_after_s) == (kind, str(errcode), retry_after_s)
    assert PHONE not in str(error)


def test_robot_meets_its_rate_limit(robot):
    for _ in range(20):
        send("wecom_robot", replace(NOTE, address="k1"), **robot_url(robot))
    assert refused("wecom_robot", replace(NOTE, address="k1"), **robot_url(robot)).code == "45009"
    assert refused("wecom_robot", replace(NOTE, address="nokey"), **robot_url(robot)).code == "93000"


def test_robot_takes_a_page_of_a_proxy_for_no_answer(robot):
    robot.misbehave(Trouble(body=b"<html>login</html>"))
    error = refused("wecom_robot", replace(NOTE, address="k1"), **robot_url(robot))
    assert (error.kind, error.code) == (ErrorKind.RETRY, "not_json")


# ── signed webhook ────────────────────────────────────────────────────────────
def test_webhook_is_signed_and_carries_the_idempotency_key(hook):
    send("webhook", replace(NOTE, address=""), url=hook.url, secret="s3cret")
    send("webhook", replace(NOTE, address=hook.url), secret="s3cret")
    assert hook.keys == {NOTE.key: 2}
    note = hook.notes[NOTE.key]
    assert (note["level"], note["level_name"], note["title"]) == (4, "red", NOTE.title)
    assert note["created"] == "2026-11-21T01:00:00+00:00"
    assert hook.forged == 0


def test_webhook_with_another_secret_is_not_believed(hook):
    error = refused("webhook", replace(NOTE, address=hook.url), secret="wrong")
    assert (error.kind, hook.forged) == (ErrorKind.CONFIG, 1)


def test_webhook_signature_is_too_old_after_a_while(hook):
    error = refused("webhook", replace(NOTE, address=hook.url), secret="s3cret", clock=lambda: 10**18)
    assert error.kind == ErrorKind.CONFIG
    assert not hook.keys


def test_webhook_without_secret_is_unsigned():
    with FakeWebhook() as server:
        send("webhook", replace(NOTE, address=server.url))
        assert "fengsui-signature" not in server.requests[0].headers


def test_webhook_needs_an_address():
    assert refused("webhook", replace(NOTE, address="")).kind == ErrorKind.CONFIG


# ── log ───────────────────────────────────────────────────────────────────────
def test_log_writes_a_line_of_the_log_and_a_line_of_the_file(tmp_path):
    path = tmp_path / "notes.jsonl"
    note = replace(NOTE, title=f"请联系 {PHONE}")
    with structlog.testing.capture_logs() as lines:
        send("log", note, path=str(path))
        send("log", note, path=str(path))
    assert [line["event"] for line in lines] == ["请联系 138****0000"] * 2
    assert (lines[0]["alert"], lines[0]["level_name"]) == (NOTE.alert, "red")
    written = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert [line["key"] for line in written] == [NOTE.key] * 2
    assert PHONE not in path.read_text(encoding="utf-8")


def test_log_that_cannot_write_tries_again(tmp_path):
    assert refused("log", path=str(tmp_path)).kind == ErrorKind.RETRY


# ── nothing of this leaves a secret in a log ──────────────────────────────────
def test_the_http_library_logs_no_key(robot, caplog):
    """httpx logs addresses at INFO, and a robot's key is part of its address."""
    with caplog.at_level(logging.DEBUG):
        send("wecom_robot", replace(NOTE, address="k1"), **robot_url(robot))
    assert "k1" not in caplog.text


def test_a_fake_answers_only_what_it_was_taught():
    with FakeProvider() as server, pytest.raises(NotImplementedError):
        server.answer(None)
