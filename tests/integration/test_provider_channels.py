"""Channels of single providers: tokens, templates, receipts, what each code means."""

import asyncio
from dataclasses import replace

import pytest
from fakes.note import NOTE
from fakes.provider import Trouble
from fakes.robots import FakeDingtalk, FakeFeishu
from fakes.sending import (
    LONG,
    PHONE,
    aliyun,
    dingtalk,
    feishu,
    refused,
    run,
    send,
    tencent,
    wechat,
    wecom_app,
)
from fakes.sms import FakeAliyun, FakeTencent
from fakes.smtp import FakeMail, certificate
from fakes.wechat import FakeWechat
from fakes.wecom import FakeWecomApp

from alerts.message import facts
from alerts.notify.contract import ChannelError, ErrorKind, Traceable

FULL = replace(
    NOTE,
    text_zh="【红色】灰斗温度高（D-02）\n单位：甲木业　东村\n对象：1号除尘器 灰斗温度\n数值：85.3 ℃，限值 70 ℃\n"
    "开始：2026-11-21 08:59:00\n处置：停机清灰，联系 13800000000\n编号：7K3FQ2MD4XWZ",
)


def to(address, note=FULL):
    return replace(note, address=address)


def test_facts_are_the_lines_of_the_text():
    known = facts(FULL)
    assert (known["subject"], known["value"]) == ("1号除尘器 灰斗温度", "85.3 ℃，限值 70 ℃")
    assert (known["since"], known["level"], known["recovered"]) == ("2026-11-21 08:59:00", "红色", "")


# ── WeCom app ─────────────────────────────────────────────────────────────────
@pytest.fixture
def app():
    with FakeWecomApp() as server:
        yield server


def test_app_fetches_one_token_for_many_notes(app):
    async def many(channel):
        await asyncio.gather(*(channel.send(to("li|wang")) for _ in range(5)))

    run("wecom_app", many, **wecom_app(app))
    assert app.n_tokens == 1
    assert len(app.messages["li"]) == len(app.messages["wang"]) == 5


def test_app_gets_a_new_token_when_the_old_one_ends_early(app):
    async def twice(channel):
        await channel.send(to("li"))
        app.expire()
        await channel.send(to("li"))

    run("wecom_app", twice, **wecom_app(app))
    assert (app.n_tokens, len(app.messages["li"])) == (2, 2)


def test_app_does_not_fetch_tokens_without_end(app):
    busy = Trouble(body={"errcode": 40014, "errmsg": "invalid access_token"})
    fine = Trouble(accept=True)
    app.misbehave(fine, busy, fine, busy)
    error = refused("wecom_app", to("li"), **wecom_app(app))
    assert (error.kind, error.code, app.n_tokens) == (ErrorKind.REFRESH, "40014", 2)


def test_app_reports_whom_it_did_not_reach(app):
    receipt = send("wecom_app", to("li|nobody"), **wecom_app(app))
    assert (receipt.id, receipt.detail) == ("m1", "not reached: nobody")
    assert refused("wecom_app", to("nobody"), **wecom_app(app)).kind == ErrorKind.FALLBACK


def test_app_with_errcode_0_that_reached_nobody_falls_back(app):
    app.misbehave(
        Trouble(accept=True), Trouble(body={"errcode": 0, "errmsg": "ok", "invaliduser": "li", "msgid": "m"})
    )
    assert refused("wecom_app", to("li"), **wecom_app(app)).code == "invaliduser"


def test_app_meets_the_limit_of_a_member(app):
    async def many(channel):
        for _ in range(31):
            await channel.send(to("li"))

    with pytest.raises(ChannelError) as caught:
        run("wecom_app", many, **wecom_app(app))
    assert (caught.value.code, caught.value.retry_after_s) == ("45009", 60)


def test_app_with_a_wrong_secret_is_for_the_operator(app):
    error = refused("wecom_app", to("li"), **wecom_app(app) | {"secret": "old"})
    assert (error.kind, error.code) == (ErrorKind.CONFIG, "40001")


@pytest.mark.parametrize(
    ("errcode", "kind"),
    [(-1, "retry"), (60020, "config"), (301002, "config"), (81013, "fallback"), (12345, "permanent")],
)
def test_app_is_judged_by_errcode(app, errcode, kind):
    app.misbehave(Trouble(accept=True), Trouble(body={"errcode": errcode, "errmsg": "no"}))
    assert refused("wecom_app", to("li"), **wecom_app(app)).kind == kind


def test_app_cuts_by_bytes_and_writes_to_departments(app):
    send("wecom_app", to("li", replace(FULL, text_zh=LONG)), **wecom_app(app))
    assert app.messages["li"][0]["text"]["content"].endswith(NOTE.link)
    app.misbehave(Trouble(accept=True), Trouble(body={"errcode": 0, "msgid": "m"}))
    send("wecom_app", to("party:3|4"), **wecom_app(app))
    assert app.requests[-1].json["toparty"] == "3|4"
    assert "touser" not in app.requests[-1].json


# ── WeChat ────────────────────────────────────────────────────────────────────
@pytest.fixture
def account():
    with FakeWechat() as server:
        yield server


def test_wechat_fills_the_template_within_its_limits(account):
    assert send("wechat_template", to("o1"), **wechat(account)).id == "77"
    (message,) = account.messages["o1"]
    data = {name: field["value"] for name, field in message["data"].items()}
    assert data["thing1"] == "1号除尘器 灰斗温度"
    assert (data["character_string2"], data["time3"]) == (NOTE.alert, "2026-11-21 08:59:00")
    assert PHONE not in data["thing4"]
    assert len(data["thing4"]) <= 20
    assert message["url"] == NOTE.link


def test_wechat_has_no_empty_field(account):
    send("wechat_template", to("o1", NOTE), **wechat(account))
    assert account.messages["o1"][0]["data"]["thing1"]["value"] == "-"


def test_wechat_renews_a_token_that_somebody_else_replaced(account):
    async def twice(channel):
        await channel.send(to("o1"))
        account.token = "of another service"
        await channel.send(to("o1"))

    run("wechat_template", twice, **wechat(account))
    assert len(account.messages["o1"]) == 2


@pytest.mark.parametrize(
    ("change", "address", "kind", "code"),
    [
        ({"secret": "old"}, "o1", "config", "40125"),
        ({"template_id": "gone"}, "o1", "config", "40037"),
        ({}, "o9", "fallback", "40003"),
    ],
)
def test_wechat_refusals(account, change, address, kind, code):
    error = refused("wechat_template", to(address), **wechat(account) | change)
    assert (error.kind, error.code) == (kind, code)


@pytest.mark.parametrize(("errcode", "kind"), [(43101, "fallback"), (45009, "fallback"), (47003, "config")])
def test_wechat_is_judged_by_errcode(account, errcode, kind):
    account.misbehave(Trouble(accept=True), Trouble(body={"errcode": errcode, "errmsg": "no"}))
    assert refused("wechat_template", to("o1"), **wechat(account)).kind == kind


# ── SMS ───────────────────────────────────────────────────────────────────────
@pytest.fixture
def ali():
    with FakeAliyun() as server:
        yield server


@pytest.fixture
def tc():
    with FakeTencent() as server:
        yield server


def test_aliyun_sends_and_its_key_comes_back(ali):
    receipt = send("aliyun_sms", to(f"+86 {PHONE}"), **aliyun(ali))
    ((number, variables, out_id),) = ali.sent
    assert (number, out_id, receipt.id) == (PHONE, NOTE.key, "biz-1")
    assert variables["subject"] == "1号除尘器 灰斗温度"
    assert variables["id"] == NOTE.alert
    assert all(0 < len(text) <= 35 for text in variables.values())


def test_tencent_sends_and_its_key_comes_back(tc):
    assert send("tencent_sms", to(PHONE), **tencent(tc)).id == "n-1"
    ((number, params, session),) = tc.sent
    assert (number, session) == (f"+86{PHONE}", NOTE.key)
    assert params == ["红色", "1号除尘器 灰斗温度", "85.3 ℃，限值 70 ℃", NOTE.alert]


@pytest.mark.parametrize(
    ("kind", "fake", "settings"), [("aliyun_sms", FakeAliyun, aliyun), ("tencent_sms", FakeTencent, tencent)]
)
def test_sms_that_was_accepted_in_a_time_out_is_found_and_not_sent_again(kind, fake, settings):
    async def attempts(channel):
        assert isinstance(channel, Traceable)
        assert await channel.find(to(PHONE)) is None
        with pytest.raises(ChannelError) as caught:
            await channel.send(to(PHONE))
        assert caught.value.maybe_sent
        return await channel.find(to(PHONE)), await channel.find(replace(to(PHONE), key="another"))

    with fake() as server:
        server.misbehave(Trouble(accept=True), Trouble(stall_s=5, accept=True))
        found, other = run(kind, attempts, timeout_s=0.3, **settings(server))
        assert found is not None
        assert other is None
        assert len(server.sent) == 1


def test_only_sms_needs_to_be_asked():
    with FakeWecomApp() as server:

        async def traceable(channel):
            return isinstance(channel, Traceable)

        assert not run("wecom_app", traceable, **wecom_app(server))


def test_aliyun_with_a_long_key_is_found_by_its_hash(ali):
    long = replace(to(PHONE), key="x" * 300)
    send("aliyun_sms", long, **aliyun(ali))
    assert run("aliyun_sms", lambda channel: channel.find(long), **aliyun(ali)) is not None


@pytest.mark.parametrize("kind", ["aliyun_sms", "tencent_sms"])
@pytest.mark.parametrize("address", ["", "12345", "a@b.example"])
def test_sms_to_what_is_no_mobile_falls_back_without_asking_anybody(kind, address):
    assert refused(kind, to(address), url="http://127.0.0.1:9").code == "no_mobile"


def test_aliyun_with_a_wrong_secret_is_for_the_operator(ali):
    error = refused("aliyun_sms", to(PHONE), **aliyun(ali) | {"access_key_secret": "old"})
    assert (error.kind, error.code) == (ErrorKind.CONFIG, "SignatureDoesNotMatch")


def test_aliyun_meets_the_limit_of_a_number_and_hides_the_number():
    with FakeAliyun(per_day=1) as server:
        send("aliyun_sms", to(PHONE), **aliyun(server))
        error = refused("aliyun_sms", to(PHONE), **aliyun(server))
    assert error.kind == ErrorKind.FALLBACK
    assert PHONE not in str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("isv.SIGN_STATE_ILLEGAL", "config"),
        ("isv.DENY_IP_RANGE", "config"),
        ("isv.MONTH_LIMIT_CONTROL", "fallback"),
        ("isv.AMOUNT_NOT_ENOUGH", "config"),
        ("isp.SYSTEM_ERROR", "retry"),
        ("Throttling.User", "retry"),
        ("Something.New", "permanent"),
    ],
)
def test_aliyun_is_judged_by_code(ali, code, kind):
    ali.misbehave(Trouble(status=400, body={"Code": code, "Message": "no"}))
    assert refused("aliyun_sms", to(PHONE), **aliyun(ali)).kind == kind


def test_tencent_with_a_wrong_secret_or_clock_is_for_the_operator(tc):
    error = refused("tencent_sms", to(PHONE), **tencent(tc) | {"secret_key": "old"})
    assert (error.kind, error.code) == (ErrorKind.CONFIG, "AuthFailure.SignatureFailure")
    error = refused("tencent_sms", to(PHONE), clock=lambda: 10**18, **tencent(tc))
    assert (error.kind, error.code) == (ErrorKind.CONFIG, "AuthFailure.SignatureExpire")


def test_tencent_is_judged_per_number_although_http_says_200(tc):
    tc.blacklist.add(f"+86{PHONE}")
    error = refused("tencent_sms", to(PHONE), **tencent(tc))
    assert (error.kind, PHONE in str(error)) == (ErrorKind.FALLBACK, False)
    tc.blacklist.clear()
    send("tencent_sms", to(PHONE), **tencent(tc))
    error = refused("tencent_sms", to(PHONE), **tencent(tc))
    assert (error.kind, error.retry_after_s) == (ErrorKind.RETRY, 30)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("FailedOperation.TemplateIncorrectOrUnapproved", "config"),
        ("FailedOperation.SignatureIncorrectOrUnapproved", "config"),
        ("InvalidParameterValue.IncorrectPhoneNumber", "fallback"),
        ("LimitExceeded.PhoneNumberDailyLimit", "fallback"),
        ("RequestLimitExceeded", "retry"),
        ("InternalError.Timeout", "retry"),
        ("Something.New", "permanent"),
    ],
)
def test_tencent_is_judged_by_code(tc, code, kind):
    status = {"Code": code, "Message": "no", "SerialNo": ""}
    tc.misbehave(Trouble(body={"Response": {"SendStatusSet": [status]}}))
    assert refused("tencent_sms", to(PHONE), **tencent(tc)).kind == kind


def test_tencent_that_gives_no_sessions_back_finds_nothing():
    with FakeTencent(sessions=False) as server:
        send("tencent_sms", to(PHONE), **tencent(server))
        assert run("tencent_sms", lambda channel: channel.find(to(PHONE)), **tencent(server)) is None


def test_tencent_without_a_status_is_no_success(tc):
    tc.misbehave(Trouble(body={"Response": {"SendStatusSet": []}}))
    assert refused("tencent_sms", to(PHONE), **tencent(tc)).code == "empty"


# ── robots of DingTalk and Feishu ─────────────────────────────────────────────
def test_dingtalk_signs_and_mentions():
    with FakeDingtalk(secret="SECtest") as server:
        send("dingtalk_robot", to(f"t1@{PHONE}"), secret="SECtest", **dingtalk(server))
        (message,) = server.messages["t1"]
        assert message["at"] == {"atMobiles": [PHONE]}
        assert message["text"]["content"].endswith(f"@{PHONE}")
        error = refused("dingtalk_robot", to(""), secret="other", **dingtalk(server))
        assert (error.kind, error.code) == (ErrorKind.CONFIG, "310000")
        assert refused("dingtalk_robot", to("gone"), secret="SECtest", **dingtalk(server)).kind == "config"


def test_dingtalk_that_was_too_fast_waits_ten_minutes():
    with FakeDingtalk(per_minute=2) as server:
        send("dingtalk_robot", to("t1", replace(FULL, text_zh=LONG)), **dingtalk(server))
        send("dingtalk_robot", to("t1"), **dingtalk(server))
        error = refused("dingtalk_robot", to("t1"), **dingtalk(server))
        assert (error.kind, error.code, error.retry_after_s) == (ErrorKind.RETRY, "130101", 600)


def test_feishu_signs():
    with FakeFeishu(secret="s1") as server:
        send("feishu_robot", to("", replace(FULL, text_zh=LONG)), secret="s1", **feishu(server))
        assert server.messages["f1"][0]["content"]["text"].endswith(NOTE.link)
        error = refused("feishu_robot", to(""), secret="other", **feishu(server))
        assert (error.kind, error.code) == (ErrorKind.CONFIG, "19021")
        assert refused("feishu_robot", to("gone"), secret="s1", **feishu(server)).code == "19001"


def test_feishu_that_was_too_fast_tries_again():
    with FakeFeishu(per_minute=1) as server:
        send("feishu_robot", to(""), **feishu(server))
        assert refused("feishu_robot", to(""), **feishu(server)).kind == ErrorKind.RETRY


@pytest.mark.parametrize("kind", ["dingtalk_robot", "feishu_robot"])
def test_a_robot_without_key_is_for_the_operator(kind):
    assert refused(kind, to("")).kind == ErrorKind.CONFIG


# ── e-mail ────────────────────────────────────────────────────────────────────
@pytest.fixture
def mail(tmp_path):
    """A mail server with STARTTLS, and the settings that reach it."""
    pair = certificate(tmp_path)
    with FakeMail(pair, user="watch", password="s3cret") as server:
        server.settings = {
            "host": "localhost", "port": server.port, "user": "watch", "password": "s3cret",
            "sender": "watch@example.org", "ca_file": str(pair[0]), "timeout_s": 2.0,
        }  # fmt: skip
        yield server


MAIL = to("officer@example.org", replace(FULL, title="【红色预警】\r\nBcc: everybody@example.org"))


def test_email_is_sent_over_tls_with_a_stable_id(mail):
    first, second = (send("email", MAIL, **mail.settings) for _ in range(2))
    assert first == second
    message = mail.messages[0]
    assert message["Message-ID"] == first.id
    assert message["To"] == "officer@example.org"
    assert message["Subject"] == "【红色预警】 Bcc: everybody@example.org"
    assert message["Bcc"] is None
    assert "85.3 ℃" in message.get_content()
    assert PHONE not in message.get_content()
    assert message["Date"].datetime.isoformat() == "2026-11-21T09:00:00+08:00"


@pytest.mark.parametrize(
    ("answer", "kind"), [("550 no such user", ErrorKind.FALLBACK), ("451 later", ErrorKind.RETRY)]
)
def test_email_to_a_refused_address(mail, answer, kind):
    mail.refuse["officer@example.org"] = answer
    assert refused("email", MAIL, **mail.settings).kind == kind


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"password": "old"}, ErrorKind.CONFIG),
        ({"ca_file": ""}, ErrorKind.CONFIG),
        ({"port": 9}, ErrorKind.RETRY),
        ({"tls": "none"}, ErrorKind.CONFIG),
    ],
)
def test_email_that_cannot_be_delivered(mail, change, kind):
    assert refused("email", MAIL, **mail.settings | change).kind == kind
    assert not mail.messages


@pytest.mark.parametrize(("drop", "maybe_sent"), [("EHLO", False), ("AUTH", False), ("DATA", True)])
def test_email_over_a_line_that_breaks(tmp_path, drop, maybe_sent):
    with FakeMail(user="", drop=drop) as server:
        settings = {"host": "127.0.0.1", "port": server.port, "tls": "none", "sender": "w@example.org"}
        more = {"user": "watch", "password": "x"} if drop == "AUTH" else {}
        error = refused("email", MAIL, **settings, **more)
    assert (error.kind, error.maybe_sent) == (ErrorKind.RETRY, maybe_sent)


def test_email_that_was_accepted_is_sent_however_the_line_ends(tmp_path):
    with FakeMail(drop="QUIT") as server:
        send("email", MAIL, host="127.0.0.1", port=server.port, tls="none", sender="w@example.org")
        assert len(server.messages) == 1
